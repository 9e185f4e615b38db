//! What is said of a file while it is transcribed.

use crate::failure::{ENGINE_HINT, audio_hint};
use crate::signal::Signal;
use crate::text::printable;
use std::path::PathBuf;
use voxlane::audio::file::AudioError;
use voxlane::{Latency, OpenError, StreamError, StreamFault, Transcript};

/// One step of a file. Of each track: [`Track`](Update::Track), segments and warnings, [`End`](Update::End).
#[derive(Debug)]
pub enum Update {
    /// A track begins.
    Track(Track),
    /// What has been said in the next segment.
    Segment(Transcript),
    /// Something odd, in words.
    Warning(String),
    /// The track ends.
    End(Outcome),
    /// The file has no further track.
    Done,
}

/// What has a result of its own: a file, or a channel of one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Track {
    /// The file; `-` is standard input.
    pub path: PathBuf,
    /// The channel, counted from 1, if not all are mixed.
    pub channel: Option<usize>,
}

impl Track {
    /// The track in a message.
    pub fn name(&self) -> String {
        let name = printable(&self.path);
        self.channel.map_or(name.clone(), |channel| format!("{name}, channel {channel}"))
    }
}

/// How a track ended.
#[derive(Debug, Default)]
pub struct Outcome {
    /// Seconds of audio that were taken.
    pub audio_s: f64,
    /// From the first sample to the last text, in seconds.
    pub wall_s: f64,
    /// The latency of the last text: from the last sample to its hand-over.
    pub latency: Latency,
    /// Whether the file's header could be read.
    pub is_opened: bool,
    /// Everything odd, in words.
    pub warnings: Vec<String>,
    /// The signal that ended it early.
    pub interrupted: Option<Signal>,
    /// Why text is missing.
    pub errors: Vec<TrackError>,
    /// Up to where there is text, in seconds, if it is not the end of the audio.
    pub stopped_at_s: Option<f64>,
}

/// A track that has ended.
#[derive(Debug)]
pub struct Ended {
    /// The number of its file.
    pub file: usize,
    /// The track.
    pub track: Track,
    /// How it ended.
    pub outcome: Outcome,
}

impl Outcome {
    /// Whether text may be missing.
    pub fn is_partial(&self) -> bool {
        self.interrupted.is_some() || !self.errors.is_empty()
    }

    /// Seconds of work for a second of audio.
    pub fn rtf(&self) -> f64 {
        if self.audio_s > 0.0 { self.wall_s / self.audio_s } else { 0.0 }
    }
}

/// Why text is missing.
#[derive(Debug, thiserror::Error)]
pub enum TrackError {
    /// The file is bad. The error names it.
    #[error(transparent)]
    Audio(#[from] AudioError),
    /// The engine had no slot for it.
    #[error(transparent)]
    Open(#[from] OpenError),
    /// The engine did not take its samples.
    #[error(transparent)]
    Stream(#[from] StreamError),
    /// The engine failed on the way.
    #[error(transparent)]
    Fault(#[from] StreamFault),
    /// The network failed on a segment.
    #[error("model: its output was not finite, no text from {0:.3} s to {1:.3} s")]
    NotFinite(f64, f64),
    /// The thread that reads the file is gone.
    #[error("reader: the thread that reads the file panicked")]
    Reader,
}

impl TrackError {
    /// Whether the file is fine and the engine is not.
    pub fn is_engine_fault(&self) -> bool {
        let is_bad_input = matches!(
            self,
            TrackError::Audio(_)
                | TrackError::Stream(StreamError::NotFinite { .. } | StreamError::Amplitude { .. })
        );
        !is_bad_input
    }

    /// The message with the track's name in it.
    pub fn of(&self, track: &Track) -> String {
        match self {
            TrackError::Audio(error) => match track.channel {
                Some(channel) => format!("{error} (channel {channel})"),
                None => error.to_string(),
            },
            error => format!("{}: {error}", track.name()),
        }
    }

    /// What may help.
    pub fn hint(&self) -> Option<&'static str> {
        match self {
            TrackError::Audio(error) => audio_hint(&error.problem),
            error if error.is_engine_fault() => Some(ENGINE_HINT),
            _ => None,
        }
    }
}
