//! What is particular to `/v2/listen`.

use super::message;
use super::turns::{Turns, no_turn};
use super::wanted::Wanted;
use crate::audio::{AudioFormat, ChannelMode};
use crate::network::RequestId;
use crate::protocols::deepgram::closing::Closing;
use crate::protocols::deepgram::dialect::{Dialect, Heard, Request, Teller};
use crate::protocols::deepgram::marks::Marks;
use crate::protocols::deepgram::notes::Notes;
use serde_json::{Value, json};
use std::sync::Arc;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;
use voxlane::StreamOptions;

/// See the module.
pub(super) struct Conversation {
    wanted: Wanted,
    request_id: RequestId,
    /// The phrases that are listened for now.
    keyterms: Mutex<Vec<String>>,
}

impl Conversation {
    pub(super) fn new(wanted: Wanted, request_id: RequestId) -> Self {
        let keyterms = Mutex::new(wanted.keyterms.clone());
        Conversation { wanted, request_id, keyterms }
    }
}

impl Dialect for Conversation {
    fn options(&self) -> &StreamOptions {
        &self.wanted.options
    }

    fn format(&self) -> Option<(AudioFormat, ChannelMode)> {
        self.wanted.format
    }

    /// Flux has no message that keeps a connection: pings do.
    fn patience(&self) -> Option<Duration> {
        None
    }

    fn teller(&self, _channel: usize, _channels: usize, marks: Arc<Marks>) -> Box<dyn Teller> {
        Box::new(Turns::new(self.request_id.to_string(), self.wanted.knows_turns, marks))
    }

    fn read(&self, text: &str) -> Result<Request, String> {
        message::read(text, &self.wanted.thresholds)
    }

    fn unreadable(&self, description: &str, _text: &str) -> Value {
        json!({
            "type": "Warning",
            "request_id": self.request_id.as_str(),
            "code": "UNPARSABLE_CLIENT_MESSAGE",
            "description": description,
        })
    }

    fn configured(&self, keyterms: Option<&[String]>, done: Result<(), (&'static str, String)>) -> Value {
        let request_id = self.request_id.as_str();
        if let Err((code, description)) = done {
            return json!({
                "type": "ConfigureFailure",
                "request_id": request_id,
                "code": code,
                "description": description,
            });
        }
        let mut present = self.keyterms.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(keyterms) = keyterms {
            *present = keyterms.to_vec();
        }
        json!({
            "type": "ConfigureSuccess",
            "request_id": request_id,
            "thresholds": self.wanted.thresholds,
            "keyterms": *present,
        })
    }

    fn nothing_said(&self) -> Value {
        no_turn(self.request_id.as_str())
    }

    fn error(&self, closing: &Closing) -> Value {
        json!({
            "type": "Error",
            "request_id": self.request_id.as_str(),
            "code": closing.name,
            "description": closing.description,
        })
    }

    /// The end of the turn was the last; what a client should know besides is a warning.
    fn last(&self, _audio: &Heard, notes: &Notes) -> Option<Value> {
        let notes = notes.list();
        (!notes.is_empty()).then(|| {
            json!({
                "type": "Warning",
                "request_id": self.request_id.as_str(),
                "code": "NOTES",
                "description": notes.join("; "),
            })
        })
    }
}
