//! The convolutional stem: samples → features, advanced while audio arrives.
//!
//! The stem is conv1, tanh, group norm, conv2, GELU, conv3, GELU. The group norm takes its mean μ and
//! deviation σ over the whole segment, so its output is known only at the end; but it is affine. With the
//! norm's weight `g` and offset `b`, and conv2 = (W, c):
//!
//! conv2(norm(h)) = (W·g)·h / σ + (W·b + c) − (μ/σ)·Σ(W·g)
//!
//! `L = (W·g)·h` accumulates as audio arrives, together with the running sums behind μ and σ, kept in f64
//! for every frame, so that a pass over fewer samples than were pushed is exact too. A pass then applies the
//! affine rest, the GELU and conv3.
//!
//! Every row is computed on its own, so that results are the same bits for every chunking of the audio.

use super::check::{ensure, ensure_linear};
use super::config::{Config, Window};
use super::span::Span;
use super::weights::StemWeights;
use crate::arena::Arena;
use crate::budget::{Budget, Progress};
use crate::buffer::Buffer;
use crate::fault::Faults;
use crate::formats::packed::{PackedError, packed_fields};
use crate::layers::linear::{Linear, Precision, Then};
use crate::model::{FrontEnd, Goal, Slot};
use std::sync::Arc;
use voxlane_kernels::activation::gelu_affine;
use voxlane_kernels::convert::i16_to_f32;
use voxlane_kernels::gemm::Activation;
use voxlane_kernels::norm::moments;
use voxlane_kernels::rows::{Rows, RowsMut};

/// Samples converted at a time: 20 ms.
const PUSH_SAMPLES: usize = 320;
/// Rows of conv2 computed at a time. Its 4.6 MB of weights are read for each block, so that single rows
/// would be bound by bytes; a block takes about 300 µs every 0.29 s of audio.
const CONV2_ROWS: usize = 24;
/// Feature frames per unit of a pass: about 100 µs.
const CONV3_ROWS: usize = 16;

/// Far more than any stem has.
const MAX_CHANNELS: usize = 1 << 13;

/// The prepared weights of the stem.
pub(super) struct Stem {
    windows: [Window; 3],
    channels: [usize; 3],
    norm_epsilon: f64,
    conv1: Linear,
    /// `W·g`, without bias.
    conv2: Linear,
    /// `Σ(W·g)` for each output.
    conv2_gain: Vec<f64>,
    /// `W·b + c` for each output.
    conv2_offset: Vec<f64>,
    conv3: Linear,
}

packed_fields!(Stem { windows, channels, norm_epsilon, conv1, conv2, conv2_gain, conv2_offset, conv3 });

impl Stem {
    pub(super) fn new(weights: &StemWeights, config: &Config, precision: Precision) -> Self {
        let conv1 = &weights.conv1.linear;
        let conv2 = &weights.conv2.linear;
        let conv3 = &weights.conv3.linear;
        let (gain, offset) = (&weights.norm_weight, &weights.norm_bias);
        let channels = gain.len();
        let folded: Vec<f32> = conv2.weight.iter().enumerate().map(|(i, w)| w * gain[i % channels]).collect();
        let sum = |row: &[f32], by: &dyn Fn(usize) -> f64| -> f64 {
            row.iter().enumerate().map(|(i, &w)| f64::from(w) * by(i % channels)).sum()
        };
        let linear2 = Linear::new(&folded, None, conv2.outputs, precision);
        // Of the weights as they were rounded: the mean that their products contain is taken away exactly.
        let mut row = vec![0.0; conv2.inputs];
        let gain2 = |output| {
            linear2.weights(output, &mut row);
            sum(&row, &|_| 1.0)
        };
        let bias = |output: usize| conv2.bias.as_ref().map_or(0.0, |bias| f64::from(bias[output]));
        Stem {
            windows: config.stem,
            channels: [conv1.outputs, conv2.outputs, conv3.outputs],
            norm_epsilon: f64::from(weights.norm_epsilon),
            // Few weights, and the samples' range is large: always exact.
            conv1: Linear::new(&conv1.weight, conv1.bias.as_deref(), conv1.outputs, Precision::F32),
            conv2_gain: (0..conv2.outputs).map(gain2).collect(),
            conv2: linear2,
            conv2_offset: (conv2.weight.chunks_exact(conv2.inputs).enumerate())
                .map(|(output, row)| bias(output) + sum(row, &|i| f64::from(offset[i])))
                .collect(),
            conv3: Linear::new(&conv3.weight, conv3.bias.as_deref(), conv3.outputs, precision),
        }
    }
}

impl Stem {
    /// Channels after each convolution.
    pub(super) fn channels(&self) -> [usize; 3] {
        self.channels
    }

    /// Whether it is the stem of such a network.
    pub(super) fn check(&self, config: &Config, precision: Precision) -> Result<(), PackedError> {
        let [first, second, third] = self.channels;
        let [conv1, conv2, conv3] = self.windows;
        ensure(self.windows == config.stem, "the stem's convolutions are not the network's")?;
        ensure(third == config.sizes.hidden, "the stem does not make hidden frames")?;
        ensure(first.max(second) <= MAX_CHANNELS, "the stem has too many channels")?;
        ensure_linear(&self.conv1, (first, conv1.kernel), Precision::F32)?;
        ensure_linear(&self.conv2, (second, conv2.kernel * first), precision)?;
        ensure_linear(&self.conv3, (third, conv3.kernel * second), precision)?;
        let lengths = [self.conv2_gain.len(), self.conv2_offset.len()];
        ensure(lengths == [second; 2], "the stem's norm has not a value for each channel")?;
        let epsilon = self.norm_epsilon;
        ensure(epsilon.is_finite() && epsilon >= 0.0, "the stem's epsilon is not a small number")
    }
}

/// The front end of Moonshine on the CPU.
pub struct MoonshineStem {
    stem: Arc<Stem>,
    config: Config,
    slots: Vec<OpenSegment>,
    pass: Pass,
    arena: Arena,
}

/// What a slot keeps of its open segment.
struct OpenSegment {
    /// Samples taken.
    pushed: usize,
    /// The newest samples: those that conv1 frames to come will see.
    samples: FrameQueue,
    /// The newest frames of conv1, through tanh: those that conv2 rows to come will see.
    conv1: FrameQueue,
    /// For each frame of conv1: the sums of the values and of their squares, over all frames up to it.
    sums: Vec<[f64; 2]>,
    /// `L` of the module's formula, one row for each frame of conv2.
    conv2: Buffer,
    conv2_frames: usize,
}

/// A queue of rows of which a sliding window looks at the front.
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
    fn new(stem: &Stem, config: &Config) -> Self {
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

    fn reset(&mut self) {
        (self.pushed, self.samples.len, self.conv1.len, self.conv2_frames) = (0, 0, 0, 0);
        self.sums.clear();
    }

    /// Takes at most [`PUSH_SAMPLES`] samples: conv1 and the sums at once, conv2 when a block is complete.
    fn push(&mut self, stem: &Stem, samples: &[i16], arena: &Arena) {
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
    fn advance_conv2(&mut self, stem: &Stem, rows: usize, arena: &Arena) {
        let (window, width) = (stem.windows[1], stem.channels[1]);
        let (start, end) = (self.conv2_frames * width, (self.conv2_frames + rows) * width);
        let out = RowsMut { data: &mut self.conv2[start..end], stride: width, count: rows };
        stem.conv2.apply(self.conv1.windows(window, rows), Then::Store, out, arena);
        self.conv2_frames += rows;
        self.conv1.advance(rows * window.stride);
    }

    /// The factor of `L` and what is to be added to it, for each output, to get conv2 of the normed first
    /// `frames` frames of conv1.
    fn normalization(&self, stem: &Stem, frames: usize, scale: &mut [f32], shift: &mut [f32]) {
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

/// The pass in flight.
struct Pass {
    slot: Slot,
    samples: usize,
    frames: usize,
    /// Features written so far.
    done: usize,
    scale: Buffer,
    shift: Buffer,
}

impl MoonshineStem {
    pub(super) fn new(stem: Arc<Stem>, config: Config, slots: usize) -> Self {
        let per_output = Buffer::zeros(stem.channels[1]);
        let [_, conv2, conv3] = stem.windows;
        let lengths = [
            Linear::scratch_lengths(conv2.kernel * stem.channels[0], CONV2_ROWS),
            Linear::scratch_lengths(conv3.kernel * stem.channels[1], CONV3_ROWS),
        ];
        let activated = conv3.inputs(CONV3_ROWS) * stem.channels[1];
        let arena = Arena::for_lengths(&[lengths.concat(), vec![activated]].concat());
        MoonshineStem {
            slots: (0..slots).map(|_| OpenSegment::new(&stem, &config)).collect(),
            pass: Pass {
                slot: 0,
                samples: 0,
                frames: 0,
                done: 0,
                scale: per_output.clone(),
                shift: per_output,
            },
            stem,
            config,
            arena,
        }
    }

    /// Normalizes and activates the rows of conv2 that the next block of features sees; conv3 of them.
    fn block(&mut self, span: &mut Span) {
        let (stem, pass) = (&self.stem, &mut self.pass);
        let (window, width) = (stem.windows[2], stem.channels[1]);
        let count = CONV3_ROWS.min(pass.frames - pass.done);
        let start = pass.done * window.stride * width;
        let linear = &self.slots[pass.slot].conv2[start..start + window.inputs(count) * width];
        let activated = self.arena.scratch(linear.len());
        let out = RowsMut::dense(activated, width);
        gelu_affine(Rows::dense(linear, width), &pass.scale, &pass.shift, out);
        let input = Rows { data: activated, stride: window.stride * width, count };
        let out = span.rows_mut(pass.done, count);
        stem.conv3.apply(input, Then::Activate(Activation::Gelu), out, &self.arena);
        self.arena.reset();
        pass.done += count;
    }
}

impl FrontEnd for MoonshineStem {
    type Span = Span;

    fn push(&mut self, slot: Slot, samples: &[i16], faults: &mut Faults) {
        let segment = &mut self.slots[slot];
        let room = self.config.limits().max_segment_samples - segment.pushed;
        if samples.len() > room {
            *faults |= Faults::TOO_LONG;
        }
        for chunk in samples[..samples.len().min(room)].chunks(PUSH_SAMPLES) {
            segment.push(&self.stem, chunk, &self.arena);
            self.arena.reset();
        }
    }

    fn is_ready(&self, _slot: Slot) -> bool {
        false
    }

    fn begin(&mut self, slot: Slot, samples: usize, _goal: Goal) {
        let segment = &self.slots[slot];
        let samples = samples.min(segment.pushed);
        let [first, _, frames] = self.config.stem_frames(samples);
        let pass = &mut self.pass;
        (pass.slot, pass.samples, pass.frames, pass.done) = (slot, samples, frames, 0);
        if frames > 0 {
            segment.normalization(&self.stem, first, &mut pass.scale, &mut pass.shift);
        }
    }

    fn step(&mut self, span: &mut Span, budget: &Budget, _faults: &mut Faults) -> Progress {
        span.resize(self.pass.frames, self.pass.samples);
        while self.pass.done < self.pass.frames {
            let segment = &mut self.slots[self.pass.slot];
            let needed = self.stem.windows[2].inputs(self.pass.frames);
            if segment.conv2_frames < needed {
                segment.advance_conv2(&self.stem, needed - segment.conv2_frames, &self.arena);
                self.arena.reset();
            } else {
                self.block(span);
            }
            if self.pass.done < self.pass.frames && budget.is_spent() {
                return Progress::More;
            }
        }
        Progress::Done
    }

    fn reset(&mut self, slot: Slot) {
        self.slots[slot].reset();
    }
}
