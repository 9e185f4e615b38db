//! The way out for JSON messages, which Flux numbers.

use crate::network::Outbox;
use serde_json::{Value, json};
use std::sync::{Arc, Mutex, PoisonError};

/// The way out of a connection. Clones share it, and the numbers.
#[derive(Clone)]
pub(super) struct Outlet {
    outbox: Outbox,
    /// The number of the next message, where messages are numbered.
    next: Option<Arc<Mutex<u64>>>,
}

impl Outlet {
    /// Messages as they are.
    pub(super) fn plain(outbox: Outbox) -> Self {
        Outlet { outbox, next: None }
    }

    /// Messages with `sequence_id` from 0 on.
    pub(super) fn numbered(outbox: Outbox) -> Self {
        Outlet { outbox, next: Some(Arc::default()) }
    }

    /// Puts a message in, and returns whether there was room: if not, the connection ends.
    pub(super) fn send(&self, message: Value) -> bool {
        let Some(next) = &self.next else { return self.outbox.send(message.to_string()) };
        // Held until the message has its place: numbers and places agree.
        let mut next = next.lock().unwrap_or_else(PoisonError::into_inner);
        let text = with_number(message, *next);
        *next += 1;
        self.outbox.send(text)
    }

    /// A message as it is sent last, by the connection's ending.
    pub(super) fn last(&self, message: Value) -> String {
        let Some(next) = &self.next else { return message.to_string() };
        let mut next = next.lock().unwrap_or_else(PoisonError::into_inner);
        let text = with_number(message, *next);
        *next += 1;
        text
    }

    pub(super) fn outbox(&self) -> &Outbox {
        &self.outbox
    }
}

fn with_number(mut message: Value, number: u64) -> String {
    if let Value::Object(fields) = &mut message {
        fields.insert("sequence_id".into(), json!(number));
    }
    message.to_string()
}
