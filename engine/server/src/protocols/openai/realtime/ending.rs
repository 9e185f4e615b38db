//! How sessions end, and what is said before.

use super::conversation::Conversation;
use super::leg::Fault;
use super::turns::failure;
use crate::admission::Refusal;
use crate::close_code::{BAD_DATA, GOING_AWAY, INTERNAL, POLICY, TOO_LARGE};
use crate::network::{Ending, Problem};
use crate::protocols::openai::error::ApiError;
use voxlane::StreamFault;

/// The shortest turn that a client may end, in seconds.
pub(super) const SHORTEST_S: f64 = 0.1;

/// The ending of a session whose stream ended by itself.
pub(super) fn broken(conversation: &Conversation, fault: Option<StreamFault>) -> Ending {
    let close = match fault {
        Some(StreamFault::SlowClient) => POLICY,
        Some(StreamFault::ShutDown) => GOING_AWAY,
        _ => INTERNAL,
    };
    let early = || ApiError::of_status(500, "stream.ended", "stream: ended before the session");
    ended(conversation, close, &fault.map_or_else(early, failure))
}

pub(super) fn described(fault: Fault) -> (u16, ApiError) {
    match fault {
        Fault::Audio(error) => (BAD_DATA, ApiError::new(error.code(), "audio", error.to_string())),
        Fault::Session(error) => {
            let retry_after = error.retry_after();
            let told =
                Problem { retry_after, ..Problem::new(error.status(), error.code(), error.to_string()) };
            (error.close_code(), told.into())
        }
    }
}

pub(super) fn too_short(seconds: f64) -> ApiError {
    let message = format!(
        "input_audio_buffer: too short to commit (expected at least {:.0} ms, found {:.0} ms)",
        SHORTEST_S * 1e3,
        seconds * 1e3
    );
    ApiError::of_status(400, "input_audio_buffer_commit_empty", message)
}

pub(super) fn going_away() -> ApiError {
    Problem::from(Refusal::Draining).into()
}

/// An ending with an error in front of it.
pub(super) fn ended(conversation: &Conversation, code: u16, error: &ApiError) -> Ending {
    let last = Some(conversation.last_error(error));
    Ending { code, reason: error.code.to_owned(), last, is_slow: false }
}

/// The ending of a session in which what came is no message that is taken: one has at most `most` bytes.
pub(super) fn unreadable(conversation: &Conversation, error: &axum::Error, most: usize) -> Ending {
    let text = error.to_string();
    if text.contains("Message too long") {
        let message = format!("message: too long (expected at most {most} bytes)");
        ended(conversation, TOO_LARGE, &ApiError::of_status(413, "message_too_large", message))
    } else {
        ended(conversation, POLICY, &ApiError::of_status(400, "websocket", format!("websocket: {text}")))
    }
}
