//! What is particular to `/v1/listen`.

use super::message;
use super::results::{About, Results};
use super::wanted::Wanted;
use crate::audio::{AudioFormat, ChannelMode};
use crate::network::RequestId;
use crate::protocols::deepgram::clock;
use crate::protocols::deepgram::closing::Closing;
use crate::protocols::deepgram::dialect::{Dialect, Heard, Request, Teller};
use crate::protocols::deepgram::marks::Marks;
use crate::protocols::deepgram::model::Ran;
use crate::protocols::deepgram::notes::Notes;
use serde_json::{Value, json};
use std::sync::Arc;
use std::time::Duration;
use voxlane::StreamOptions;

/// Without audio or a message for so long, the connection ends.
const PATIENCE: Duration = Duration::from_secs(10);

/// The most of an unreadable message that is sent back.
const QUOTED_BYTES: usize = 1000;

/// See the module.
pub(super) struct Listening {
    wanted: Arc<Wanted>,
    options: StreamOptions,
    request_id: RequestId,
    ran: Ran,
    created: String,
}

impl Listening {
    pub(super) fn new(wanted: Wanted, request_id: RequestId, ran: Ran) -> Self {
        let options = wanted.stream_options();
        Listening { wanted: Arc::new(wanted), options, request_id, ran, created: clock::now() }
    }

    fn about(&self, channel: usize, channels: usize) -> About {
        let metadata = json!({
            "request_id": self.request_id.as_str(),
            "model_info": self.ran.info(),
            "model_uuid": self.ran.uuid,
        });
        About { channel: [channel, channels], metadata }
    }
}

impl Dialect for Listening {
    fn options(&self) -> &StreamOptions {
        &self.options
    }

    fn format(&self) -> Option<(AudioFormat, ChannelMode)> {
        self.wanted.format
    }

    fn patience(&self) -> Option<Duration> {
        Some(PATIENCE)
    }

    fn teller(&self, channel: usize, channels: usize, marks: Arc<Marks>) -> Box<dyn Teller> {
        Box::new(Results::new(Arc::clone(&self.wanted), self.about(channel, channels), marks))
    }

    fn read(&self, text: &str) -> Result<Request, String> {
        message::read(text)
    }

    fn unreadable(&self, description: &str, text: &str) -> Value {
        let quoted = &text[..text.floor_char_boundary(QUOTED_BYTES)];
        json!({ "type": "Error", "variant": "SchemaError", "description": description, "message": quoted })
    }

    fn configured(&self, keyterms: Option<&[String]>, done: Result<(), (&'static str, String)>) -> Value {
        let request_id = self.request_id.as_str();
        match (done, keyterms) {
            (Ok(()), Some(keyterms)) => {
                json!({ "type": "ConfigureSuccess", "request_id": request_id, "keyterms": keyterms })
            }
            (Ok(()), None) => json!({ "type": "ConfigureSuccess", "request_id": request_id }),
            (Err((code, description)), _) => json!({
                "type": "ConfigureFailure",
                "request_id": request_id,
                "code": code,
                "description": description,
            }),
        }
    }

    fn nothing_said(&self) -> Value {
        self.about(0, 1).nothing_said(0.0)
    }

    fn error(&self, closing: &Closing) -> Value {
        json!({
            "type": "Error",
            "variant": closing.name,
            "description": closing.description,
            "code": closing.name,
            "message": closing.description,
            "request_id": self.request_id.as_str(),
        })
    }

    fn last(&self, audio: &Heard, notes: &Notes) -> Option<Value> {
        let mut metadata = json!({
            "type": "Metadata",
            "transaction_key": "deprecated",
            "request_id": self.request_id.as_str(),
            "sha256": audio.sha256,
            "created": self.created,
            "duration": audio.seconds,
            "channels": audio.channels,
            "models": [self.ran.uuid],
            "model_info": { self.ran.uuid.as_str(): self.ran.info() },
        });
        let lists = [
            ("tags", self.wanted.tags.clone()),
            ("extra", self.wanted.extra.clone()),
            ("warnings", notes.list()),
        ];
        for (name, list) in lists.into_iter().filter(|(_, list)| !list.is_empty()) {
            metadata[name] = json!(list);
        }
        Some(metadata)
    }
}
