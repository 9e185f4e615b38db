//! What comes from an input.

use crate::failure::Failure;
use voxlane::audio::file::Samples;

/// What the thread that reads has to say. It ends with the audio, or after a failure.
pub enum Message {
    /// Audio of this rate follows.
    Opened { sample_rate: u32 },
    /// The next samples, of one channel.
    Samples(Samples),
    /// Something odd in the audio.
    Warning(String),
    /// There is no more audio, and there should be.
    Failed(Failure),
}
