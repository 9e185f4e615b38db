//! What travels between the parts of the network.

use super::config::Config;
use crate::buffer::Buffer;
use voxlane_kernels::rows::{Rows, RowsMut};

/// The hidden frames of one segment: features when the stem has filled it, the encoder's result after the
/// encoder has run in place.
#[derive(Clone, Debug)]
pub struct MoonshineSpan {
    hidden: Buffer,
    width: usize,
    frames: usize,
    samples: usize,
}

impl MoonshineSpan {
    /// An empty span with room for the longest segment.
    pub fn new(config: &Config) -> Self {
        let width = config.sizes.hidden;
        MoonshineSpan { hidden: Buffer::zeros(config.max_frames() * width), width, frames: 0, samples: 0 }
    }

    /// Hidden frames in it; zero for a segment too short to say anything.
    pub fn frames(&self) -> usize {
        self.frames
    }

    /// Samples that the frames were made from.
    pub fn samples(&self) -> usize {
        self.samples
    }

    /// The hidden frames, one row of channels each, without gaps.
    pub fn hidden(&self) -> &[f32] {
        &self.hidden[..self.frames * self.width]
    }

    /// Makes it hold `frames` frames of `samples` samples. What they contain is undefined.
    ///
    /// # Panics
    /// If there are more frames than it has room for.
    pub(crate) fn resize(&mut self, frames: usize, samples: usize) {
        assert!(frames * self.width <= self.hidden.len(), "a span has room for the longest segment");
        (self.frames, self.samples) = (frames, samples);
    }

    /// `count` frames from `first` on.
    pub(crate) fn rows(&self, first: usize, count: usize) -> Rows<'_> {
        let (start, end) = (first * self.width, (first + count) * self.width);
        Rows { data: &self.hidden[start..end], stride: self.width, count }
    }

    /// Like [`MoonshineSpan::rows`], writable.
    pub(crate) fn rows_mut(&mut self, first: usize, count: usize) -> RowsMut<'_> {
        let (start, end) = (first * self.width, (first + count) * self.width);
        RowsMut { data: &mut self.hidden[start..end], stride: self.width, count }
    }
}
