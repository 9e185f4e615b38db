//! The encoder: one step for each segment, its past in caches, several slots in one call.
//!
//! Passes of several slots may be in flight, at most one a slot: `begin` takes the span's features over, and a step
//! works on a segment of each slot that has one, its own span's first. A row's result does not depend on the rows of
//! other slots, so neither does a slot's.
//!
//! Features of a slot are queued, so that no pass is lost: what a pass that was not finished had begun is done by the
//! next one.

mod cache;
mod layer;

use self::cache::Cache;
use self::layer::{Layer, Part, mean};
use crate::arena::Arena;
use crate::budget::{Budget, Progress};
use crate::buffer::Buffer;
use crate::fault::Faults;
use crate::formats::packed::packed_fields;
use crate::layers::linear::{Linear, Precision, Then};
use crate::layers::norm::Norm;
use crate::model::Slot;
use crate::networks::emformer::config::Config;
use crate::networks::emformer::span::EmformerSpan;
use crate::networks::emformer::weights::EmformerWeights;
use std::sync::Arc;
use voxlane_kernels::rows::{Rows, RowsMut};

/// Products of weights and rows in a unit of work, about: 100 µs.
const UNIT_PRODUCTS: usize = 1 << 24;
/// The fewest and the most slots of one call.
const BATCHES: (usize, usize) = (4, 32);

/// The prepared weights of the encoder.
#[derive(Debug)]
pub(crate) struct PreparedEncoder {
    input: Linear,
    layers: Vec<Layer>,
    output: Linear,
    output_norm: Norm,
}

packed_fields!(PreparedEncoder { input, layers, output, output_norm });

impl PreparedEncoder {
    pub(crate) fn new(weights: &EmformerWeights, precision: Precision) -> Self {
        PreparedEncoder {
            input: weights.input.pack(precision),
            layers: weights.layers.iter().map(|layer| Layer::new(layer, precision)).collect(),
            output: weights.output.pack(precision),
            output_norm: Norm::new(&weights.output_norm),
        }
    }

    /// Whether its sizes are those of `config`, its weights in `precision`.
    pub(crate) fn fits(&self, config: &Config, precision: Precision) -> bool {
        self.layers.len() == config.transformer_num_layers
            && self.layers.iter().all(|layer| layer.fits(config, precision))
            && self.input.fits(config.time_reduction_input_dim, config.input_dim, precision)
            && self.output.fits(config.encoding_dim, config.width(), precision)
            && self.output_norm.is_affine(config.encoding_dim)
    }
}

/// How many slots share a call: fewer of a large network.
pub(crate) fn batch(config: &Config) -> usize {
    let (width, hidden) = (config.width(), config.transformer_ffn_dim);
    let weights = 4 * width * width + 2 * width * hidden;
    let rows = config.segment_frames() + config.right_frames();
    (UNIT_PRODUCTS / (weights * rows)).clamp(BATCHES.0, BATCHES.1)
}

/// The encoder of an Emformer on the CPU.
pub struct EmformerEncoder {
    encoder: Arc<PreparedEncoder>,
    config: Config,
    slots: Vec<SlotState>,
    /// For each layer, one for each slot.
    caches: Vec<Vec<Cache>>,
    /// The slots of the call in flight, none between calls.
    active: Vec<Slot>,
    parts: Vec<Part>,
    /// The most slots of a call.
    batch: usize,
    /// Units of the call done: the input, each layer, the output.
    phase: usize,
    x: Buffer,
    memories: Buffer,
    arena: Arena,
}

#[derive(Clone)]
struct SlotState {
    /// Feature frames that were not the frames of a segment yet.
    features: Buffer,
    queued: usize,
    is_last: bool,
    /// Encoder frames that no pass has handed over yet.
    frames: Buffer,
    ready: usize,
    /// The slot was reset while a call was in flight that holds a segment of it: what that makes is dropped.
    is_dropped: bool,
}

impl EmformerEncoder {
    pub(crate) fn new(encoder: Arc<PreparedEncoder>, config: Config, slots: usize) -> Self {
        let batch = batch(&config).min(slots.max(1));
        let stride = config.time_reduction_stride;
        let rows = batch * (config.segment_frames() + config.right_frames());
        let has_memory = config.transformer_max_memory_size > 0;
        let extra = if has_memory { 2 * batch } else { 0 };
        let width = config.width();
        let lengths = [
            Layer::scratch_lengths(&config, rows + extra),
            vec![rows * stride * config.input_dim, rows * config.encoding_dim, rows * width],
            Linear::scratch_lengths(config.input_dim, rows * stride).to_vec(),
            Linear::scratch_lengths(width, rows).to_vec(),
        ];
        let slot = SlotState {
            features: Buffer::zeros(config.max_feature_frames() * config.input_dim),
            queued: 0,
            is_last: false,
            frames: Buffer::zeros(config.max_frames() * config.encoding_dim),
            ready: 0,
            is_dropped: false,
        };
        EmformerEncoder {
            caches: vec![vec![Cache::new(&config); slots]; config.transformer_num_layers],
            slots: vec![slot; slots],
            active: Vec::with_capacity(batch),
            parts: Vec::with_capacity(batch),
            batch,
            phase: 0,
            x: Buffer::zeros(rows * width),
            memories: Buffer::zeros(extra / 2 * width),
            arena: Arena::for_lengths(&lengths.concat()),
            encoder,
            config,
        }
    }

    /// Chooses the segments of the next call; `first` comes first, then whoever else has one.
    fn gather(&mut self, first: Slot) {
        self.active.clear();
        self.parts.clear();
        let count = self.slots.len();
        let mut row = 0;
        for slot in (0..count).map(|i| (first + i) % count) {
            let frames = self.slots[slot].next_segment(&self.config);
            if frames > 0 && self.active.len() < self.batch {
                let part = Part { first: row, frames, right: self.config.right_frames() };
                row += part.rows();
                self.active.push(slot);
                self.parts.push(part);
            }
        }
        self.phase = 0;
    }

    /// Rows of the call.
    fn rows(&self) -> usize {
        self.parts.iter().map(Part::rows).sum()
    }

    /// One unit of work of the call in flight.
    fn unit(&mut self) {
        let layers = self.encoder.layers.len();
        match self.phase.checked_sub(1) {
            None => self.input(),
            Some(layer) if layer < layers => self.layer(layer),
            Some(_) => self.output(),
        }
        self.phase += 1;
        if self.phase == layers + 2 {
            self.end_call();
        }
        self.arena.reset();
    }

    /// The call is complete: slots that were reset meanwhile forget what it left in their caches.
    fn end_call(&mut self) {
        while let Some(slot) = self.active.pop() {
            if std::mem::take(&mut self.slots[slot].is_dropped) {
                self.restart(slot);
            }
        }
    }

    fn restart(&mut self, slot: Slot) {
        self.caches.iter_mut().for_each(|layer| layer[slot].restart());
    }

    /// Features through the first layer, side by side as frames; memories of the segments as they come.
    fn input(&mut self) {
        let (stride, dim, width) =
            (self.config.time_reduction_stride, self.config.input_dim, self.config.width());
        let rows = self.rows();
        let features = self.arena.scratch(rows * stride * dim);
        for (&slot, part) in self.active.iter().zip(&self.parts) {
            let own = &mut features[part.first * stride * dim..][..part.rows() * stride * dim];
            self.slots[slot].take_segment(part.frames * stride, dim, own);
        }
        let x = &mut self.x[..rows * width];
        let out = RowsMut::dense(x, self.config.time_reduction_input_dim);
        self.encoder.input.apply(Rows::dense(features, dim), Then::Store, out, &self.arena);
        for (part, memory) in self.parts.iter().zip(self.memories.chunks_exact_mut(width)) {
            mean(&self.x[part.first * width..][..part.frames * width], memory);
        }
    }

    fn layer(&mut self, layer: usize) {
        let (rows, width) = (self.rows(), self.config.width());
        let memories = self.parts.len() * width * usize::from(!self.memories.is_empty());
        self.encoder.layers[layer].run(
            &self.config,
            (&self.parts, &self.active),
            &mut self.x[..rows * width],
            &mut self.memories[..memories],
            &mut self.caches[layer],
            &self.arena,
        );
    }

    /// The segments' frames as the joiner wants them, to their slots.
    fn output(&mut self) {
        let (width, dim) = (self.config.width(), self.config.encoding_dim);
        let frames: usize = self.parts.iter().map(|part| part.frames).sum();
        let hidden = self.arena.scratch(frames * width);
        let mut rest = &mut *hidden;
        for part in &self.parts {
            let (own, others) = rest.split_at_mut(part.frames * width);
            own.copy_from_slice(&self.x[part.first * width..][..own.len()]);
            rest = others;
        }
        let encoded = self.arena.scratch(frames * dim);
        let out = RowsMut::dense(encoded, dim);
        self.encoder.output.apply(Rows::dense(hidden, width), Then::Store, out, &self.arena);
        let mut row = 0;
        for (&slot, part) in self.active.iter().zip(&self.parts) {
            let state = &mut self.slots[slot];
            let own = Rows::dense(&encoded[row * dim..][..part.frames * dim], dim);
            row += part.frames;
            if state.is_dropped {
                continue;
            }
            let to = &mut state.frames[state.ready * dim..][..part.frames * dim];
            self.encoder.output_norm.apply(own, RowsMut::dense(to, dim));
            state.ready += part.frames;
        }
    }
}

impl SlotState {
    /// Encoder frames of the next segment; none if it is not complete.
    fn next_segment(&self, config: &Config) -> usize {
        if self.queued >= config.segment_length + config.right_context_length {
            config.segment_frames()
        } else if self.is_last {
            config.segment_frames().min(self.queued / config.time_reduction_stride)
        } else {
            0
        }
    }

    /// Writes the features of a segment of `frames` feature frames and what follows into `out`, zeros behind the
    /// end, and takes the segment's from the queue.
    fn take_segment(&mut self, frames: usize, dim: usize, out: &mut [f32]) {
        let there = (self.queued * dim).min(out.len());
        out[..there].copy_from_slice(&self.features[..there]);
        out[there..].fill(0.0);
        self.features.copy_within(frames * dim..self.queued * dim, 0);
        self.queued -= frames;
    }
}

impl crate::model::Encoder for EmformerEncoder {
    type Span = EmformerSpan;

    fn begin(&mut self, slot: Slot, span: &mut EmformerSpan) {
        span.slot = slot;
        let (dim, state) = (self.config.input_dim, &mut self.slots[slot]);
        let new = span.features();
        // More than the longest segment's frames come only if the slot was not reset.
        let count = new.count.min(state.features.len() / dim - state.queued);
        state.features[state.queued * dim..][..count * dim].copy_from_slice(&new.data[..count * dim]);
        state.queued += count;
        state.is_last |= span.is_last();
    }

    fn step(&mut self, span: &mut EmformerSpan, budget: &Budget, _faults: &mut Faults) -> Progress {
        loop {
            if self.active.is_empty() {
                let state = &mut self.slots[span.slot];
                if state.next_segment(&self.config) == 0 {
                    span.set_frames(&state.frames[..state.ready * self.config.encoding_dim]);
                    state.ready = 0;
                    return Progress::Done;
                }
                self.gather(span.slot);
            }
            self.unit();
            let is_complete = self.active.is_empty() && self.slots[span.slot].next_segment(&self.config) == 0;
            if !is_complete && budget.is_spent() {
                return Progress::More;
            }
        }
    }

    fn reset(&mut self, slot: Slot) {
        // A call in flight goes on for the others, and its features are taken already.
        let is_dropped = self.active.contains(&slot);
        if !is_dropped {
            self.restart(slot);
        }
        let state = &mut self.slots[slot];
        (state.queued, state.is_last, state.ready, state.is_dropped) = (0, false, 0, is_dropped);
    }
}
