//! The format of uncompressed samples.

use super::sample::Encoding;
use super::source::Shape;

/// The format of all samples in a file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Format {
    pub shape: Shape,
    pub encoding: Encoding,
}

impl Format {
    /// Bytes of a frame: one sample of each channel.
    pub(super) fn frame_bytes(self) -> usize {
        self.shape.channels * self.encoding.number.bytes()
    }
}
