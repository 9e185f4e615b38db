//! Why a stream does not get a slot.

use crate::access::LimitReached;
use crate::close_code::{GOING_AWAY, POLICY, TRY_AGAIN_LATER};
use std::time::Duration;
use thiserror::Error;
use voxlane::OpenError;

/// The most phrases of a stream.
pub(super) const MOST_HOTWORDS: usize = 1000;

/// The most bytes that they have together.
pub(super) const HOTWORD_BYTES: usize = 32 << 10;

/// After this a slot may be free.
const SOON: Duration = Duration::from_secs(1);

/// After this another server, or this one started anew, may serve.
const LATER: Duration = Duration::from_secs(5);

/// The reason why a stream does not get a slot. Nothing of it has been taken.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum Refusal {
    /// No slot is free, and as many streams wait for one as may.
    #[error("slots: none is free, and {waiting} streams wait already; try again later")]
    Full {
        /// The number of streams that wait.
        waiting: usize,
    },
    /// No slot became free in time.
    #[error("slots: none became free in {} ms; try again later", waited.as_millis())]
    Late {
        /// The time that the stream waited.
        waited: Duration,
    },
    /// Finals come too late: whoever is served is to be served in time.
    #[error("latency: over budget; try again in {:.0} s", retry_after.as_secs_f64().ceil())]
    Breaker {
        /// The time until streams are tried again.
        retry_after: Duration,
    },
    /// The server is being stopped.
    #[error("server: is being stopped; connect anew")]
    Draining,
    /// No lane serves.
    #[error("lanes: none serves at the moment; try again later")]
    Down,
    /// The client's key has been used too much.
    #[error(transparent)]
    Limit(#[from] LimitReached),
    /// A stream asks for too many phrases, or too long ones. Trying again does not help.
    #[error(
        "hotwords: too many (expected at most {MOST_HOTWORDS} phrases of {HOTWORD_BYTES} bytes together, found {count} of {bytes})"
    )]
    Hotwords {
        /// The number of phrases.
        count: usize,
        /// Their bytes.
        bytes: usize,
    },
    /// The stream's options are wrong. Trying again does not help.
    #[error(transparent)]
    Options(OpenError),
}

impl Refusal {
    /// Returns the stable name of the reason.
    pub fn code(&self) -> &'static str {
        match self {
            Refusal::Full { .. } => "refused.full",
            Refusal::Late { .. } => "refused.late",
            Refusal::Breaker { .. } => "refused.breaker",
            Refusal::Draining => "refused.draining",
            Refusal::Down => "refused.down",
            Refusal::Hotwords { .. } => "refused.hotwords",
            Refusal::Limit(limit) => limit.code(),
            Refusal::Options(error) => error.code().name(),
        }
    }

    /// Returns the HTTP status: 429 where the client has used too much, 503 where the server cannot, 400 for wrong options.
    pub fn status(&self) -> u16 {
        match self {
            Refusal::Full { .. }
            | Refusal::Late { .. }
            | Refusal::Breaker { .. }
            | Refusal::Draining
            | Refusal::Down => 503,
            Refusal::Limit(_) => 429,
            Refusal::Options(_) | Refusal::Hotwords { .. } => 400,
        }
    }

    /// Returns the WebSocket close code.
    pub fn close_code(&self) -> u16 {
        match self {
            Refusal::Options(_) | Refusal::Hotwords { .. } => POLICY,
            Refusal::Draining => GOING_AWAY,
            _ => TRY_AGAIN_LATER,
        }
    }

    /// Returns the time after which trying again may help; none where it does not.
    pub fn retry_after(&self) -> Option<Duration> {
        match self {
            Refusal::Full { .. } | Refusal::Late { .. } => Some(SOON),
            Refusal::Breaker { retry_after } => Some(*retry_after),
            Refusal::Draining | Refusal::Down => Some(LATER),
            Refusal::Limit(limit) => Some(limit.retry_after()),
            Refusal::Options(_) | Refusal::Hotwords { .. } => None,
        }
    }
}

impl From<OpenError> for Refusal {
    fn from(error: OpenError) -> Self {
        match error {
            OpenError::Saturated { .. } | OpenError::QueueFull { .. } => Refusal::Full { waiting: 0 },
            OpenError::Down { .. } => Refusal::Down,
            OpenError::ShutDown => Refusal::Draining,
            error => Refusal::Options(error),
        }
    }
}
