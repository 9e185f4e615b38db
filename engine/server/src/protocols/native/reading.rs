//! What comes on a connection.

use super::context::Context;
use super::message::ClientMessage;
use crate::close_code::{BAD_DATA, POLICY, TOO_LARGE};
use crate::network::Ending;
use axum::body::Bytes;
use axum::extract::ws::Message;

/// What comes next on a connection.
pub(super) enum Next {
    Binary(Bytes),
    Text(ClientMessage),
    /// A message of the WebSocket itself.
    Nothing,
    /// What is none of the protocol's messages.
    Ending(Ending),
    /// What is no WebSocket message, or the client's disappearance.
    Broken(Ending),
}

impl Context {
    /// What a message of the WebSocket is.
    pub(super) fn read(&self, message: Result<Message, axum::Error>) -> Next {
        match message {
            Ok(Message::Binary(bytes)) => Next::Binary(bytes),
            Ok(Message::Text(text)) => match serde_json::from_str(&text) {
                Ok(message) => Next::Text(message),
                Err(error) => {
                    // Serde's text quotes no more than names of fields and kinds.
                    let message = format!("message: not one of the protocol's: {error}");
                    Next::Ending(self.error(BAD_DATA, "protocol.message", &message, None))
                }
            },
            Ok(Message::Ping(_) | Message::Pong(_) | Message::Close(_)) => Next::Nothing,
            Err(error) => self.broken(&error),
        }
    }

    /// What becomes of a connection on which what came is no message that is taken.
    fn broken(&self, error: &axum::Error) -> Next {
        let text = error.to_string();
        if text.contains("Message too long") {
            let most = self.services.config.limits.message_bytes;
            let message = format!("message: too long (expected at most {most} bytes)");
            Next::Ending(self.error(TOO_LARGE, "protocol.too_large", &message, None))
        } else {
            Next::Broken(self.error(POLICY, "protocol.websocket", &format!("websocket: {text}"), None))
        }
    }
}
