//! From the messages of a stream's event ring to events.

use super::event::{Event, Latency, SegmentWarning, StreamFault, Transcript, Word};
use crate::message::{STAMP_NANOS, TokensMessage, faults};
use crate::protocol::{Control, Notice, PassKind, TokensControl};
use std::time::Duration;
use voxlane_models::fault::Faults;
use voxlane_models::hypothesis::Token;
use voxlane_models::tokenizers::vocabulary::Vocabulary;

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
                let (cause, turn) = (extent.cause, extent.turn);
                Some(Event::Endpoint { stream, segment, end, cause, silence_ms, turn })
            }
            TokensControl::Control(Control::Resumed) => Some(Event::Resumed { stream, segment }),
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
            TokensControl::Control(
                Control::OptionsChanged | Control::Query(_) | Control::EagerEnd | Control::Abort,
            ) => None,
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
        if kind == PassKind::Eager {
            // As the final would be, but that more partials may follow.
            let transcript = self.transcript(message, tokens, true, vocabulary);
            return Some(Event::EagerEnd(Transcript { turn: message.payload.extent.turn, ..transcript }));
        }
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
            turn: None,
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
