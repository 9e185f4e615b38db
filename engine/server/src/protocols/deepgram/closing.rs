//! How a connection ends: close codes, and the names that Deepgram gives the reasons.

use super::intake::Fault;
use crate::close_code::{GOING_AWAY, INTERNAL, POLICY, TOO_LARGE};
use crate::session::SessionError;
use voxlane::StreamFault;

/// Why a connection ends otherwise than by its client's wish.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Closing {
    /// The close code.
    pub(super) code: u16,
    /// The name of the reason.
    pub(super) name: String,
    /// The reason, in words.
    pub(super) description: String,
}

impl Closing {
    pub(super) fn new(code: u16, name: &str, description: impl Into<String>) -> Self {
        Closing { code, name: name.to_owned(), description: description.into() }
    }

    /// Nothing has come for too long.
    pub(super) fn silence(seconds: u64) -> Self {
        let description = format!("connection: neither audio nor a message came within {seconds} s");
        Closing::new(INTERNAL, "NET-0001", description)
    }

    /// The client leaves too much unread.
    pub(super) fn slow() -> Self {
        Closing::new(POLICY, "SLOW-CLIENT", "events: the client leaves too many unread")
    }

    /// The server is being stopped.
    pub(super) fn going_away() -> Self {
        Closing::new(GOING_AWAY, "NET-0002", "server: is being stopped; connect anew")
    }

    /// A message is too long.
    pub(super) fn too_large(most: usize) -> Self {
        Closing::new(TOO_LARGE, "DATA-0001", format!("message: too long (expected at most {most} bytes)"))
    }

    /// What came is no WebSocket message.
    pub(super) fn broken(text: &str) -> Self {
        Closing::new(POLICY, "DATA-0002", format!("websocket: {text}"))
    }

    /// A stream ended before it was finished.
    pub(super) fn ended() -> Self {
        Closing::new(INTERNAL, "NET-0000", "stream: ended before it was finished")
    }
}

impl From<Fault> for Closing {
    fn from(fault: Fault) -> Self {
        match fault {
            Fault::Audio(description) => Closing::new(POLICY, "DATA-0000", description),
            Fault::Reader => Closing::new(INTERNAL, "NET-0000", "server: the part that reads audio failed"),
            Fault::Session(error) => error.into(),
        }
    }
}

impl From<SessionError> for Closing {
    fn from(error: SessionError) -> Self {
        Closing::new(error.close_code(), error.code(), error.to_string())
    }
}

impl From<StreamFault> for Closing {
    fn from(fault: StreamFault) -> Self {
        match fault {
            StreamFault::SlowClient => Closing::slow(),
            StreamFault::ShutDown => Closing::going_away(),
            fault => Closing::new(INTERNAL, "NET-0000", fault.to_string()),
        }
    }
}
