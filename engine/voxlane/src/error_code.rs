//! Stable codes of everything that can go wrong, for logs, other languages and network protocols.

use serde::Serialize;
use std::fmt;

macro_rules! codes {
    ($($variant:ident = $number:literal $name:literal $meaning:literal)*) => {
        /// The stable code of an error: a number and a name that never change, where texts of errors may. `docs/errors.md` lists
        /// them all.
        ///
        /// ```
        /// use voxlane::{ErrorCode, StreamError};
        ///
        /// let code = StreamError::Full.code();
        /// assert_eq!((code, code.number(), code.name()), (ErrorCode::StreamFull, 404, "stream.full"));
        /// ```
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
        #[non_exhaustive]
        #[repr(u16)]
        pub enum ErrorCode {
            $(#[doc = $meaning] $variant = $number,)*
        }

        impl ErrorCode {
            /// Every code, by number.
            pub const ALL: &[ErrorCode] = &[$(ErrorCode::$variant),*];

            /// Returns the name: the area and the problem, as `stream.full`.
            pub const fn name(self) -> &'static str {
                match self {
                    $(ErrorCode::$variant => $name,)*
                }
            }

            /// Returns one sentence of what it means.
            pub const fn meaning(self) -> &'static str {
                match self {
                    $(ErrorCode::$variant => $meaning,)*
                }
            }
        }
    };
}

codes! {
    ConfigRead = 101 "config.read" "The configuration file cannot be read."
    ConfigSyntax = 102 "config.syntax" "The configuration is not TOML, has an unknown key, or a value of a wrong type."
    ConfigValue = 103 "config.value" "A value of the configuration is out of range or does not fit another."
    ConfigNoSuchCore = 104 "config.no_such_core" "The configuration names a core that the machine does not have."
    ConfigCoreNotAllowed = 105 "config.core_not_allowed" "The configuration names a core that the process may not use."

    EngineLane = 201 "engine.lane" "A lane does not start."
    EngineMemory = 202 "engine.memory" "The lanes would take more memory than there is."
    EngineModel = 203 "engine.model" "The model is not there or cannot be used."
    EngineDetector = 204 "engine.detector" "The voice activity detector is not there or cannot be used."
    EngineNoRecognizer = 205 "engine.no_recognizer" "The model does not turn speech into text."
    EngineSampleRate = 206 "engine.sample_rate" "The model wants audio of another rate than lanes carry."
    EngineDecode = 207 "engine.decode" "The model does not support the decode strategy that the configuration names."
    EngineNoBackend = 208 "engine.no_backend" "The model does not run on the backend that the configuration names."
    EngineUnknownModel = 209 "engine.unknown_model" "There is no model of the name."
    EngineDevice = 210 "engine.device" "The device is not there or cannot be used."
    EngineNotBuilt = 211 "engine.not_built" "The backend is not built in."
    EngineThreads = 212 "engine.threads" "The operating system gave no thread."
    EngineTurn = 213 "engine.turn" "The network that hears whether a speaker has finished is not there or cannot be used."

    OpenSaturated = 301 "open.saturated" "All stream slots are taken. Retrying helps when a stream has ended."
    OpenDown = 302 "open.down" "Every lane is down or being restarted. Retrying helps when one is up again."
    OpenRules = 303 "open.rules" "The stream's endpoint rules are out of range."
    OpenDetector = 304 "open.detector" "The stream wants a detector that the engine was not started with."
    OpenQueueFull = 305 "open.queue_full" "The queue for a slot is full. Retrying later helps."
    OpenLanguage = 306 "open.language" "The model does not know the language that the stream asks for."
    OpenTranslation = 307 "open.translation" "The model does not translate."
    OpenPrompt = 308 "open.prompt" "The model cannot go on from what was said before, or cannot spell it."

    StreamNotFinite = 401 "stream.not_finite" "A sample is NaN or infinite."
    StreamAmplitude = 402 "stream.amplitude" "A sample is far beyond full scale."
    StreamSampleRate = 403 "stream.sample_rate" "The sample rate cannot be resampled."
    StreamFull = 404 "stream.full" "The stream's audio ring is full. Retrying helps."
    StreamTooManyMarks = 405 "stream.too_many_marks" "Too many markers are unanswered. Retrying helps when one has been answered."
    StreamFinished = 406 "stream.finished" "The stream has been finished."
    StreamSlowClient = 407 "stream.slow_client" "The client left too many events unread; the stream is closed."
    StreamAbandoned = 408 "stream.abandoned" "The side of the stream that gives events was dropped."
    StreamLaneFailed = 409 "stream.lane_failed" "The lane failed and was restarted. A new stream helps."
    ShutDown = 410 "engine.shut_down" "The engine was shut down."
    Forked = 411 "engine.forked" "The engine belongs to the parent of this process."
    HotwordsUnsupported = 420 "hotwords.unsupported" "The model cannot listen for hotwords."
    HotwordsSpelling = 421 "hotwords.spelling" "The model's vocabulary cannot spell a hotword."
    HotwordsBoost = 422 "hotwords.boost" "A hotword's boost is out of range."

    SignalNoAudio = 501 "signal.no_audio" "Nothing but digital silence arrives; the stream goes on."
    SignalClipping = 502 "signal.clipping" "The audio is clipped; the stream goes on."
    ResultNotFinite = 503 "result.not_finite" "The model's output was not finite: the segment has no text; the stream goes on."
    ResultNoText = 511 "result.no_text" "Speech was detected and no words were recognized."
    ResultLittleText = 512 "result.little_text" "Far fewer words were recognized than the detected speech holds."
    ResultRepetition = 513 "result.repetition" "The model repeated itself; the repetition was removed."

    AudioRead = 601 "audio.read" "The audio file cannot be opened or read."
    AudioMalformed = 602 "audio.malformed" "The bytes break the rules of their format."
    AudioUnsupported = 603 "audio.unsupported" "Another container or codec than those that are read."
    AudioPipe = 604 "audio.pipe" "The format can be read from a file, but not from a pipe."
    AudioNotAudio = 605 "audio.not_audio" "No kind of audio file."
    AudioNoChannel = 606 "audio.no_channel" "The file does not have the channel."
    AudioTruncated = 607 "audio.truncated" "The file ends before its audio does."
    AudioEmpty = 608 "audio.empty" "The file holds no audio."
    AudioSampleRate = 609 "audio.sample_rate" "The file's sample rate is absurd."
    AudioChannels = 610 "audio.channels" "The file has no channels, or more than can be mixed down."
    AudioSample = 611 "audio.sample" "A sample of the file is no audio."
    AudioTooLong = 612 "audio.too_long" "The file has more audio than is read into memory at once."
}

impl ErrorCode {
    /// Returns the number.
    pub const fn number(self) -> u16 {
        self as u16
    }
}

impl fmt::Display for ErrorCode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

impl Serialize for ErrorCode {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.name())
    }
}
