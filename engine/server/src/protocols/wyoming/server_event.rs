//! The events that clients are sent.

use serde_json::{Map, Value, json};
use std::time::Duration;

/// The version of the protocol that is spoken: that of its reference implementation.
pub const VERSION: &str = "1.10.2";

/// An event of the server.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub enum ServerEvent {
    /// What there is.
    Info(Value),
    /// The answer to `ping`.
    Pong {
        /// What the `ping` brought.
        text: Option<String>,
    },
    /// Somebody has begun to speak.
    VoiceStarted {
        /// When, in milliseconds on the client's clock.
        timestamp: u64,
    },
    /// Nobody speaks any more.
    VoiceStopped {
        /// Since when, in milliseconds on the client's clock.
        timestamp: u64,
    },
    /// Text follows.
    TranscriptStart {
        /// The language of the utterance, and what the client wants to have back.
        about: About,
    },
    /// Text that follows what was sent before.
    TranscriptChunk {
        /// The text.
        text: String,
    },
    /// The whole text of an utterance.
    Transcript {
        /// The text.
        text: String,
        /// The language of the utterance, and what the client wants to have back.
        about: About,
    },
    /// No text follows.
    TranscriptStop,
    /// Something odd, as an event of this server's own: the connection goes on.
    Warning {
        /// The stable name.
        code: &'static str,
        /// What a person reads.
        text: String,
    },
    /// Something wrong: the connection closes.
    Error(ErrorEvent),
}

/// What an utterance's request said that its answers say too.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct About {
    /// The language that was asked for.
    pub language: Option<String>,
    /// What the client wants to have back.
    pub context: Option<Map<String, Value>>,
}

impl About {
    fn fields(&self, mut data: Value) -> Value {
        if let Some(language) = &self.language {
            data["language"] = json!(language);
        }
        if let Some(context) = &self.context {
            data["context"] = json!(context);
        }
        data
    }
}

/// Something wrong.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ErrorEvent {
    /// The stable name.
    pub code: &'static str,
    /// What a person reads.
    pub text: String,
    /// The time after which trying again may help.
    pub retry_after: Option<Duration>,
}

impl ErrorEvent {
    /// Creates an error that trying again does not help.
    pub fn new(code: &'static str, text: impl Into<String>) -> Self {
        ErrorEvent { code, text: text.into(), retry_after: None }
    }
}

impl ServerEvent {
    fn kind(&self) -> &'static str {
        match self {
            ServerEvent::Info(_) => "info",
            ServerEvent::Pong { .. } => "pong",
            ServerEvent::VoiceStarted { .. } => "voice-started",
            ServerEvent::VoiceStopped { .. } => "voice-stopped",
            ServerEvent::TranscriptStart { .. } => "transcript-start",
            ServerEvent::TranscriptChunk { .. } => "transcript-chunk",
            ServerEvent::Transcript { .. } => "transcript",
            ServerEvent::TranscriptStop => "transcript-stop",
            ServerEvent::Warning { .. } => "user-event",
            ServerEvent::Error(_) => "error",
        }
    }

    fn data(&self) -> Value {
        match self {
            ServerEvent::Info(info) => info.clone(),
            ServerEvent::Pong { text } => json!({ "text": text }),
            ServerEvent::VoiceStarted { timestamp } | ServerEvent::VoiceStopped { timestamp } => {
                json!({ "timestamp": timestamp })
            }
            ServerEvent::TranscriptStart { about } => about.fields(json!({})),
            ServerEvent::TranscriptChunk { text } => json!({ "text": text }),
            ServerEvent::Transcript { text, about } => about.fields(json!({ "text": text })),
            ServerEvent::TranscriptStop => json!({}),
            ServerEvent::Warning { code, text } => {
                json!({ "name": "warning", "data": { "code": code, "text": text } })
            }
            ServerEvent::Error(ErrorEvent { code, text, retry_after }) => {
                let mut data = json!({ "text": text, "code": code });
                if let Some(time) = retry_after {
                    data["retry_after_ms"] = json!(u64::try_from(time.as_millis()).unwrap_or(u64::MAX));
                }
                data
            }
        }
    }

    /// Returns the event as it is sent.
    pub fn bytes(&self) -> Vec<u8> {
        let mut line = json!({ "type": self.kind(), "version": VERSION });
        let data = self.data();
        if data.as_object().is_none_or(Map::is_empty) {
            return format!("{line}\n").into_bytes();
        }
        let data = data.to_string();
        line["data_length"] = json!(data.len());
        format!("{line}\n{data}").into_bytes()
    }
}

#[cfg(test)]
mod tests {
    use super::super::frame::{Frame, FrameLimits, Frames};
    use super::*;

    fn frame(bytes: &[u8]) -> Frame {
        let mut frames = Frames::new(FrameLimits { line: 4096, data: 4096, payload: 4096 });
        frames.push(bytes);
        frames.next().unwrap().unwrap()
    }

    #[test]
    fn what_is_sent_is_a_frame() {
        let about = About { language: Some("en".into()), context: Some(Map::new()) };
        let sent = frame(&ServerEvent::Transcript { text: "Größe\n".into(), about }.bytes());
        assert_eq!(Value::Object(sent.data), json!({"text": "Größe\n", "language": "en", "context": {}}));
        let sent = ServerEvent::TranscriptStop.bytes();
        assert_eq!(sent, b"{\"type\":\"transcript-stop\",\"version\":\"1.10.2\"}\n");
        let error = ErrorEvent { retry_after: Some(Duration::from_secs(1)), ..ErrorEvent::new("a", "b") };
        let sent = frame(&ServerEvent::Error(error).bytes());
        assert_eq!(Value::Object(sent.data), json!({"text": "b", "code": "a", "retry_after_ms": 1000}));
    }
}
