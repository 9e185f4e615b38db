//! When segments begin and end by what is heard, and how often an open one is looked at.

use super::SegmentConfig;
use documented::DocumentedFields;
use serde::{Deserialize, Serialize};

/// The detector that distinguishes speech from the rest.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize, Serialize)]
#[serde(rename_all = "lowercase")]
#[repr(u8)]
pub enum DetectorKind {
    /// No detector: the client says where segments end, everything else is passed on.
    #[default]
    Off,
    /// The Silero network.
    Silero,
    /// Loudness above the noise floor: no model, for clean input.
    Energy,
}

impl DetectorKind {
    /// Silero's name in the model manager's manifest.
    pub const SILERO_MODEL: &str = "silero-vad";

    /// Returns the name, as in configuration files.
    pub fn name(self) -> &'static str {
        match self {
            DetectorKind::Off => "off",
            DetectorKind::Silero => "silero",
            DetectorKind::Energy => "energy",
        }
    }
}

/// What must say that a speaker has finished before a short silence ends a segment.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize, Serialize)]
#[serde(rename_all = "lowercase")]
#[repr(u8)]
pub enum TurnRule {
    /// Nothing: the silence alone ends it.
    #[default]
    Off,
    /// The text so far: it ends in a full stop, a question mark or an exclamation mark.
    Text,
    /// The Smart Turn network, which hears the intonation.
    Audio,
    /// The network, and the text where the model writes punctuation.
    Both,
}

impl TurnRule {
    /// Smart Turn's name in the model manager's manifest.
    pub const SMART_TURN_MODEL: &str = "smart-turn";

    /// Returns the name, as in configuration files.
    pub fn name(self) -> &'static str {
        match self {
            TurnRule::Off => "off",
            TurnRule::Text => "text",
            TurnRule::Audio => "audio",
            TurnRule::Both => "both",
        }
    }

    /// Returns whether the network is asked.
    pub fn hears_audio(self) -> bool {
        matches!(self, TurnRule::Audio | TurnRule::Both)
    }

    /// Returns whether the text is looked at.
    pub fn reads_text(self) -> bool {
        matches!(self, TurnRule::Text | TurnRule::Both)
    }
}

/// Endpoint rules, in milliseconds of the stream's audio: decisions depend on nothing else. The defaults come
/// from measurements on read speech (`docs/live.md`).
#[derive(Clone, Copy, Debug, PartialEq, Deserialize, Serialize, DocumentedFields)]
#[serde(deny_unknown_fields, default)]
#[repr(C)]
pub struct EndpointConfig {
    /// The probability of speech from which a window of 32 ms counts as voiced. Default 0.4.
    pub threshold: f32,
    /// The probability below which speech that goes on counts as paused. Default 0.1.
    pub release: f32,
    /// Voiced time that opens a segment, in milliseconds. Default 64.
    pub onset_ms: u16,
    /// Audio before the first voiced window that belongs to the segment, in milliseconds. Default 200, and 300 in the
    /// profile `live`.
    pub lead_ms: u16,
    /// Audio after the last voiced window that belongs to the segment, in milliseconds, at most `silence_ms`: of the
    /// silence that is waited for. Default 100, and 200 in the profile `live`.
    pub trail_ms: u16,
    /// Silence after speech that ends the segment, in milliseconds. Default 300. Shorter: quicker answers, more cut
    /// sentences.
    pub silence_ms: u16,
    /// What must say that the speaker has finished before `silence_ms` ends the segment: `text` (the text so far ends in
    /// final punctuation), `audio` (the Smart Turn network), `both` (the network, and the text where the model writes
    /// punctuation), or `off`: silence alone. Default `off`, and `both` in the profile `live`.
    pub turn: TurnRule,
    /// Silence that ends the segment where `turn` says that the speaker has not finished, in milliseconds. Default 700. A
    /// value below `silence_ms` counts as `silence_ms`.
    pub silence_max_ms: u16,
    /// Probability from which the network says that the speaker has finished. Default 0.9.
    pub turn_threshold: f32,
    /// Probability of the final punctuation mark from which the text says so. Default 0.5.
    pub text_threshold: f32,
    /// Probability of a finished turn from which a stream gets the event `eager_end` ahead of the endpoint, with the text so
    /// far; by the network, which `both` asks only where the text agrees, or where only the text is looked at by the mark. Default 0: never.
    pub eager_threshold: f32,
    /// Length up to which a segment is decoded once more together with the one before it, if that ended within 2 s, in
    /// seconds: the likelier of both texts is the final. Default 0: never; 20 in the profile `live`. For networks that take
    /// whole segments and can go on from a text (Moonshine on the processor); others are not asked.
    pub context_s: u8,
    /// Voiced time that counts as speech, in milliseconds. Default 160.
    pub speech_ms: u16,
    /// Silence that ends a segment in which less than that was voiced (a click, or the first breath of a sentence), in
    /// milliseconds. Default 600.
    pub silence_without_speech_ms: u16,
    /// Silence after which the final is begun, to be ready should the endpoint come, in milliseconds. Default 100; 0 is
    /// never.
    pub speculate_ms: u16,
    /// Time for which the network may find nothing after text before the segment ends, with or without a detector, in
    /// milliseconds. Default 0: for ever. For networks that take audio in chunks; then one chunk of a stream is in the
    /// lane at a time.
    pub blank_ms: u16,
    /// Detector that distinguishes speech from the rest: `silero` (a network, about 0.1 ms for 32 ms of audio), `energy` (loudness, for
    /// clean input) or `off` (the client says where segments end). Default `off`.
    pub detector: DetectorKind,
    /// Length up to which a segment goes on over longer silence, so that neighbors share their context, in seconds.
    /// Default 0: pauses of `silence_ms` end segments of any length.
    pub join_s: u8,
    /// Silence that ends a segment shorter than `join_s`. In milliseconds. Default 0; a value
    /// below `silence_ms` counts as `silence_ms`.
    pub join_silence_ms: u16,
}

impl EndpointConfig {
    /// Returns the names, in the model manager's manifest, of the models that the rules need beside the recognizer. They
    /// must be in the cache before the engine starts.
    ///
    /// ```
    /// use voxlane::Config;
    ///
    /// assert_eq!(Config::live().endpoint.models().collect::<Vec<_>>(), ["silero-vad", "smart-turn"]);
    /// assert_eq!(Config::default().endpoint.models().count(), 0);
    /// ```
    pub fn models(&self) -> impl Iterator<Item = &'static str> + use<> {
        let detector = (self.detector == DetectorKind::Silero).then_some(DetectorKind::SILERO_MODEL);
        let turn = self.turn.hears_audio().then_some(TurnRule::SMART_TURN_MODEL);
        detector.into_iter().chain(turn)
    }
}

impl Default for EndpointConfig {
    fn default() -> Self {
        EndpointConfig {
            threshold: 0.4,
            release: 0.1,
            onset_ms: 64,
            lead_ms: 200,
            trail_ms: 100,
            silence_ms: 300,
            turn: TurnRule::Off,
            silence_max_ms: 700,
            turn_threshold: 0.9,
            text_threshold: 0.5,
            eager_threshold: 0.0,
            context_s: 0,
            speech_ms: 160,
            silence_without_speech_ms: 600,
            speculate_ms: 100,
            blank_ms: 0,
            detector: DetectorKind::Off,
            join_s: 0,
            join_silence_ms: 0,
        }
    }
}

/// The rhythm in which open segments are decoded for partials.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize, Serialize, DocumentedFields)]
#[serde(deny_unknown_fields, default)]
#[repr(C)]
pub struct PartialConfig {
    /// Voiced audio between two partials, in milliseconds; 0 is no partials. Default 0, and 250 in the
    /// profile `live`. A loaded
    /// lane makes fewer: finals of all streams come before partials of any.
    pub every_ms: u16,
}

/// The class of service of a stream: whether its client waits for the text.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize, Serialize)]
#[serde(rename_all = "lowercase")]
#[repr(u8)]
pub enum ServiceClass {
    /// A stream whose text somebody waits for: served before all batch streams.
    #[default]
    Live,
    /// A recording: takes the time that live streams leave.
    Batch,
}

impl ServiceClass {
    /// Which of a lane's chains serves the class: the last of one or two.
    pub(crate) fn chain(self, chains: usize) -> usize {
        (self as usize).min(chains.saturating_sub(1))
    }
}

/// The rules of one stream. Taken by ingest with its first message.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
#[repr(C)]
pub struct StreamRules {
    /// The rules for where its segments begin and end.
    pub endpoint: EndpointConfig,
    /// The rhythm of its partials.
    pub partial: PartialConfig,
    /// The window in which its long segments are cut, if it is not the engine's.
    pub segment: Option<SegmentConfig>,
    /// The class, which decides what streams it is served before.
    pub class: ServiceClass,
}
