//! What a slot keeps of its open segment: the convolutions that run while audio arrives.

use super::stem::Stem;
use crate::arena::Arena;
use crate::buffer::Buffer;
use crate::layers::conv::Window;
use crate::layers::linear::Then;
use crate::networks::moonshine::config::Config;
use voxlane_kernels::convert::i16_to_f32;
use voxlane_kernels::gemm::Activation;
use voxlane_kernels::norm::moments;
use voxlane_kernels::rows::{Rows, RowsMut};

/// Samples converted at a time: 20 ms.
pub(super) const PUSH_SAMPLES: usize = 320;
/// Rows of conv2 computed at a time. Its 4.6 MB of weights are read for each block, so that single rows
/// would be bound by bytes; a block takes about 300 µs every 0.29 s of audio.
pub(super) const CONV2_ROWS: usize = 24;

/// What a slot keeps of its open segment.
pub(super) struct OpenSegment {
    /// Samples taken.
    pub(super) pushed: usize,
    /// The newest samples: those that conv1 frames to come will see.
    samples: FrameQueue,
    /// The newest frames of conv1, through tanh: those that conv2 rows to come will see.
    conv1: FrameQueue,
    /// For each frame of conv1: the sums of the values and of their squares, over all frames up to it.
    sums: Vec<[f64; 2]>,
    /// `L` of the module's formula, one row for each frame of conv2.
    pub(super) conv2: Buffer,
    pub(super) conv2_frames: usize,
}

/// A queue of rows that a sliding window reads from the front.
struct FrameQueue {
    data: Buffer,
    width: usize,
    len: usize,
}

impl FrameQueue {
    fn new(capacity: usize, width: usize) -> Self {
        FrameQueue { data: Buffer::zeros(capacity * width), width, len: 0 }
    }

    /// The next `count` rows to be written.
    fn extend(&mut self, count: usize) -> &mut [f32] {
        let start = self.len * self.width;
        self.len += count;
        &mut self.data[start..start + count * self.width]
    }

    /// `count` windows from the front on, one row each.
    fn windows(&self, window: Window, count: usize) -> Rows<'_> {
        let end = window.inputs(count) * self.width;
        Rows { data: &self.data[..end], stride: window.stride * self.width, count }
    }

    /// Forgets the first `count` rows.
    fn advance(&mut self, count: usize) {
        self.data.copy_within(count * self.width..self.len * self.width, 0);
        self.len -= count;
    }
}

impl OpenSegment {
    pub(super) fn new(stem: &Stem, config: &Config) -> Self {
        let [first, second, _] = config.stem_frames(config.limits().max_segment_samples);
        let [conv1, conv2, _] = stem.windows;
        let new_frames = conv1.outputs(PUSH_SAMPLES + conv1.kernel);
        OpenSegment {
            pushed: 0,
            samples: FrameQueue::new(PUSH_SAMPLES + conv1.kernel, 1),
            conv1: FrameQueue::new(conv2.inputs(CONV2_ROWS) + new_frames, stem.channels[0]),
            sums: Vec::with_capacity(first),
            conv2: Buffer::zeros(second * stem.channels[1]),
            conv2_frames: 0,
        }
    }

    pub(super) fn reset(&mut self) {
        (self.pushed, self.samples.len, self.conv1.len, self.conv2_frames) = (0, 0, 0, 0);
        self.sums.clear();
    }

    /// Takes at most [`PUSH_SAMPLES`] samples: conv1 and the sums at once, conv2 when a block is complete.
    pub(super) fn push(&mut self, stem: &Stem, samples: &[i16], arena: &Arena) {
        self.pushed += samples.len();
        i16_to_f32(samples, self.samples.extend(samples.len()));
        let [conv1, conv2, _] = stem.windows;
        let frames = conv1.outputs(self.samples.len);
        if frames > 0 {
            let out = RowsMut { data: self.conv1.extend(frames), stride: stem.channels[0], count: frames };
            let input = self.samples.windows(conv1, frames);
            stem.conv1.apply(input, Then::Activate(Activation::Tanh), out, arena);
            self.samples.advance(frames * conv1.stride);
            self.add_sums(frames);
        }
        while conv2.outputs(self.conv1.len) >= CONV2_ROWS {
            self.advance_conv2(stem, CONV2_ROWS, arena);
        }
    }

    /// Continues the running sums over the newest `frames` frames of conv1.
    fn add_sums(&mut self, frames: usize) {
        let width = self.conv1.width;
        let newest = &self.conv1.data[(self.conv1.len - frames) * width..self.conv1.len * width];
        let [mut sum, mut squares] = self.sums.last().copied().unwrap_or_default();
        for frame in newest.chunks_exact(width) {
            let (frame_sum, frame_squares) = moments(frame);
            (sum, squares) = (sum + frame_sum, squares + frame_squares);
            self.sums.push([sum, squares]);
        }
    }

    /// Computes the next `rows` rows of conv2, whose input is there.
    pub(super) fn advance_conv2(&mut self, stem: &Stem, rows: usize, arena: &Arena) {
        let (window, width) = (stem.windows[1], stem.channels[1]);
        let (start, end) = (self.conv2_frames * width, (self.conv2_frames + rows) * width);
        let out = RowsMut { data: &mut self.conv2[start..end], stride: width, count: rows };
        stem.conv2.apply(self.conv1.windows(window, rows), Then::Store, out, arena);
        self.conv2_frames += rows;
        self.conv1.advance(rows * window.stride);
    }

    /// The factor of `L` and what is to be added to it, for each output, to get conv2 of the normed first
    /// `frames` frames of conv1.
    pub(super) fn normalization(&self, stem: &Stem, frames: usize, scale: &mut [f32], shift: &mut [f32]) {
        let [sum, squares] = self.sums[frames - 1];
        let count = (frames * stem.channels[0]) as f64;
        let mean = sum / count;
        let variance = (squares / count - mean * mean).max(0.0);
        let factor = 1.0 / (variance + stem.norm_epsilon).sqrt();
        scale.fill(factor as f32);
        for ((shift, gain), offset) in shift.iter_mut().zip(&stem.conv2_gain).zip(&stem.conv2_offset) {
            *shift = (offset - mean * factor * gain) as f32;
        }
    }
}
