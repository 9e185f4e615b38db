//! The encoder: six pre-norm layers over all frames of a segment, in place.
//!
//! Frames influence each other only in the attention, so that everything else runs on blocks of rows that
//! stay in the L2 cache. The order of work is one screen: `LAYER` and
//! `MoonshineEncoder::unit`. With a team of two, each takes half of a unit's rows.

use super::balance::{norm_and_layers, values_and_output};
use super::block::{Norm, linear, stacked};
use super::check::{ensure, ensure_linear};
use super::config::Config;
use super::encoder_cache::{EncoderCache, MAX_QUERIES};
use super::rotary::Rotary;
use super::span::Span;
use super::weights::{EncoderLayerWeights, LinearWeights, MoonshineWeights};
use crate::arena::Arena;
use crate::budget::{Budget, Progress};
use crate::buffer::Buffer;
use crate::fault::Faults;
use crate::formats::packed::{PackedError, packed_fields};
use crate::layers::linear::{Linear, Precision, Then};
use crate::model::Slot;
use crate::team::Team;
use std::ops::Range;
use std::sync::Arc;
use voxlane_kernels::gemm::Activation;
use voxlane_kernels::rows::{Rows, RowsMut};

/// Rows in a block of everything but attention. Each unit then takes about 100 µs in f32, and the weights
/// that it reads from L3 cost a fraction of its arithmetic.
const BLOCK_ROWS: usize = 32;
/// The most rows of a unit.
const MAX_ROWS: usize = if BLOCK_ROWS > MAX_QUERIES { BLOCK_ROWS } else { MAX_QUERIES };

/// The prepared weights of the encoder.
pub(super) struct Encoder {
    layers: Vec<Layer>,
    norm: Norm,
    rotary: Arc<Rotary>,
    scale: f32,
}

packed_fields!(Encoder { layers, norm, rotary, scale });

struct Layer {
    attention_norm: Norm,
    query_key_value: Linear,
    attention_output: Linear,
    mlp_norm: Norm,
    /// The MLP, cut along its hidden width: the layer's result is the sum over the slices.
    mlp: Vec<MlpSlice>,
}

packed_fields!(Layer { attention_norm, query_key_value, attention_output, mlp_norm, mlp });

struct MlpSlice {
    up: Linear,
    down: Linear,
}

packed_fields!(MlpSlice { up, down });

impl Layer {
    fn new(weights: &EncoderLayerWeights, epsilon: f32, precision: Precision) -> Self {
        let attention = &weights.attention;
        let (value, output) = values_and_output(&attention.value, &attention.output, precision);
        let readers = [&attention.query, &attention.key, &value];
        let (attention_norm, query_key_value) = norm_and_layers(&weights.attention_norm, &readers, precision);
        let (mlp_norm, up) = norm_and_layers(&weights.mlp_norm, &[&weights.up], precision);
        Layer {
            attention_norm: Norm::new(&attention_norm, epsilon),
            query_key_value: stacked(&query_key_value, precision),
            attention_output: linear(&output, precision),
            mlp_norm: Norm::new(&mlp_norm, epsilon),
            mlp: slices(&up[0], &weights.down, precision),
        }
    }
}

/// Cuts an MLP into slices as wide as its input. The last layer's bias goes to the first slice.
fn slices(up: &LinearWeights, down: &LinearWeights, precision: Precision) -> Vec<MlpSlice> {
    let width = up.inputs;
    (0..up.outputs.div_ceil(width))
        .map(|slice| {
            let part = slice * width..up.outputs.min((slice + 1) * width);
            let columns: Vec<f32> =
                down.weight.chunks_exact(down.inputs).flat_map(|row| &row[part.clone()]).copied().collect();
            let bias = up.bias.as_ref().map(|bias| &bias[part.clone()]);
            let rows = &up.weight[part.start * width..part.end * width];
            MlpSlice {
                up: Linear::new(rows, bias, part.len(), precision),
                down: Linear::new(
                    &columns,
                    down.bias.as_deref().filter(|_| slice == 0),
                    down.outputs,
                    precision,
                ),
            }
        })
        .collect()
}

impl Encoder {
    pub(super) fn new(
        weights: &MoonshineWeights,
        config: &Config,
        rotary: Arc<Rotary>,
        precision: Precision,
    ) -> Self {
        let epsilon = config.layer_norm_epsilon;
        Encoder {
            layers: weights
                .encoder_layers
                .iter()
                .map(|layer| Layer::new(layer, epsilon, precision))
                .collect(),
            norm: Norm::new(&weights.encoder_norm, epsilon),
            rotary,
            scale: config.attention_scale(),
        }
    }
}

impl Encoder {
    /// Whether it is the encoder of such a network, with angles for `positions` positions.
    pub(super) fn check(
        &self,
        config: &Config,
        precision: Precision,
        positions: usize,
    ) -> Result<(), PackedError> {
        let hidden = config.sizes.hidden;
        ensure(self.layers.len() == config.encoder_layers, "the encoder has another number of layers")?;
        ensure(self.norm.is_sound(hidden), "the encoder's norm is not sound")?;
        ensure(self.rotary.is_sound(config, positions), "the encoder's angles are not the network's")?;
        ensure(self.scale.is_finite(), "the encoder's scale is not finite")?;
        self.layers.iter().try_for_each(|layer| layer.check(config, precision))
    }
}

impl Layer {
    fn check(&self, config: &Config, precision: Precision) -> Result<(), PackedError> {
        let hidden = config.sizes.hidden;
        let are_norms = self.attention_norm.is_sound(hidden) && self.mlp_norm.is_sound(hidden);
        ensure(are_norms, "a norm of an encoder layer is not sound")?;
        ensure_linear(&self.query_key_value, (3 * hidden, hidden), precision)?;
        ensure_linear(&self.attention_output, (hidden, hidden), precision)?;
        let mut width = 0;
        for MlpSlice { up, down } in &self.mlp {
            let part = up.outputs();
            ensure((1..=hidden).contains(&part), "a slice of an MLP is not as wide as a frame at most")?;
            ensure_linear(up, (part, hidden), precision)?;
            ensure_linear(down, (hidden, part), precision)?;
            width += part;
        }
        ensure(width == config.sizes.encoder_mlp, "the slices do not make up an encoder layer's MLP")
    }
}

/// The encoder of Moonshine on the CPU.
pub struct MoonshineEncoder {
    encoder: Arc<Encoder>,
    width: usize,
    /// Whether all slices of an MLP are one unit, so that they share the rounded rows; else each is one.
    slices_together: bool,
    cursor: Cursor,
    /// Queries, keys and values of the layer, one row of all three for each frame.
    projected: Buffer,
    cache: EncoderCache,
    /// One for each thread of the team.
    workers: Vec<Worker>,
    team: Team,
}

/// What a thread needs of its own to work on a block of rows.
struct Worker {
    width: usize,
    /// The normed rows that the slices of an MLP share.
    normed: Buffer,
    arena: Arena,
}

/// What is done to all rows of a segment, one operation after the other.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Operation {
    /// Norm, queries, keys and values with their rotary positions.
    Project,
    /// Attention over all frames, output projection, residual.
    Attend,
    /// The MLP with its residual.
    Mlp,
}

/// The operations of a layer, in order.
const LAYER: [Operation; 3] = [Operation::Project, Operation::Attend, Operation::Mlp];

/// Where a pass stands. After the last layer comes one more phase, the final norm.
#[derive(Clone, Copy, Debug, Default)]
struct Cursor {
    /// Operations completed, over all layers.
    phase: usize,
    /// Rows completed in this phase.
    row: usize,
    /// Slices of the MLP completed for the rows at `row`.
    slice: usize,
}

impl MoonshineEncoder {
    pub(super) fn new(encoder: Arc<Encoder>, config: &Config, precision: Precision, team: Team) -> Self {
        let sizes = &config.sizes;
        let (width, frames) = (sizes.hidden, config.max_frames());
        let workers = if team.is_pair() { 2 } else { 1 };
        let slices = encoder.layers.iter().map(|layer| layer.mlp.len()).max().unwrap_or(0);
        MoonshineEncoder {
            encoder,
            width,
            slices_together: precision == Precision::Int8,
            cursor: Cursor::default(),
            projected: Buffer::zeros(frames * 3 * width),
            cache: EncoderCache::new(sizes, frames, precision),
            workers: (0..workers).map(|_| Worker::new(width, slices)).collect(),
            team,
        }
    }

    /// Whether the final norm, the phase after all layers, is done.
    fn is_done(&self) -> bool {
        self.cursor.phase > self.encoder.layers.len() * LAYER.len()
    }

    /// One unit of work: a block of rows for each thread of the team.
    fn unit(&mut self, span: &mut Span) {
        let (width, frames, Cursor { phase, row, slice }) = (self.width, span.frames(), self.cursor);
        let (layer, operation) = (phase / LAYER.len(), LAYER[phase % LAYER.len()]);
        let encoder = Arc::clone(&self.encoder);
        let layer = encoder.layers.get(layer);
        let (block, slices) = match layer {
            Some(_) if operation == Operation::Attend => (self.cache.unit_queries(), 1),
            Some(layer) if operation == Operation::Mlp && !self.slices_together => {
                (BLOCK_ROWS, layer.mlp.len())
            }
            _ => (BLOCK_ROWS, 1),
        };
        let rows = (block * self.workers.len()).min(frames - row);
        let share = rows.div_ceil(self.workers.len());
        let cache = &self.cache;
        let work = |worker: &mut Worker, first: usize, span_rows: &mut [f32], projected: &mut [f32]| {
            match (layer, operation) {
                (Some(layer), Operation::Project) => {
                    worker.project(&encoder, layer, span_rows, first, projected)
                }
                (Some(layer), Operation::Attend) => {
                    let queries = Rows::new(projected, 3 * width, span_rows.len() / width);
                    let attended = worker.arena.scratch(span_rows.len());
                    cache.attend(queries, encoder.scale, RowsMut::dense(attended, width));
                    let (attended, out) = (Rows::dense(attended, width), RowsMut::dense(span_rows, width));
                    layer.attention_output.apply(attended, Then::Add, out, &worker.arena);
                }
                (Some(layer), Operation::Mlp) => {
                    let last = if slices == 1 { layer.mlp.len() } else { slice + 1 };
                    worker.mlp(layer, span_rows, slice..last);
                }
                (None, _) => worker.norm(&encoder.norm, span_rows),
            }
            worker.arena.reset();
        };
        let (mine, theirs) = span.rows_mut(row, rows).data.split_at_mut(share * width);
        let projected = &mut self.projected[row * 3 * width..(row + rows) * 3 * width];
        let (my_projected, their_projected) = projected.split_at_mut(share * 3 * width);
        match &mut self.workers[..] {
            [one, two] if !theirs.is_empty() => {
                let other = || work(two, row + share, theirs, their_projected);
                self.team.both(other, || work(one, row, mine, my_projected));
            }
            [one, ..] => work(one, row, mine, my_projected),
            [] => {}
        }
        if operation == Operation::Project && layer.is_some() {
            if row == 0 {
                self.cache.restart(frames);
            }
            let part = |index: usize| Rows::new(&self.projected[index * width..], 3 * width, row + rows);
            self.cache.store(part(1), part(2));
        }
        self.cursor.slice += 1;
        if self.cursor.slice == slices {
            self.cursor = Cursor { phase, row: row + rows, slice: 0 };
        }
        if self.cursor.row == frames {
            self.cursor = Cursor { phase: phase + 1, row: 0, slice: 0 };
        }
    }
}

impl Worker {
    fn new(width: usize, slices: usize) -> Self {
        // The rows of a unit, and what the first layers and the last one of each slice of an MLP round.
        let rounded = (0..1 + slices).flat_map(|_| Linear::scratch_lengths(width, MAX_ROWS));
        let lengths: Vec<usize> = [MAX_ROWS * width].into_iter().chain(rounded).collect();
        Worker { width, normed: Buffer::zeros(BLOCK_ROWS * width), arena: Arena::for_lengths(&lengths) }
    }

    /// Queries, keys and values of the rows, which begin at position `first`.
    fn project(
        &mut self,
        encoder: &Encoder,
        layer: &Layer,
        span_rows: &[f32],
        first: usize,
        projected: &mut [f32],
    ) {
        let (width, rows) = (self.width, span_rows.len() / self.width);
        let normed = self.arena.scratch(span_rows.len());
        layer.attention_norm.apply(Rows::dense(span_rows, width), RowsMut::dense(normed, width));
        let out = RowsMut::dense(projected, 3 * width);
        layer.query_key_value.apply(Rows::dense(normed, width), Then::Store, out, &self.arena);
        // Queries and keys lie side by side: twice the heads for the rotation.
        encoder.rotary.apply(RowsMut::new(projected, 3 * width, rows), 2 * width, first);
    }

    /// Slices of the MLP, added to the rows.
    fn mlp(&mut self, layer: &Layer, span_rows: &mut [f32], slices: Range<usize>) {
        let width = self.width;
        let normed = &mut self.normed[..span_rows.len()];
        if slices.start == 0 {
            layer.mlp_norm.apply(Rows::dense(span_rows, width), RowsMut::dense(normed, width));
        }
        let slices = &layer.mlp[slices];
        let normed = slices[0].up.prepare(Rows::dense(normed, width), &self.arena);
        let hidden = self.arena.scratch(span_rows.len());
        for MlpSlice { up, down } in slices {
            let hidden = &mut hidden[..span_rows.len() / width * up.outputs()];
            let out = RowsMut::dense(hidden, up.outputs());
            up.apply_prepared(&normed, Then::Activate(Activation::Gelu), out);
            let hidden = Rows::dense(hidden, up.outputs());
            down.apply(hidden, Then::Add, RowsMut::dense(span_rows, width), &self.arena);
        }
    }

    /// The norm after the last layer.
    fn norm(&mut self, norm: &Norm, span_rows: &mut [f32]) {
        let normed = self.arena.scratch(span_rows.len());
        norm.apply(Rows::dense(span_rows, self.width), RowsMut::dense(normed, self.width));
        span_rows.copy_from_slice(normed);
    }
}

impl crate::model::Encoder for MoonshineEncoder {
    type Span = Span;

    fn begin(&mut self, _slot: Slot, _span: &mut Span) {
        self.cursor = Cursor::default();
    }

    fn step(&mut self, span: &mut Span, budget: &Budget, _faults: &mut Faults) -> Progress {
        while span.frames() > 0 && !self.is_done() {
            self.unit(span);
            if !self.is_done() && budget.is_spent() {
                return Progress::More;
            }
        }
        Progress::Done
    }

    fn reset(&mut self, _slot: Slot) {}
}
