//! What clients of a session say.

use crate::protocols::openai::error::ApiError;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Map, Value};

/// A message of a client.
#[derive(Clone, Debug, PartialEq)]
pub struct ClientEvent {
    /// The client's name for it, which errors about it bring back.
    pub event_id: Option<String>,
    /// What it is, or why it is none.
    pub kind: Result<ClientKind, ApiError>,
}

/// What a client says.
#[derive(Clone, Debug, PartialEq)]
pub enum ClientKind {
    /// Fields of the session that change.
    Update(Value),
    /// Audio.
    Append(Vec<u8>),
    /// The end of a turn.
    Commit,
    /// What has not been committed is to be forgotten.
    Clear,
}

impl ClientEvent {
    /// Reads a message; whatever is wrong with it.
    pub fn read(text: &str) -> Self {
        let mut object: Map<String, Value> = match serde_json::from_str(text) {
            Ok(object) => object,
            Err(error) => {
                let error =
                    ApiError::of_status(400, "invalid_json", format!("message: not an object: {error}"));
                return ClientEvent { event_id: None, kind: Err(error) };
            }
        };
        let event_id = match object.remove("event_id") {
            Some(Value::String(event_id)) => Some(event_id),
            _ => None,
        };
        ClientEvent { event_id, kind: kind(object) }
    }
}

fn kind(mut object: Map<String, Value>) -> Result<ClientKind, ApiError> {
    let Some(Value::String(name)) = object.remove("type") else {
        return Err(ApiError::new("missing_required_parameter", "type", "type: missing (expected a text)"));
    };
    let kind = match name.as_str() {
        "session.update" => match object.remove("session") {
            Some(session @ Value::Object(_)) => ClientKind::Update(session),
            _ => return Err(missing("session", "an object")),
        },
        "input_audio_buffer.append" => match object.remove("audio") {
            Some(Value::String(audio)) => ClientKind::Append(decode(&audio)?),
            _ => return Err(missing("audio", "a text")),
        },
        "input_audio_buffer.commit" => ClientKind::Commit,
        "input_audio_buffer.clear" => ClientKind::Clear,
        _ => {
            let message = "type: not known in transcription sessions (expected session.update, input_audio_buffer.append, \
                           input_audio_buffer.commit or input_audio_buffer.clear)";
            return Err(ApiError::value("type", message));
        }
    };
    match object.keys().next() {
        None => Ok(kind),
        Some(field) => {
            let message = format!("{field}: not a field of {name}");
            Err(ApiError::new("unknown_parameter", field, message))
        }
    }
}

fn decode(audio: &str) -> Result<Vec<u8>, ApiError> {
    STANDARD.decode(audio).map_err(|error| ApiError::value("audio", format!("audio: not base64: {error}")))
}

fn missing(param: &str, what: &str) -> ApiError {
    ApiError::new("missing_required_parameter", param, format!("{param}: missing (expected {what})"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn messages_are_read_and_what_is_wrong_is_named() {
        let read = |text: &str| ClientEvent::read(text).kind.map_err(|error| error.param.unwrap_or_default());
        assert_eq!(
            read(r#"{"type":"input_audio_buffer.append","audio":"AQI="}"#),
            Ok(ClientKind::Append(vec![1, 2]))
        );
        assert_eq!(read(r#"{"type":"input_audio_buffer.commit","event_id":"e"}"#), Ok(ClientKind::Commit));
        for (text, param) in [
            ("", ""),
            ("[]", ""),
            ("{}", "type"),
            (r#"{"type":7}"#, "type"),
            (r#"{"type":"response.create"}"#, "type"),
            (r#"{"type":"session.update","session":7}"#, "session"),
            (r#"{"type":"input_audio_buffer.append","audio":"*"}"#, "audio"),
            (r#"{"type":"input_audio_buffer.clear","all":true}"#, "all"),
        ] {
            assert_eq!(read(text), Err(param.to_owned()), "{text}");
        }
        let event = ClientEvent::read(r#"{"type":"nonsense","event_id":"e7"}"#);
        assert_eq!(event.event_id.as_deref(), Some("e7"));
    }
}
