//! The messages of the protocol.

use super::start::Start;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use voxlane::{Event, EventRecord, Hotword};

/// A text message of a client. Audio comes in binary messages.
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(tag = "type", rename_all = "snake_case", deny_unknown_fields)]
pub enum ClientMessage {
    /// The first message: what the audio is, and what is wanted.
    Start(Box<Start>),
    /// Asks for a marker when all audio so far has been processed.
    Mark {},
    /// Ends the open segment where the audio so far ends.
    EndSegment {},
    /// Replaces the phrases that are listened for.
    Hotwords {
        /// The phrases; none: nothing is listened for.
        hotwords: Vec<Hotword>,
    },
    /// Ends the audio: what was sent is decoded, then the connection closes.
    Finish {},
    /// Asks for a `pong`.
    Ping {
        /// What the `pong` brings back.
        #[serde(default)]
        id: Option<Value>,
    },
}

/// A text message of the server.
#[derive(Clone, Debug, Serialize)]
#[serde(untagged)]
pub enum ServerMessage<'a> {
    /// An event of a stream.
    Event {
        /// The event, with the version of its format.
        #[serde(flatten)]
        record: EventRecord<&'a Event>,
        /// The channel that it is about, counted from 0, if each is a stream of its own.
        #[serde(skip_serializing_if = "Option::is_none")]
        channel: Option<usize>,
    },
    /// Everything else.
    Own(Own<'a>),
}

/// A message of the server that is no event.
#[derive(Clone, Debug, Serialize)]
#[serde(tag = "type", rename_all = "snake_case")]
pub enum Own<'a> {
    /// The answer to `start`.
    Ready {
        /// The version of the protocol.
        version: u32,
        /// The request's name, as in the server's log.
        request_id: &'a str,
        /// The model that listens.
        model: &'a str,
        /// The server's version.
        server: &'static str,
        /// The streams that the audio is for: one, or as many as there are channels.
        streams: usize,
    },
    /// The answer to `ping`.
    Pong {
        /// What the `ping` brought.
        #[serde(skip_serializing_if = "Option::is_none")]
        id: Option<Value>,
    },
    /// Something odd: the stream goes on.
    Notice {
        /// The stable name.
        code: &'static str,
        /// What a person reads.
        message: String,
    },
    /// Something wrong: the connection closes.
    Error {
        /// The stable name.
        code: &'static str,
        /// What a person reads.
        message: String,
        /// The request's name, as in the server's log.
        request_id: &'a str,
        /// The time after which trying again may help, in milliseconds.
        #[serde(skip_serializing_if = "Option::is_none")]
        retry_after_ms: Option<u64>,
    },
}

impl ServerMessage<'_> {
    /// Returns the message as it is sent.
    pub fn text(&self) -> String {
        // All keys are strings, and floats that are not finite become null: there is nothing that cannot be written.
        serde_json::to_string(self).unwrap_or_default()
    }
}

impl Own<'_> {
    /// Returns the message as it is sent.
    pub fn text(self) -> String {
        ServerMessage::Own(self).text()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn unknown_messages_and_fields_are_refused() {
        let read = |text: &str| serde_json::from_str::<ClientMessage>(text);
        assert_eq!(read(r#"{"type":"mark"}"#).unwrap(), ClientMessage::Mark {});
        assert!(matches!(read(r#"{"type":"start"}"#), Ok(ClientMessage::Start(_))));
        for text in [
            "",
            "{}",
            "[]",
            r#"{"type":"stop"}"#,
            r#"{"type":"mark","id":1}"#,
            r#"{"type":"start","rate":1}"#,
        ] {
            assert!(read(text).is_err(), "{text}");
        }
    }

    #[test]
    fn an_event_is_the_librarys_record() {
        let event = Event::Closed { stream: 3 };
        let text = |channel| ServerMessage::Event { record: EventRecord::from(&event), channel }.text();
        assert_eq!(text(None), r#"{"version":1,"type":"closed","stream":3}"#);
        assert_eq!(text(Some(1)), r#"{"version":1,"type":"closed","stream":3,"channel":1}"#);
    }
}
