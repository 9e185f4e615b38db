//! What belongs to a connection beside its streams, and the ways in which it ends.

use super::message::Own;
use super::streams::{End, Fault};
use crate::close_code::{BAD_DATA, GOING_AWAY, INTERNAL, NORMAL, POLICY};
use crate::network::{Caller, Ending};
use crate::services::Services;
use std::sync::Arc;
use std::time::Duration;
use voxlane::StreamFault;

/// What belongs to a connection beside its streams.
pub(super) struct Context {
    pub(super) services: Arc<Services>,
    pub(super) caller: Caller,
}

impl Context {
    /// The ending that the end of a stream's events is, if it is one.
    pub(super) fn ending_of(&self, end: Option<End>, is_finished: bool) -> Option<Ending> {
        match end {
            // Others go on.
            Some(End::Closed) => None,
            None if is_finished => {
                Some(Ending { code: NORMAL, reason: "finished".into(), last: None, is_slow: false })
            }
            None if self.services.lifecycle.is_draining() => Some(self.going_away()),
            None => Some(self.error(INTERNAL, "stream.ended", "stream: ended before it was finished", None)),
            Some(End::Unread) => None,
            Some(End::Failed(fault)) => {
                let close = match fault {
                    StreamFault::SlowClient => POLICY,
                    StreamFault::ShutDown => GOING_AWAY,
                    _ => INTERNAL,
                };
                Some(self.error(close, fault.code().name(), &fault.to_string(), None))
            }
        }
    }

    /// The ending that a fault is.
    pub(super) fn fault(&self, fault: Fault) -> Ending {
        match fault {
            Fault::Audio(error) => self.error(BAD_DATA, error.code(), &error.to_string(), None),
            Fault::Session(error) => {
                self.error(error.close_code(), error.code(), &error.to_string(), error.retry_after())
            }
        }
    }

    /// The ending of whoever is sent away because the server is being stopped.
    pub(super) fn going_away(&self) -> Ending {
        let message = "server: is being stopped; connect anew";
        self.error(GOING_AWAY, "refused.draining", message, Some(Duration::from_secs(1)))
    }

    /// An ending with an error in front of it.
    pub(super) fn error(
        &self,
        close: u16,
        code: &'static str,
        message: &str,
        retry_after: Option<Duration>,
    ) -> Ending {
        let request_id = self.caller.request_id.as_str();
        let retry_after_ms = retry_after.map(|time| u64::try_from(time.as_millis()).unwrap_or(u64::MAX));
        let last = Own::Error { code, message: message.to_owned(), request_id, retry_after_ms }.text();
        Ending { code: close, reason: code.to_owned(), last: Some(last), is_slow: false }
    }
}
