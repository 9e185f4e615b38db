//! Why a recording has no text.

use super::upload::UploadError;
use crate::admission::Refusal;
use crate::session::SessionError;
use std::time::Duration;
use thiserror::Error;
use voxlane::StreamFault;
use voxlane::audio::file::{AudioError, Problem};

/// The reason why a recording has no text, or not all of it.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum RecordingError {
    /// It was not taken.
    #[error(transparent)]
    Upload(#[from] UploadError),
    /// It is no audio that is read, or damaged. What is in front of the damage has been given.
    #[error(transparent)]
    Audio(#[from] AudioError),
    /// It is longer than recordings may be. What is in front of that has been given.
    #[error("file: too long (expected at most {most_s} s of audio)")]
    TooLong {
        /// The most seconds that are decoded.
        most_s: u64,
    },
    /// The engine does not take it.
    #[error(transparent)]
    Session(#[from] SessionError),
    /// The engine failed on the way.
    #[error(transparent)]
    Engine(#[from] StreamFault),
    /// A part of the server failed.
    #[error("server: the part that reads recordings failed")]
    Reader,
}

impl From<Refusal> for RecordingError {
    fn from(refusal: Refusal) -> Self {
        RecordingError::Session(refusal.into())
    }
}

impl RecordingError {
    /// Returns the stable name of the problem.
    pub fn code(&self) -> &'static str {
        match self {
            RecordingError::Upload(UploadError::TooLarge { .. }) => "upload.too_large",
            RecordingError::Upload(_) => "upload.io",
            RecordingError::Audio(error) => error.code().name(),
            RecordingError::TooLong { .. } => "upload.too_long",
            RecordingError::Session(error) => error.code(),
            RecordingError::Engine(fault) => fault.code().name(),
            RecordingError::Reader => "upload.reader",
        }
    }

    /// Returns the HTTP status.
    pub fn status(&self) -> u16 {
        match self {
            RecordingError::Upload(UploadError::TooLarge { .. }) | RecordingError::TooLong { .. } => 413,
            RecordingError::Audio(AudioError { problem: Problem::Io(_), .. }) => 500,
            RecordingError::Audio(_) => 400,
            RecordingError::Session(error) => error.status(),
            RecordingError::Engine(StreamFault::ShutDown) => 503,
            RecordingError::Upload(_) | RecordingError::Engine(_) | RecordingError::Reader => 500,
        }
    }

    /// Returns the time after which trying again may help; none where it does not.
    pub fn retry_after(&self) -> Option<Duration> {
        match self {
            RecordingError::Session(error) => error.retry_after(),
            RecordingError::Engine(_) => Some(Duration::from_secs(1)),
            _ => None,
        }
    }
}
