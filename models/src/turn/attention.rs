//! Attention of one layer, head by head, a few panels of queries at a time.

use super::network::Layer;
use crate::buffer::Buffer;
use crate::layers::static_grid::Grid;
use crate::networks::smart_turn::{HEAD_DIM, HEADS, POSITIONS, WIDTH};
use voxlane_kernels::gemm::i8::{Packed, QuantizedRows, gemm};
use voxlane_kernels::gemm::{Epilogue, PANEL};
use voxlane_kernels::grid::{
    KeysAndValues, Scores, Settle, excess, put_panel, settle_transposed, softmax_panels,
};
use voxlane_kernels::rows::{Rows, RowsMut};

/// Panels of queries of a head.
pub(super) const PANELS: usize = POSITIONS / PANEL;
/// Panels of a unit.
const UNIT_PANELS: usize = 9;
/// Queries of a unit.
const UNIT_QUERIES: usize = UNIT_PANELS * PANEL;
/// Units of a head.
pub(super) const UNITS: usize = PANELS.div_ceil(UNIT_PANELS);

/// Queries, keys and values of a layer, and what comes of them.
pub(super) struct Attention {
    /// `[head][panel][HEAD_DIM / 4][16][4]`, each less 128.
    queries: Buffer<i8>,
    query_corrections: Buffer<i32>,
    query_starts: Buffer<i32>,
    /// `[key][head][HEAD_DIM]`.
    keys: Buffer<u8>,
    /// `[head][key]`.
    key_terms: Buffer,
    /// `[head][HEAD_DIM][key]`.
    values: Buffer<u8>,
    value_terms: Buffer,
    /// `[query][head][HEAD_DIM]`.
    attended: Buffer<u8>,
    /// Of one unit: `[key][query]`.
    scores: Buffer,
    weights: Buffer<i8>,
    corrections: Buffer<i32>,
    starts: Buffer<i32>,
    sums: Buffer,
    ones: Buffer,
}

impl Attention {
    pub(super) fn new() -> Self {
        let mut ones = Buffer::zeros(POSITIONS);
        ones.fill(1.0);
        Attention {
            queries: Buffer::zeros(POSITIONS * WIDTH),
            query_corrections: Buffer::zeros(HEADS * POSITIONS),
            query_starts: Buffer::zeros(HEADS * POSITIONS),
            keys: Buffer::zeros(POSITIONS * WIDTH),
            key_terms: Buffer::zeros(HEADS * POSITIONS),
            values: Buffer::zeros(WIDTH * POSITIONS),
            value_terms: Buffer::zeros(WIDTH),
            attended: Buffer::zeros(POSITIONS * WIDTH),
            scores: Buffer::zeros(POSITIONS * UNIT_QUERIES),
            weights: Buffer::zeros(POSITIONS * UNIT_QUERIES),
            corrections: Buffer::zeros(UNIT_QUERIES),
            starts: Buffer::zeros(UNIT_QUERIES),
            sums: Buffer::zeros(HEAD_DIM * UNIT_QUERIES),
            ones,
        }
    }

    /// Takes the queries of one panel, row by row.
    pub(super) fn put_queries(&mut self, panel: usize, rows: &[u8], keys: Grid) {
        for head in 0..HEADS {
            let first = head * POSITIONS + panel * PANEL;
            let mut of = KeysAndValues {
                corrections: &mut self.query_corrections[first..][..PANEL],
                starts: &mut self.query_starts[first..][..PANEL],
                zero_point: keys.zero_point,
            };
            let to = &mut self.queries[first * HEAD_DIM..][..PANEL * HEAD_DIM];
            put_panel(&rows[head * HEAD_DIM..], WIDTH, to, &mut of);
        }
    }

    /// Where the keys of a panel of frames go, row by row.
    pub(super) fn keys_mut(&mut self, panel: usize) -> &mut [u8] {
        &mut self.keys[panel * PANEL * WIDTH..][..PANEL * WIDTH]
    }

    /// To be called when the keys of a panel of frames are there.
    pub(super) fn finish_keys(&mut self, panel: usize, layer: &Layer) {
        let zero_point = layer.multiplied[1].zero_point;
        for key in panel * PANEL..(panel + 1) * PANEL {
            for (head, row) in self.keys[key * WIDTH..][..WIDTH].as_chunks::<HEAD_DIM>().0.iter().enumerate()
            {
                let term = layer.query_shift() * excess(row, zero_point);
                self.key_terms[head * POSITIONS + key] = term as f32;
            }
        }
    }

    /// Where the values of a panel of frames go, channel by channel, and the distance between two channels.
    pub(super) fn values_mut(&mut self, panel: usize) -> (&mut [u8], usize) {
        (&mut self.values[panel * PANEL..], POSITIONS)
    }

    /// The results of a panel of frames, row by row.
    pub(super) fn attended(&self, panel: usize) -> &[u8] {
        &self.attended[panel * PANEL * WIDTH..][..PANEL * WIDTH]
    }

    /// One unit of a head: all keys, for some queries.
    pub(super) fn unit(&mut self, layer: &Layer, head: usize, unit: usize) {
        let panel = unit * UNIT_PANELS;
        let columns = (PANELS - panel).min(UNIT_PANELS) * PANEL;
        let queries = head * POSITIONS + panel * PANEL;
        let values = head * HEAD_DIM * POSITIONS;
        if unit == 0 {
            let rows = self.values[values..].as_chunks::<POSITIONS>().0.iter().take(HEAD_DIM);
            for (row, term) in rows.zip(&mut self.value_terms[head * HEAD_DIM..]) {
                *term = (128 * excess(row, layer.values.zero_point)) as f32;
            }
        }

        let scores = &mut self.scores[..POSITIONS * columns];
        let packed = Packed::new(
            &self.queries[queries * HEAD_DIM..][..columns * HEAD_DIM],
            &self.ones[..columns],
            &self.query_corrections[queries..][..columns],
            columns,
            HEAD_DIM,
        );
        let packed = packed.with_starts(&self.query_starts[queries..][..columns]);
        let keys = QuantizedRows::new(&self.keys[head * HEAD_DIM..], &self.ones, HEAD_DIM, WIDTH);
        gemm(&keys, &packed, &Epilogue::default(), RowsMut::dense(scores, columns));

        let weights = &mut self.weights[..POSITIONS * columns];
        let softmax = Scores {
            terms: &self.key_terms[head * POSITIONS..][..POSITIONS],
            multiplier: layer.score_steps(),
            zero_point: layer.scores.zero_point,
            exponentials: &layer.exponentials,
            steps: (1.0 / layer.weights.scale).floor(),
        };
        let mut of = KeysAndValues {
            corrections: &mut self.corrections[..columns],
            starts: &mut self.starts[..columns],
            zero_point: layer.values.zero_point,
        };
        softmax_panels(scores, columns, &softmax, weights, &mut of);

        let packed = Packed::new(weights, &self.ones[..columns], of.corrections, columns, POSITIONS);
        let packed = packed.with_starts(of.starts);
        let rows = QuantizedRows::new(
            &self.values[values..][..HEAD_DIM * POSITIONS],
            &self.ones[..HEAD_DIM],
            POSITIONS,
            POSITIONS,
        );
        let sums = &mut self.sums[..HEAD_DIM * columns];
        gemm(&rows, &packed, &Epilogue::default(), RowsMut::dense(sums, columns));
        let settle = Settle {
            terms: &self.value_terms[head * HEAD_DIM..][..HEAD_DIM],
            multiplier: layer.attended_steps(),
            zero_point: layer.attended.zero_point,
        };
        settle_transposed(
            Rows::dense(sums, columns),
            &settle,
            columns,
            &mut self.attended[panel * PANEL * WIDTH + head * HEAD_DIM..],
            WIDTH,
        );
    }
}
