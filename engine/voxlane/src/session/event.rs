//! The events of a stream, in order.

use crate::error_code::ErrorCode;
use crate::message::EndCause;
use serde::{Deserialize, Serialize};
use thiserror::Error;
use voxlane_models::fault::Faults;
use voxlane_models::hypothesis::Token;

/// An event of a stream. As JSON it is an object of `type`, `stream` and the fields that apply: `docs/live.md` has them all.
/// [`EventRecord`] adds the version of that format.
///
/// Events come in order. A segment opens once and closes once, at most one is open. A final never changes
/// and is a pure function of its stream's samples up to the decision of its end, and of the calls made in order with them.
///
/// ```
/// use voxlane::Event;
///
/// /// What a program shows of a stream: the text of an open segment, and then the final one.
/// fn line(event: &Event) -> Option<String> {
///     match event {
///         Event::Partial(said) => Some(format!("… {}", said.text)),
///         Event::Final(said) => Some(format!("{:.1} s: {}", said.start, said.text)),
///         Event::Error { error, .. } => Some(format!("error: {error}")),
///         _ => None,
///     }
/// }
///
/// let json = r#"{"type":"final","stream":0,"segment":3,"start":1.5,"end":2.25,"text":"one latte",
///     "latency_ms":{"total":320.0,"queue":0.1,"compute":12.0,"endpoint_wait":300.0}}"#;
/// let event: Event = serde_json::from_str(json)?;
/// assert_eq!(line(&event).as_deref(), Some("1.5 s: one latte"));
/// assert_eq!(line(&Event::Closed { stream: 0 }), None);
/// # Ok::<(), serde_json::Error>(())
/// ```
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "type", rename_all = "snake_case")]
#[non_exhaustive]
pub enum Event {
    /// A segment has opened.
    SpeechStart {
        /// The stream's number within its engine.
        stream: u64,
        /// The segment's number within its stream.
        segment: u32,
        /// The place where it begins, in seconds of the stream's audio.
        start: f64,
    },
    /// The text of an open segment so far, which may change.
    Partial(Transcript),
    /// The end of a segment has been decided; its final follows.
    Endpoint {
        /// The stream's number within its engine.
        stream: u64,
        /// The segment's number within its stream.
        segment: u32,
        /// The place where it ends, in seconds of the stream's audio.
        end: f64,
        /// The reason.
        cause: EndCause,
        /// The time from its end to the decision, in milliseconds of audio.
        silence_ms: f64,
        /// The probability that the speaker had finished, 0 to 1, where the rules ask for it.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        turn: Option<f32>,
    },
    /// The speaker has probably finished: the text that the segment has if so, ahead of its endpoint. Comes where
    /// [`eager_threshold`](crate::config::EndpointConfig::eager_threshold) asks for it. [`Event::Resumed`] follows, or the endpoint and
    /// a final with the same text.
    EagerEnd(Transcript),
    /// The speaker goes on after all: what was begun on [`Event::EagerEnd`] is to be dropped.
    Resumed {
        /// The stream's number within its engine.
        stream: u64,
        /// The segment's number within its stream.
        segment: u32,
    },
    /// A segment's final, which follows, is doubtful.
    Warning {
        /// The stream's number within its engine.
        stream: u64,
        /// The segment's number within its stream.
        segment: u32,
        /// The doubt.
        warning: SegmentWarning,
    },
    /// The text of a closed segment, which never changes.
    Final(Transcript),
    /// Everything pushed before the marker has been processed.
    Marker {
        /// The stream's number within its engine.
        stream: u64,
        /// The id that [`Stream::mark`](crate::Stream::mark) returned.
        marker: u32,
    },
    /// Something went wrong. If the stream cannot go on, [`Event::Closed`] follows.
    Error {
        /// The stream's number within its engine.
        stream: u64,
        /// The segment, if it concerns one.
        #[serde(skip_serializing_if = "Option::is_none")]
        segment: Option<u32>,
        /// The fault.
        error: StreamFault,
    },
    /// The end of the stream: no event follows.
    Closed {
        /// The stream's number within its engine.
        stream: u64,
    },
}

/// An event with the version of the format that it is written in, for lines that are read by other programs or later.
///
/// ```
/// use voxlane::{Event, EventRecord};
///
/// let line = serde_json::to_string(&EventRecord::from(Event::Closed { stream: 0 }))?;
/// assert_eq!(line, r#"{"version":1,"type":"closed","stream":0}"#);
/// let read: EventRecord = serde_json::from_str(&line)?;
/// assert_eq!((read.version, read.event), (EventRecord::VERSION, Event::Closed { stream: 0 }));
/// # Ok::<(), serde_json::Error>(())
/// ```
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct EventRecord<E = Event> {
    /// The format's version.
    pub version: u32,
    /// The event, or a reference to it.
    #[serde(flatten)]
    pub event: E,
}

impl EventRecord {
    /// The version that is written. It is raised when a field goes or changes its meaning. Within a version fields may be
    /// added, which a reader does not see, and types of events, causes, errors and warnings: a line with an unknown one is an error to a reader,
    /// which should skip it.
    pub const VERSION: u32 = 1;
}

impl<E> From<E> for EventRecord<E> {
    fn from(event: E) -> Self {
        EventRecord { version: EventRecord::VERSION, event }
    }
}

/// The text of a segment.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct Transcript {
    /// The stream's number within its engine.
    pub stream: u64,
    /// The segment's number within its stream.
    pub segment: u32,
    /// The place where it begins, in seconds of the stream's audio.
    pub start: f64,
    /// The place where it ends, or up to which a partial reaches.
    pub end: f64,
    /// The whole text.
    pub text: String,
    /// The part of a partial's text that only grows from partial to partial.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub stable: Option<String>,
    /// The rest of a partial's text.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub tail: Option<String>,
    /// The words with their times, where the model has them.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub words: Vec<Word>,
    /// Whether a final contradicts the stable part of its partials.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub revised: bool,
    /// The parts of the time that it took.
    pub latency_ms: Latency,
    /// The tokens, start and end tokens left out.
    #[serde(skip)]
    pub tokens: Vec<Token>,
    /// The doubt about a final, if there is one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub warning: Option<SegmentWarning>,
    /// The probability that the speaker has finished, 0 to 1, of an eager end.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub turn: Option<f32>,
    /// Whether decoding stopped at the token limit instead of at an end token.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub token_limit: bool,
}

/// A doubt about a final.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum SegmentWarning {
    /// The detector heard speech, and the model found no words in it.
    #[error("speech was detected and no words were recognized")]
    NoText,
    /// The model found far fewer words than so much speech has.
    #[error("far fewer words were recognized than the detected speech holds")]
    LittleText,
    /// The model repeated itself. The repetition was removed, and speech may be missing with it.
    #[error("the model repeated itself; the repetition was removed and speech may be missing")]
    Repetition,
}

impl SegmentWarning {
    /// Returns its stable code.
    pub fn code(self) -> ErrorCode {
        match self {
            SegmentWarning::NoText => ErrorCode::ResultNoText,
            SegmentWarning::LittleText => ErrorCode::ResultLittleText,
            SegmentWarning::Repetition => ErrorCode::ResultRepetition,
        }
    }

    /// The gravest that the faults of a final say.
    pub(super) fn of(faults: Faults) -> Option<Self> {
        let warnings = [
            (Faults::NO_TEXT, SegmentWarning::NoText),
            (Faults::REPETITION, SegmentWarning::Repetition),
            (Faults::LITTLE_TEXT, SegmentWarning::LittleText),
        ];
        warnings.into_iter().find_map(|(fault, warning)| faults.has(fault).then_some(warning))
    }
}

/// A word of a transcript.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct Word {
    /// The word.
    pub text: String,
    /// The place where it begins, in seconds of the stream's audio.
    pub start: f64,
    /// The place where it ends.
    pub end: f64,
    /// The model's probability of it, 0 to 1.
    pub confidence: f32,
}

/// The parts of the time that a result took, in milliseconds.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct Latency {
    /// The whole time. Of a partial: from the capture of the newest sample it reflects to its hand-over. Of a final: from the
    /// capture of the last sample of speech to its hand-over.
    pub total: f64,
    /// Everything else: waiting, and computing that a speculative pass did ahead of time.
    pub queue: f64,
    /// The part of it spent computing.
    pub compute: f64,
    /// The part of it spent waiting to be sure that the speaker had finished.
    pub endpoint_wait: f64,
}

/// A fault of a stream, or a notice about its signal.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum StreamFault {
    /// Two seconds of digital silence: the microphone is dead or muted. The stream goes on. Noticed where a
    /// detector listens.
    #[error("audio: nothing but digital silence arrives; the stream goes on")]
    NoAudio,
    /// One sample in a hundred of a second is at full scale: the input is turned up too far. The stream goes
    /// on. Noticed where a detector listens.
    #[error("audio: clipped; the stream goes on")]
    Clipping,
    /// A network's output was not finite: the segment has no text. The stream goes on.
    #[error("model: its output was not finite; the segment has no text")]
    NotFinite,
    /// The client left too many events unread. The stream is closed.
    #[error("stream: closed, because the client left too many events unread")]
    SlowClient,
    /// The lane failed and was restarted. The stream is closed; opening a new one helps.
    #[error("lane: failed and was restarted; the stream is closed, open a new one")]
    LaneFailed,
    /// The engine was shut down before all was decoded.
    #[error("engine: it was shut down before all of the stream was decoded")]
    ShutDown,
    /// This is a forked child of the process that the engine runs in: nothing comes.
    #[error("engine: belongs to the parent process; the stream is closed")]
    Forked,
}

impl StreamFault {
    /// Returns its stable code.
    pub fn code(self) -> ErrorCode {
        match self {
            StreamFault::NoAudio => ErrorCode::SignalNoAudio,
            StreamFault::Clipping => ErrorCode::SignalClipping,
            StreamFault::NotFinite => ErrorCode::ResultNotFinite,
            StreamFault::SlowClient => ErrorCode::StreamSlowClient,
            StreamFault::LaneFailed => ErrorCode::StreamLaneFailed,
            StreamFault::ShutDown => ErrorCode::ShutDown,
            StreamFault::Forked => ErrorCode::Forked,
        }
    }

    /// Returns whether it is about the signal only: nothing has been lost.
    pub fn is_notice(self) -> bool {
        matches!(self, StreamFault::NoAudio | StreamFault::Clipping)
    }
}
