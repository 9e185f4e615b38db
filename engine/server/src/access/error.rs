//! Why a client is not let in.

use std::io;
use std::path::PathBuf;
use std::time::Duration;
use thiserror::Error;

/// The reason why a client is not let in.
#[derive(Clone, Debug, PartialEq, Error)]
#[non_exhaustive]
pub enum AccessError {
    /// A page of another site sends it.
    #[error("origin: not allowed (expected the server's own or one that `origins` names)")]
    Origin,
    /// It brings no key.
    #[error("key: missing (expected `Authorization: Bearer KEY` or `Token KEY`)")]
    NoKey,
    /// The server does not know its key.
    #[error("key: not known")]
    UnknownKey,
    /// Its key has been used too much.
    #[error(transparent)]
    Limit(#[from] LimitReached),
}

impl AccessError {
    /// Returns the HTTP status.
    pub fn status(&self) -> u16 {
        match self {
            AccessError::Origin => 403,
            AccessError::NoKey | AccessError::UnknownKey => 401,
            AccessError::Limit(_) => 429,
        }
    }

    /// Returns the stable name of the problem.
    pub fn code(&self) -> &'static str {
        match self {
            AccessError::Origin => "access.origin",
            AccessError::NoKey => "access.no_key",
            AccessError::UnknownKey => "access.unknown_key",
            AccessError::Limit(limit) => limit.code(),
        }
    }

    /// Returns the time after which trying again may help.
    pub fn retry_after(&self) -> Option<Duration> {
        match self {
            AccessError::Limit(limit) => Some(limit.retry_after()),
            _ => None,
        }
    }
}

/// A limit of a key that has been reached.
#[derive(Clone, Debug, PartialEq, Error)]
#[non_exhaustive]
pub enum LimitReached {
    /// As many streams as it may have are open.
    #[error("streams: {limit} of this key are open already; end one first")]
    Streams {
        /// The most that may be open.
        limit: usize,
    },
    /// It has sent as many requests as it may in a second.
    #[error("rate: more than {limit} requests a second; try again in {:.1} s", retry_after.as_secs_f64())]
    Rate {
        /// The most in a second.
        limit: u32,
        /// The time until the next may be sent.
        retry_after: Duration,
    },
    /// It has sent as much audio as it may in a day.
    #[error("seconds_a_day: {limit} s of audio have been used; the day ends at midnight UTC")]
    SecondsADay {
        /// The most in a day.
        limit: u64,
        /// The time until midnight.
        retry_after: Duration,
    },
}

impl LimitReached {
    /// Returns the stable name of the problem.
    pub fn code(&self) -> &'static str {
        match self {
            LimitReached::Streams { .. } => "limit.streams",
            LimitReached::Rate { .. } => "limit.rate",
            LimitReached::SecondsADay { .. } => "limit.seconds_a_day",
        }
    }

    /// Returns the time after which trying again may help.
    pub fn retry_after(&self) -> Duration {
        match self {
            // When a stream will end, nobody knows.
            LimitReached::Streams { .. } => Duration::from_secs(1),
            LimitReached::Rate { retry_after, .. } | LimitReached::SecondsADay { retry_after, .. } => {
                *retry_after
            }
        }
    }
}

/// A fault of a file of keys. Says nothing of what a line holds.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum KeysError {
    /// It cannot be read.
    #[error("{}: {source}", file.display())]
    Read {
        /// The file.
        file: PathBuf,
        /// The reason.
        source: io::Error,
    },
    /// A line is not as it should be.
    #[error("{}:{line}: {message}", file.display())]
    Line {
        /// The file.
        file: PathBuf,
        /// The line, counted from 1.
        line: usize,
        /// The fault.
        message: String,
    },
}
