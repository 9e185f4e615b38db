//! What travels between the parts of the network.

use super::config::Config;
use crate::buffer::Buffer;
use crate::model::Slot;
use voxlane_kernels::rows::{Rows, RowsMut};

/// A stretch of a stream: feature frames when the front end has filled it, and the encoder's frames when the encoder
/// has done its work.
///
/// Feature frames are whole segments with the right context behind the last one, or, at the end of a stream, all
/// that is left.
#[derive(Clone, Debug)]
pub struct EmformerSpan {
    features: Buffer,
    feature_dim: usize,
    feature_frames: usize,
    frames: Buffer,
    frame_dim: usize,
    frame_count: usize,
    is_last: bool,
    pub(crate) slot: Slot,
}

impl EmformerSpan {
    /// An empty span with room for the longest recording.
    pub fn new(config: &Config) -> Self {
        EmformerSpan {
            features: Buffer::zeros(config.max_feature_frames() * config.input_dim),
            feature_dim: config.input_dim,
            feature_frames: 0,
            frames: Buffer::zeros(config.max_frames() * config.encoding_dim),
            frame_dim: config.encoding_dim,
            frame_count: 0,
            is_last: false,
            slot: 0,
        }
    }

    /// The feature frames.
    pub fn features(&self) -> Rows<'_> {
        let values = self.feature_frames * self.feature_dim;
        Rows { data: &self.features[..values], stride: self.feature_dim, count: self.feature_frames }
    }

    /// The encoder's frames.
    pub fn frames(&self) -> Rows<'_> {
        let values = self.frame_count * self.frame_dim;
        Rows { data: &self.frames[..values], stride: self.frame_dim, count: self.frame_count }
    }

    /// Whether nothing comes after it: then the right context of its last segment is silence.
    pub fn is_last(&self) -> bool {
        self.is_last
    }

    /// Makes it hold `count` feature frames, whose content is undefined, and no encoder frames.
    ///
    /// # Panics
    /// If there are more than it has room for.
    pub(crate) fn resize_features(&mut self, count: usize, is_last: bool) {
        assert!(count * self.feature_dim <= self.features.len(), "a span has room for the longest recording");
        (self.feature_frames, self.frame_count, self.is_last) = (count, 0, is_last);
    }

    /// `count` feature frames from `first` on.
    pub(crate) fn features_mut(&mut self, first: usize, count: usize) -> RowsMut<'_> {
        let (start, end) = (first * self.feature_dim, (first + count) * self.feature_dim);
        RowsMut { data: &mut self.features[start..end], stride: self.feature_dim, count }
    }

    /// Replaces the encoder's frames by `frames`, one after the other without gaps.
    ///
    /// # Panics
    /// If there are more than it has room for.
    pub(crate) fn set_frames(&mut self, frames: &[f32]) {
        self.frames[..frames.len()].copy_from_slice(frames);
        self.frame_count = frames.len() / self.frame_dim;
    }
}
