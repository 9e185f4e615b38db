//! What a stream says: events, in order.

use crate::error_code::ErrorCode;
use crate::message::{EndCause, STAMP_NANOS, TokensMessage, faults};
use crate::protocol::{Control, Notice, PassKind, TokensControl};
use serde::{Deserialize, Serialize};
use std::time::Duration;
use thiserror::Error;
use voxlane_models::fault::Faults;
use voxlane_models::hypothesis::Token;
use voxlane_models::vocabulary::Vocabulary;

/// An event of a stream. As JSON it is an object of `type`, `stream` and the fields that apply: `docs/live.md` has them all.
/// [`EventRecord`] adds the version of that format.
///
/// Events come in order. A segment opens once and closes once, at most one is open. A final never changes
/// and is a pure function of its segment's samples.
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
        /// Where it begins, in seconds of the stream's audio.
        start: f64,
    },
    /// What an open segment seems to say.
    Partial(Transcript),
    /// The end of a segment has been decided; its final follows.
    Endpoint {
        /// The stream's number within its engine.
        stream: u64,
        /// The segment's number within its stream.
        segment: u32,
        /// Where it ends, in seconds of the stream's audio.
        end: f64,
        /// Why.
        cause: EndCause,
        /// How long after its end that was decided, in milliseconds of audio.
        silence_ms: f64,
    },
    /// A segment's final, which follows, is doubtful.
    Warning {
        /// The stream's number within its engine.
        stream: u64,
        /// The segment's number within its stream.
        segment: u32,
        /// Why.
        warning: SegmentWarning,
    },
    /// What a segment says.
    Final(Transcript),
    /// Everything pushed before the marker has been dealt with.
    Marker {
        /// The stream's number within its engine.
        stream: u64,
        /// The id that [`Stream::mark`](crate::Stream::mark) gave.
        marker: u32,
    },
    /// Something went wrong. If the stream cannot go on, [`Event::Closed`] follows.
    Error {
        /// The stream's number within its engine.
        stream: u64,
        /// The segment, if it concerns one.
        #[serde(skip_serializing_if = "Option::is_none")]
        segment: Option<u32>,
        /// What.
        error: StreamFault,
    },
    /// Nothing follows.
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
    /// The version that is written. It is raised when a field goes or changes its meaning. Fields, types of events,
    /// causes and errors may be added within a version: a reader passes over those that it does not know.
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
    /// Where it begins, in seconds of the stream's audio.
    pub start: f64,
    /// Where it ends, or how far a partial reaches.
    pub end: f64,
    /// The whole text.
    pub text: String,
    /// The part of a partial's text that only grows from partial to partial.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub stable: Option<String>,
    /// The rest of a partial's text.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub tail: Option<String>,
    /// The words with their times, where the model gives them.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub words: Vec<Word>,
    /// Whether a final contradicts the stable part of its partials.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub revised: bool,
    /// Where the time went.
    pub latency_ms: Latency,
    /// The tokens, start and end tokens left out.
    #[serde(skip)]
    pub tokens: Vec<Token>,
    /// What is doubtful about a final.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub warning: Option<SegmentWarning>,
    /// Whether decoding stopped at the token limit instead of at an end token.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub token_limit: bool,
}

/// What is doubtful about a final.
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
    /// Its stable code.
    pub fn code(self) -> ErrorCode {
        match self {
            SegmentWarning::NoText => ErrorCode::ResultNoText,
            SegmentWarning::LittleText => ErrorCode::ResultLittleText,
            SegmentWarning::Repetition => ErrorCode::ResultRepetition,
        }
    }

    /// The gravest that the faults of a final say.
    fn of(faults: Faults) -> Option<Self> {
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
    /// Where it begins, in seconds of the stream's audio.
    pub start: f64,
    /// Where it ends.
    pub end: f64,
    /// The model's probability of it, 0 to 1.
    pub confidence: f32,
}

/// Where a result's time went, in milliseconds.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct Latency {
    /// Of a partial: from the capture of the newest sample it reflects to its hand-over. Of a final: from the capture
    /// of the last sample of speech to its hand-over.
    pub total: f64,
    /// Of that, waiting for a stage's attention.
    pub queue: f64,
    /// Of that, computing.
    pub compute: f64,
    /// Of that, waiting to be sure that the speaker had finished.
    pub endpoint_wait: f64,
}

/// What can go wrong with a stream.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum StreamFault {
    /// Two seconds of digital silence: the microphone is dead or muted. The stream goes on. Noticed where a
    /// detector listens.
    #[error("nothing but digital silence arrives; the stream goes on")]
    NoAudio,
    /// One sample in a hundred of a second is at full scale: the input is turned up too far. The stream goes
    /// on. Noticed where a detector listens.
    #[error("the audio is clipped; the stream goes on")]
    Clipping,
    /// A network's output was not finite: the segment has no text. The stream goes on.
    #[error("the model's output was not finite; the segment has no text")]
    NotFinite,
    /// The client left too many events unread. The stream is closed.
    #[error("the client left too many events unread; the stream is closed")]
    SlowClient,
    /// The lane failed and was restarted. The stream is closed; opening a new one helps.
    #[error("the lane failed and was restarted; the stream is closed, open a new one")]
    LaneFailed,
    /// The engine was shut down before all was decoded.
    #[error("the engine was shut down before all of the stream was decoded")]
    ShutDown,
    /// This is a forked child of the process that the engine runs in: nothing comes.
    #[error("the engine belongs to the parent process; the stream is closed")]
    Forked,
}

impl StreamFault {
    /// Its stable code.
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

    /// Whether it only tells of the signal: nothing has been lost.
    pub fn is_notice(self) -> bool {
        matches!(self, StreamFault::NoAudio | StreamFault::Clipping)
    }
}

/// Puts events together from the messages of a stream's event ring.
pub(super) struct Assembler {
    pub(super) stream: u64,
    sample_rate: f64,
    tokens: Vec<Token>,
    /// The stable text of the open segment's latest partial.
    stable: String,
    /// The final that its warning goes before.
    pending: Option<Transcript>,
}

impl Assembler {
    pub(super) fn new(stream: u64, sample_rate: u32) -> Self {
        Assembler {
            stream,
            sample_rate: f64::from(sample_rate),
            tokens: Vec::new(),
            stable: String::new(),
            pending: None,
        }
    }

    /// The event that is to follow the latest one, whatever message comes next.
    pub(super) fn pending(&mut self) -> Option<Event> {
        self.pending.take().map(Event::Final)
    }

    /// The event that a message completes, if it does.
    pub(super) fn take(&mut self, message: &TokensMessage, vocabulary: &dyn Vocabulary) -> Option<Event> {
        let (stream, extent) = (self.stream, &message.payload.extent);
        let segment = extent.segment;
        match message.header.control {
            TokensControl::Result { kind, is_continued } => {
                self.result(message, kind, is_continued, vocabulary)
            }
            TokensControl::Control(Control::Start) => {
                self.stable.clear();
                Some(Event::SpeechStart { stream, segment, start: self.span(message).0 })
            }
            TokensControl::Control(Control::End) => {
                let silence_ms = f64::from(extent.silence_samples) * 1e3 / self.sample_rate;
                let end = self.span(message).1;
                Some(Event::Endpoint { stream, segment, end, cause: extent.cause, silence_ms })
            }
            TokensControl::Control(Control::Marker(marker)) => Some(Event::Marker { stream, marker }),
            TokensControl::Control(Control::Notice(notice)) => {
                let error = match notice {
                    Notice::NoAudio => StreamFault::NoAudio,
                    Notice::Clipping => StreamFault::Clipping,
                };
                Some(Event::Error { stream, segment: None, error })
            }
            TokensControl::Control(Control::Last) => Some(Event::Closed { stream }),
            // Nothing of them reaches a client.
            TokensControl::Control(Control::OptionsChanged | Control::Query(_) | Control::Abort) => None,
        }
    }

    /// The event of a pass's result, once all of its tokens are there.
    fn result(
        &mut self,
        message: &TokensMessage,
        kind: PassKind,
        is_continued: bool,
        vocabulary: &dyn Vocabulary,
    ) -> Option<Event> {
        let (stream, segment) = (self.stream, message.payload.extent.segment);
        self.tokens.extend_from_slice(&message.payload.tokens[..usize::from(message.header.count)]);
        if is_continued {
            return None;
        }
        let tokens = std::mem::take(&mut self.tokens);
        if faults(&message.header).has(Faults::NOT_FINITE) {
            return Some(Event::Error { stream, segment: Some(segment), error: StreamFault::NotFinite });
        }
        let is_final = kind == PassKind::Final;
        let transcript = self.transcript(message, tokens, is_final, vocabulary);
        if !is_final {
            return Some(Event::Partial(transcript));
        }
        let Some(warning) = transcript.warning else { return Some(Event::Final(transcript)) };
        self.pending = Some(transcript);
        Some(Event::Warning { stream, segment, warning })
    }

    /// Where a message's segment begins and ends, in seconds.
    fn span(&self, message: &TokensMessage) -> (f64, f64) {
        let extent = &message.payload.extent;
        let end = extent.start + u64::from(extent.samples);
        (extent.start as f64 / self.sample_rate, end as f64 / self.sample_rate)
    }

    fn transcript(
        &mut self,
        message: &TokensMessage,
        tokens: Vec<Token>,
        is_final: bool,
        vocabulary: &dyn Vocabulary,
    ) -> Transcript {
        let ids: Vec<u32> = tokens.iter().map(|token| token.id).collect();
        let text = vocabulary.text(&ids);
        let revised = is_final && !text.starts_with(&self.stable);
        let (stable, tail) = if is_final {
            (None, None)
        } else {
            // Whole words only: what is shown as stable must not look like another word.
            let mut stable = (message.payload.stable as usize).min(ids.len());
            while stable > 0 && stable < ids.len() && !vocabulary.begins_word(ids[stable]) {
                stable -= 1;
            }
            let stable = vocabulary.text(&ids[..stable]);
            // A partial keeps to what is stable; text of single bytes may still close differently.
            if text.starts_with(&stable) && stable.len() >= self.stable.len() {
                self.stable = stable;
            }
            let tail = text.strip_prefix(&self.stable).unwrap_or(&text).to_owned();
            (Some(self.stable.clone()), Some(tail))
        };
        let words = words(&tokens, message.payload.extent.start, self.sample_rate, vocabulary);
        let ((start, end), faults) = (self.span(message), faults(&message.header));
        Transcript {
            stream: self.stream,
            segment: message.payload.extent.segment,
            start,
            end,
            text,
            stable,
            tail,
            words,
            revised,
            latency_ms: latency(message),
            tokens,
            warning: if is_final { SegmentWarning::of(faults) } else { None },
            token_limit: faults.has(Faults::TOKEN_LIMIT),
        }
    }
}

/// The words of `tokens` with their times and the model's probability of each; none where the model gives no
/// times. `segment_start` is in samples of the stream.
fn words(tokens: &[Token], segment_start: u64, sample_rate: f64, vocabulary: &dyn Vocabulary) -> Vec<Word> {
    if tokens.iter().all(|token| token.end == 0) {
        return Vec::new();
    }
    let seconds = |samples: u32| (segment_start + u64::from(samples)) as f64 / sample_rate;
    let mut words: Vec<Word> = Vec::new();
    let mut from = 0;
    while from < tokens.len() {
        let next = tokens[from + 1..].iter().position(|token| vocabulary.begins_word(token.id));
        let to = next.map_or(tokens.len(), |offset| from + 1 + offset);
        let ids: Vec<u32> = tokens[from..to].iter().map(|token| token.id).collect();
        let text = vocabulary.text(&ids).trim().to_owned();
        let log_prob: f32 = tokens[from..to].iter().map(|token| token.log_prob).sum();
        if !text.is_empty() {
            // Tokens of punctuation reach into the pause that follows: they do not count to the word.
            let is_spoken = |token: &&Token| vocabulary.text(&[token.id]).contains(char::is_alphanumeric);
            let spoken = tokens[from..to].iter().rfind(is_spoken).unwrap_or(&tokens[to - 1]);
            words.push(Word {
                text,
                start: seconds(tokens[from].start),
                end: seconds(spoken.end),
                confidence: log_prob.exp(),
            });
        }
        from = to;
    }
    words
}

fn latency(message: &TokensMessage) -> Latency {
    let ms = |nanos: u64| Duration::from_nanos(nanos).as_secs_f64() * 1e3;
    let total = u64::from(message.payload.total) * STAMP_NANOS;
    let compute = message.header.compute_nanos();
    let endpoint_wait = u64::from(message.payload.extent.endpoint_wait_micros) * 1000;
    Latency {
        total: ms(total),
        queue: ms(total.saturating_sub(compute).saturating_sub(endpoint_wait)),
        compute: ms(compute),
        endpoint_wait: ms(endpoint_wait),
    }
}
