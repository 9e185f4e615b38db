//! From the engine's events to turns: items with their text.

use super::conversation::Conversation;
use super::mark::{Mark, Marks};
use crate::protocols::openai::error::ApiError;
use crate::protocols::openai::logprobs::logprobs;
use crate::session::SessionOutput;
use serde_json::json;
use std::sync::Arc;
use voxlane::{EndCause, Engine, Event, StreamFault, Transcript};

/// What a stream's events are made into turns with.
pub(super) struct Turns {
    pub(super) conversation: Arc<Conversation>,
    pub(super) engine: Arc<Engine>,
    pub(super) marks: Marks,
    /// Whether the client says where turns end.
    pub(super) is_manual: bool,
    pub(super) logprobs: bool,
    /// Seconds of audio in front of the stream.
    pub(super) base_s: f64,
    /// The turn that somebody speaks.
    pub(super) turn: Option<Turn>,
    /// What has been said in the turn that the client has not ended.
    pub(super) said: Vec<Transcript>,
    /// Whether a part of it has no text.
    pub(super) is_broken: bool,
    /// Whether a turn ended because the client said so.
    pub(super) has_committed: bool,
}

/// A turn that a detector has heard begin.
pub(super) struct Turn {
    item_id: String,
    /// The text that has been told.
    told: String,
    is_cleared: bool,
}

impl Turns {
    /// Tells of a stream's turns until it is closed; the fault that ended it early, if one did.
    pub(super) async fn run(mut self, mut output: SessionOutput) -> Option<StreamFault> {
        let mut fault = None;
        while let Some(event) = output.next().await {
            match event {
                Event::Error { error, .. } if error.is_notice() => {}
                Event::Error { error: error @ StreamFault::NotFinite, .. } => self.broken(error),
                Event::Error { error, .. } => fault = Some(error),
                Event::Marker { .. } => self.mark(),
                event if self.is_manual => self.collect(event),
                event => self.tell(event),
            }
        }
        if let Some(fault) = fault {
            self.lost(fault);
        }
        fault
    }

    /// Takes an event of a session whose client says where turns end.
    fn collect(&mut self, event: Event) {
        if let Event::Final(said) = event {
            self.said.push(said);
        }
    }

    /// Takes an event of a session in which a detector says where turns begin and end.
    fn tell(&mut self, event: Event) {
        match event {
            Event::SpeechStart { start, .. } => {
                let item_id = self.conversation.item();
                let event = json!({ "audio_start_ms": self.ms(start), "item_id": item_id });
                self.conversation.send("input_audio_buffer.speech_started", event);
                let turn = Turn { item_id, told: String::new(), is_cleared: false };
                self.turn = Some(turn);
            }
            Event::Partial(said) => self.grow(said.stable.as_deref().unwrap_or_default()),
            Event::Endpoint { end, cause, .. } => self.stop(end, cause),
            Event::Final(said) => self.complete(&said),
            _ => {}
        }
    }

    /// Tells what of a turn's text is certain and has not been told.
    fn grow(&mut self, stable: &str) {
        let Some(turn) = &mut self.turn else { return };
        if let Some(delta) = stable.trim().strip_prefix(turn.told.as_str()) {
            self.conversation.delta(&turn.item_id, delta);
            turn.told += delta;
        }
    }

    fn stop(&mut self, end: f64, cause: EndCause) {
        let ms = self.ms(end);
        let Some(turn) = &mut self.turn else { return };
        if cause == EndCause::Client {
            turn.is_cleared = self.marks.is_clear_next();
            self.has_committed = true;
        }
        let event = json!({ "audio_end_ms": ms, "item_id": turn.item_id });
        self.conversation.send("input_audio_buffer.speech_stopped", event);
        if !turn.is_cleared {
            self.conversation.committed(&turn.item_id);
        }
    }

    fn complete(&mut self, said: &Transcript) {
        let text = said.text.trim();
        self.grow(text);
        let Some(turn) = self.turn.take().filter(|turn| !turn.is_cleared) else { return };
        let logprobs = self.logprobs.then(|| logprobs(&self.engine, std::slice::from_ref(said)));
        self.conversation.completed(&turn.item_id, text, said.end - said.start, logprobs);
    }

    /// The engine has come to a place at which the client said something.
    fn mark(&mut self) {
        match self.marks.take() {
            Some(Mark::Turn { item_id, seconds }) => self.turn_over(&item_id, seconds),
            Some(Mark::Commit { event_id }) if !self.has_committed => {
                let message = "input_audio_buffer: nobody has been heard since the last turn; there is nothing to commit";
                let error = ApiError::of_status(400, "input_audio_buffer_commit_empty", message);
                self.conversation.error(&error, event_id.as_deref());
            }
            Some(Mark::Clear) => {
                self.said.clear();
                self.is_broken = false;
            }
            Some(Mark::Commit { .. }) | None => {}
        }
        self.has_committed = false;
    }

    /// Tells the text of a turn that the client has ended.
    fn turn_over(&mut self, item_id: &str, seconds: f64) {
        let said = std::mem::take(&mut self.said);
        if std::mem::take(&mut self.is_broken) {
            self.conversation.failed(item_id, &failure(StreamFault::NotFinite));
            return;
        }
        let texts = said.iter().map(|said| said.text.trim()).filter(|text| !text.is_empty());
        let text = texts.collect::<Vec<_>>().join(" ");
        self.conversation.delta(item_id, &text);
        let tokens = || logprobs(&self.engine, &said);
        self.conversation.completed(item_id, &text, seconds, self.logprobs.then(tokens));
    }

    /// A segment has no text.
    fn broken(&mut self, fault: StreamFault) {
        self.is_broken = self.is_manual;
        if let Some(turn) = self.turn.take() {
            self.conversation.failed(&turn.item_id, &failure(fault));
        }
    }

    /// What is open will have no text.
    fn lost(&mut self, fault: StreamFault) {
        if let Some(turn) = self.turn.take() {
            self.conversation.failed(&turn.item_id, &failure(fault));
        }
        while let Some(mark) = self.marks.take() {
            if let Mark::Turn { item_id, .. } = mark {
                self.conversation.failed(&item_id, &failure(fault));
            }
        }
    }

    fn ms(&self, seconds: f64) -> i64 {
        ((self.base_s + seconds) * 1e3).round() as i64
    }
}

/// A fault as clients read it.
pub(super) fn failure(fault: StreamFault) -> ApiError {
    let status = if fault == StreamFault::ShutDown { 503 } else { 500 };
    ApiError::of_status(status, fault.code().name(), fault.to_string())
}
