//! The encoder: six pre-norm layers over all frames of a segment, in place.
//!
//! Frames influence each other only in the attention, so that everything else runs on blocks of rows that
//! stay in the L2 cache. The order of work is one screen: `LAYER` and
//! `MoonshineEncoder::unit`. With a team of two, each takes half of a unit's rows.

mod cache;
mod layers;

pub(crate) use self::layers::PreparedEncoder;

use self::cache::{EncoderCache, MAX_QUERIES};
use self::layers::{Layer, MlpSlice};
use crate::arena::Arena;
use crate::budget::{Budget, Progress};
use crate::buffer::Buffer;
use crate::fault::Faults;
use crate::layers::linear::{Linear, Precision, Then};
use crate::layers::norm::Norm;
use crate::model::Slot;
use crate::networks::moonshine::config::Config;
use crate::networks::moonshine::span::MoonshineSpan;
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

/// The encoder of Moonshine on the CPU.
pub struct MoonshineEncoder {
    encoder: Arc<PreparedEncoder>,
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
    pub(crate) fn new(
        encoder: Arc<PreparedEncoder>,
        config: &Config,
        precision: Precision,
        team: Team,
    ) -> Self {
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
    fn unit(&mut self, span: &mut MoonshineSpan) {
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
        encoder: &PreparedEncoder,
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
    type Span = MoonshineSpan;

    fn begin(&mut self, _slot: Slot, _span: &mut MoonshineSpan) {
        self.cursor = Cursor::default();
    }

    fn step(&mut self, span: &mut MoonshineSpan, budget: &Budget, _faults: &mut Faults) -> Progress {
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
