//! What the server says: events with names of their own, and items in a row.

use crate::network::Outbox;
use crate::protocols::openai::error::ApiError;
use serde_json::{Value, json};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, PoisonError};

/// The way to a client, shared by what reads from it and what hears the engine.
pub(super) struct Conversation {
    outbox: Outbox,
    /// A part of all names, different for every connection.
    name: String,
    events: AtomicU64,
    items: AtomicU64,
    /// The item that was committed last.
    last: Mutex<Option<String>>,
}

impl Conversation {
    /// Nothing has been said.
    pub(super) fn new(outbox: Outbox, name: String) -> Self {
        Conversation {
            outbox,
            name,
            events: AtomicU64::new(0),
            items: AtomicU64::new(0),
            last: Mutex::new(None),
        }
    }

    /// Sends an event of the type `kind` with the fields of `event`; whether there was room.
    pub(super) fn send(&self, kind: &str, mut event: Value) -> bool {
        event["type"] = json!(kind);
        event["event_id"] = json!(self.event_id());
        self.outbox.send(event.to_string())
    }

    /// Sends an error, about the client's message `event_id` if there is one.
    pub(super) fn error(&self, error: &ApiError, event_id: Option<&str>) -> bool {
        self.send("error", json!({ "error": described(error, event_id) }))
    }

    /// An error as text, for a last word.
    pub(super) fn last_error(&self, error: &ApiError) -> String {
        json!({ "type": "error", "event_id": self.event_id(), "error": described(error, None) }).to_string()
    }

    /// The name of the next item.
    pub(super) fn item(&self) -> String {
        format!("item_{}_{}", self.name, self.items.fetch_add(1, Ordering::Relaxed))
    }

    /// Says that an item has all its audio.
    pub(super) fn committed(&self, item_id: &str) {
        let mut last = self.last.lock().unwrap_or_else(PoisonError::into_inner);
        let previous = last.replace(item_id.to_owned());
        let item = json!({
            "id": item_id,
            "object": "realtime.item",
            "type": "message",
            "role": "user",
            "status": "completed",
            "content": [{ "type": "input_audio", "transcript": null }],
        });
        self.send(
            "input_audio_buffer.committed",
            json!({ "item_id": item_id, "previous_item_id": previous }),
        );
        for kind in ["conversation.item.added", "conversation.item.created", "conversation.item.done"] {
            self.send(kind, json!({ "item": item, "previous_item_id": previous }));
        }
    }

    /// Says more of an item's text; nothing if there is none.
    pub(super) fn delta(&self, item_id: &str, delta: &str) {
        if !delta.is_empty() {
            let event = json!({ "item_id": item_id, "content_index": 0, "delta": delta });
            self.send("conversation.item.input_audio_transcription.delta", event);
        }
    }

    /// Says an item's text.
    pub(super) fn completed(&self, item_id: &str, text: &str, seconds: f64, logprobs: Option<Vec<Value>>) {
        let usage = crate::protocols::openai::answer::usage(seconds);
        let mut event = json!({ "item_id": item_id, "content_index": 0, "transcript": text, "usage": usage });
        if let Some(logprobs) = logprobs {
            event["logprobs"] = logprobs.into();
        }
        self.send("conversation.item.input_audio_transcription.completed", event);
    }

    /// Says that an item has no text.
    pub(super) fn failed(&self, item_id: &str, error: &ApiError) {
        let event = json!({ "item_id": item_id, "content_index": 0, "error": error.object() });
        self.send("conversation.item.input_audio_transcription.failed", event);
    }

    fn event_id(&self) -> String {
        format!("event_{}_{}", self.name, self.events.fetch_add(1, Ordering::Relaxed))
    }
}

fn described(error: &ApiError, event_id: Option<&str>) -> Value {
    let mut object = error.object();
    object["event_id"] = json!(event_id);
    if let Some(retry_after) = error.retry_after {
        object["retry_after_ms"] = json!(u64::try_from(retry_after.as_millis()).unwrap_or(u64::MAX));
    }
    object
}
