//! What can be wrong with an audio file, and where.

use std::fmt;
use std::path::PathBuf;

use super::pcm::PcmError;
use super::{MAX_RATE_HZ, MIN_RATE_HZ};
use crate::error_code::ErrorCode;

/// A file that was refused: which one, why, and where in it. Reading it again does not help.
#[derive(Debug, thiserror::Error)]
#[error("{}: {problem}{place}", path.display())]
pub struct AudioError {
    /// The file.
    pub path: PathBuf,
    /// The problem.
    #[source]
    pub problem: Problem,
    /// The place of the problem.
    pub place: Place,
}

/// The place of a problem in a file.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Place {
    /// The file as a whole.
    File,
    /// A number of bytes from its start.
    Byte(u64),
    /// A number of seconds from the start of its audio.
    Time(f64),
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Place::File => Ok(()),
            Place::Byte(offset) => write!(f, " (at byte {offset})"),
            Place::Time(seconds) => write!(f, " (at {seconds:.3} s)"),
        }
    }
}

/// The reason why an audio file was refused.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Problem {
    /// It cannot be opened or read.
    #[error("cannot be read: {0}")]
    Io(#[from] std::io::Error),
    /// The bytes break the rules of their format.
    #[error("malformed: {0}")]
    Malformed(String),
    /// Another container or codec than those that are read.
    #[error("{0} is not supported; `ffmpeg -i IN OUT.wav` may convert it")]
    Unsupported(String),
    /// It can be read from a file, but not from a pipe.
    #[error("{0} cannot be read from a pipe; give it as a file")]
    Pipe(String),
    /// No kind of audio file at all.
    #[error("not an audio file of a known kind (found {0})")]
    NotAudio(String),
    /// The channel that was asked for, counted from 0, is not there.
    #[error("channel {}: not in the file (expected 1 to {channels})", index + 1)]
    NoChannel {
        /// The channel that was asked for, counted from 0.
        index: usize,
        /// The number of channels.
        channels: usize,
    },
    /// It ends before the audio does.
    #[error("truncated: {0}")]
    Truncated(String),
    /// There is no audio in it.
    #[error("holds no audio")]
    Empty,
    /// The sample rate is absurd.
    #[error("sample rate: not supported (expected {MIN_RATE_HZ} to {MAX_RATE_HZ} Hz, found {0} Hz)")]
    SampleRate(u32),
    /// No channels, or more than anyone records.
    #[error("channels: cannot be mixed down (expected 1 to {max}, found {0})", max = super::block::MAX_CHANNELS)]
    Channels(usize),
    /// A sample that is no audio. Its index counts from the start of the recording.
    #[error(transparent)]
    Sample(#[from] PcmError),
    /// More audio than is read into memory at once.
    #[error("too long to be read at once (expected at most {0} samples); read it in blocks")]
    TooLong(usize),
}

impl AudioError {
    /// Returns the stable code.
    pub fn code(&self) -> ErrorCode {
        self.problem.code()
    }
}

impl Problem {
    /// Returns the stable code.
    pub fn code(&self) -> ErrorCode {
        match self {
            Problem::Io(_) => ErrorCode::AudioRead,
            Problem::Malformed(_) => ErrorCode::AudioMalformed,
            Problem::Unsupported(_) => ErrorCode::AudioUnsupported,
            Problem::Pipe(_) => ErrorCode::AudioPipe,
            Problem::NotAudio(_) => ErrorCode::AudioNotAudio,
            Problem::NoChannel { .. } => ErrorCode::AudioNoChannel,
            Problem::Truncated(_) => ErrorCode::AudioTruncated,
            Problem::Empty => ErrorCode::AudioEmpty,
            Problem::SampleRate(_) => ErrorCode::AudioSampleRate,
            Problem::Channels(_) => ErrorCode::AudioChannels,
            Problem::Sample(_) => ErrorCode::AudioSample,
            Problem::TooLong(_) => ErrorCode::AudioTooLong,
        }
    }
}

/// A problem and its place, before the file's name is known.
pub(super) type PlacedProblem = (Problem, Place);

/// `Malformed` at a byte.
pub(super) fn malformed(at: u64, what: impl Into<String>) -> PlacedProblem {
    (Problem::Malformed(what.into()), Place::Byte(at))
}
