//! Audio as clients send it: without a header, or as a file in pieces.

mod container;

pub(super) use container::{Container, Given};

use crate::audio::Decoder;
use crate::session::SessionError;
use voxlane::audio::file::AudioError;

/// What makes samples of a client's messages.
pub(super) enum Intake {
    /// Samples without a header.
    Raw(Decoder),
    /// A file that comes in pieces.
    Container(Container),
}

/// Why no more audio is taken.
#[derive(Debug)]
pub(super) enum Fault {
    /// The session does not take it.
    Session(SessionError),
    /// It is no audio.
    Audio(String),
    /// A part of the server failed.
    Reader,
}

impl From<SessionError> for Fault {
    fn from(error: SessionError) -> Self {
        Fault::Session(error)
    }
}

impl From<crate::audio::AudioError> for Fault {
    fn from(error: crate::audio::AudioError) -> Self {
        Fault::Audio(error.to_string())
    }
}

impl From<AudioError> for Fault {
    fn from(error: AudioError) -> Self {
        Fault::Audio(error.to_string())
    }
}
