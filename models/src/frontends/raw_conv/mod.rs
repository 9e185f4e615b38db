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

mod segment;
mod stem;

pub(crate) use self::stem::Stem;

use self::segment::{CONV2_ROWS, OpenSegment, PUSH_SAMPLES};
use crate::arena::Arena;
use crate::budget::{Budget, Progress};
use crate::buffer::Buffer;
use crate::fault::Faults;
use crate::layers::linear::{Linear, Then};
use crate::model::{FrontEnd, Goal, Slot};
use crate::networks::moonshine::config::Config;
use crate::networks::moonshine::span::MoonshineSpan;
use std::sync::Arc;
use voxlane_kernels::activation::gelu_affine;
use voxlane_kernels::gemm::Activation;
use voxlane_kernels::rows::{Rows, RowsMut};

/// Feature frames per unit of a pass: about 100 µs.
const CONV3_ROWS: usize = 16;

/// The front end of Moonshine on the CPU.
pub struct RawConvFrontEnd {
    stem: Arc<Stem>,
    config: Config,
    slots: Vec<OpenSegment>,
    pass: ConvPass,
    arena: Arena,
}

/// The pass in flight.
struct ConvPass {
    slot: Slot,
    samples: usize,
    frames: usize,
    /// Features written so far.
    done: usize,
    scale: Buffer,
    shift: Buffer,
}

impl RawConvFrontEnd {
    pub(crate) fn new(stem: Arc<Stem>, config: Config, slots: usize) -> Self {
        let per_output = Buffer::zeros(stem.channels[1]);
        let [_, conv2, conv3] = stem.windows;
        let lengths = [
            Linear::scratch_lengths(conv2.kernel * stem.channels[0], CONV2_ROWS),
            Linear::scratch_lengths(conv3.kernel * stem.channels[1], CONV3_ROWS),
        ];
        let activated = conv3.inputs(CONV3_ROWS) * stem.channels[1];
        let arena = Arena::for_lengths(&[lengths.concat(), vec![activated]].concat());
        RawConvFrontEnd {
            slots: (0..slots).map(|_| OpenSegment::new(&stem, &config)).collect(),
            pass: ConvPass {
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
    fn block(&mut self, span: &mut MoonshineSpan) {
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

impl FrontEnd for RawConvFrontEnd {
    type Span = MoonshineSpan;

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

    fn step(&mut self, span: &mut MoonshineSpan, budget: &Budget, _faults: &mut Faults) -> Progress {
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
