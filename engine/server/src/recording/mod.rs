//! Recordings: a file that a client uploads, and what is said in it.
//!
//! An upload goes to a file without holding it in memory, is decoded piece by piece on the threads for what blocks, and goes
//! through the engine as a batch session: it gives way to live streams. Segments are those of `voxlane transcribe`.
//! Dropping a [`Transcription`] frees everything.

mod error;
mod options;
mod samples;
mod transcription;
mod upload;

pub use error::RecordingError;
pub use options::{RecordingOptions, recording_rules};
pub use transcription::{Transcription, doubt};
pub use upload::{Upload, UploadError, Writing};
