//! Why a session does not take audio or a request.

use crate::access::LimitReached;
use crate::admission::Refusal;
use crate::close_code::{BAD_DATA, GOING_AWAY, INTERNAL, POLICY, TRY_AGAIN_LATER};
use std::time::Duration;
use thiserror::Error;
use voxlane::{OpenError, StreamError};

/// The reason why a session does not take audio or a request.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum SessionError {
    /// There is no slot for it.
    #[error(transparent)]
    Refused(#[from] Refusal),
    /// The engine does not take it.
    #[error(transparent)]
    Stream(#[from] StreamError),
    /// The client's key has been used too much.
    #[error(transparent)]
    Limit(#[from] LimitReached),
}

impl From<OpenError> for SessionError {
    fn from(error: OpenError) -> Self {
        match error {
            OpenError::Options(error) => SessionError::Stream(error),
            error => SessionError::Refused(error.into()),
        }
    }
}

impl SessionError {
    /// Returns the stable name of the problem.
    pub fn code(&self) -> &'static str {
        match self {
            SessionError::Refused(refusal) => refusal.code(),
            SessionError::Stream(error) => error.code().name(),
            SessionError::Limit(limit) => limit.code(),
        }
    }

    /// Returns the HTTP status.
    pub fn status(&self) -> u16 {
        match self {
            SessionError::Refused(refusal) => refusal.status(),
            SessionError::Limit(_) => 429,
            SessionError::Stream(error) if is_clients(error) => 400,
            SessionError::Stream(StreamError::ShutDown) => 503,
            SessionError::Stream(_) => 500,
        }
    }

    /// Returns the time after which trying again may help; none where it does not.
    pub fn retry_after(&self) -> Option<Duration> {
        match self {
            SessionError::Refused(refusal) => refusal.retry_after(),
            SessionError::Limit(limit) => Some(limit.retry_after()),
            SessionError::Stream(_) => None,
        }
    }

    /// Returns the WebSocket close code.
    pub fn close_code(&self) -> u16 {
        match self {
            SessionError::Refused(refusal) => refusal.close_code(),
            SessionError::Limit(_) => TRY_AGAIN_LATER,
            SessionError::Stream(StreamError::SlowClient) => POLICY,
            SessionError::Stream(StreamError::ShutDown) => GOING_AWAY,
            SessionError::Stream(error) if is_clients(error) => BAD_DATA,
            SessionError::Stream(_) => INTERNAL,
        }
    }
}

/// Whether what the client sent is at fault.
fn is_clients(error: &StreamError) -> bool {
    matches!(
        error,
        StreamError::Hotwords(_)
            | StreamError::NotFinite { .. }
            | StreamError::Amplitude { .. }
            | StreamError::Resample(_)
            | StreamError::Finished
    )
}
