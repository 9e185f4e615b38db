//! Attention in 8 bits against `f64` over the same rounded queries, keys and values, within the bound that the
//! rounding of weights allows; and the promise that a query's result depends on nothing but itself.

mod support;

use support::{Random, on_every_instruction_set, size};
use voxlane_kernels::attention::quantized::{self, BLOCK_KEYS, Cache, CacheMut, QUERIES, Shape};
use voxlane_kernels::isa;
use voxlane_kernels::rows::{Rows, RowsMut};

const SCALE: f32 = 0.3;
/// A weight's error: half a level, and that of the exponential.
const WEIGHT_ERROR: f64 = 0.5 / 254.0 + 1e-4;

struct Case {
    shape: Shape,
    positions: usize,
    q: Vec<f32>,
    k: Vec<f32>,
    v: Vec<f32>,
}

impl Case {
    fn new(seed: u64, heads: usize, head_dim: usize, positions: usize, queries: usize) -> Case {
        let mut random = Random(seed);
        let width = heads * head_dim;
        Case {
            shape: Shape::new(heads, head_dim).unwrap(),
            positions,
            q: random.vector(queries * width, 2.0),
            k: random.vector(positions * width, 2.0),
            v: random.vector(positions * width, 2.0),
        }
    }

    fn width(&self) -> usize {
        self.shape.heads() * self.shape.head_dim()
    }

    /// The caches; `before` is what they held.
    fn stored(&self, before: u8) -> (Vec<u8>, Vec<f32>) {
        let mut bytes = vec![before; self.shape.bytes_len(self.positions)];
        let mut scales = vec![f32::from(before); self.shape.scales_len(self.positions)];
        let (k, v) = (Rows::dense(&self.k, self.width()), Rows::dense(&self.v, self.width()));
        for block in 0..self.positions.div_ceil(BLOCK_KEYS) {
            let (first, left) = (block * BLOCK_KEYS, self.positions - block * BLOCK_KEYS);
            let count = left.min(BLOCK_KEYS);
            let kv = CacheMut { bytes: &mut bytes, scales: &mut scales, shape: self.shape };
            quantized::store_block(k.range(first, count), v.range(first, count), block, kv);
        }
        (bytes, scales)
    }

    /// Queries `first .. first + count` in one call.
    fn run(&self, stored: &(Vec<u8>, Vec<f32>), first: usize, count: usize) -> Vec<f32> {
        let kv = Cache { bytes: &stored.0, scales: &stored.1, shape: self.shape, positions: self.positions };
        let mut out = vec![f32::NAN; count * self.width()];
        let q = Rows::dense(&self.q, self.width()).range(first, count);
        quantized::attention_i8(q, &kv, SCALE, RowsMut::dense(&mut out, self.width()));
        out
    }

    /// The exact results of the rounded numbers, and how far the rounding of weights may take one from them.
    fn oracle(&self) -> Vec<(f64, f64)> {
        let (width, head_dim) = (self.width(), self.shape.head_dim());
        let queries = self.q.len() / width;
        let mut out = vec![(0.0, 0.0); queries * width];
        for h in 0..self.shape.heads() {
            let head = |x: &[f32], row: usize| x[row * width + h * head_dim..][..head_dim].to_vec();
            let keys: Vec<Vec<f64>> = (0..self.positions).map(|j| rounded(&head(&self.k, j))).collect();
            // A channel's scale is that of its block.
            let mut values = vec![vec![0.0; self.positions]; head_dim];
            for (d, channel) in values.iter_mut().enumerate() {
                let all: Vec<f32> = (0..self.positions).map(|j| head(&self.v, j)[d]).collect();
                *channel = all.chunks(BLOCK_KEYS).flat_map(rounded).collect();
            }
            for i in 0..queries {
                let query = rounded(&head(&self.q, i));
                let score = |key: &Vec<f64>| -> f64 {
                    query.iter().zip(key).map(|(a, b)| a * b).sum::<f64>() * f64::from(SCALE)
                };
                let scores: Vec<f64> = keys.iter().map(score).collect();
                let largest = |x: &[f64]| x.iter().fold(f64::NEG_INFINITY, |a, &b| a.max(b));
                let weights: Vec<f64> = scores.iter().map(|x| (x - largest(&scores)).exp()).collect();
                let total: f64 = weights.iter().sum();
                let error = |block: &[f64]| largest(block) * block.len() as f64 * WEIGHT_ERROR;
                let error: f64 = weights.chunks(BLOCK_KEYS).map(error).sum();
                for d in 0..head_dim {
                    let sum: f64 = weights.iter().zip(&values[d]).map(|(w, v)| w * v).sum();
                    let most = values[d].iter().fold(0.0f64, |a, b| a.max(b.abs()));
                    // Of the sum, and of the total that it is divided by.
                    let bound = 2.0 * most * error / (total - error).max(1e-9) + 1e-4;
                    out[i * width + h * head_dim + d] = (sum / total, bound);
                }
            }
        }
        out
    }
}

/// The numbers as 8 bits with a common scale can say them.
fn rounded(x: &[f32]) -> Vec<f64> {
    let largest = x.iter().fold(0.0f32, |a, b| a.max(b.abs()));
    let scale = f64::from(largest) / 127.0;
    x.iter()
        .map(|&x| if scale > 0.0 { (f64::from(x) / scale).round_ties_even() * scale } else { 0.0 })
        .collect()
}

on_every_instruction_set! {
    fn results_are_those_of_the_rounded_numbers() {
        let cases = [
            (8, 36, size(415, 20), size(50, 5)),
            (2, 1, 3, 17),
            (1, 64, BLOCK_KEYS, 3),
            (3, 7, size(BLOCK_KEYS + 1, 9), 33),
            (1, 5, 1, 1),
        ];
        for (seed, (heads, head_dim, positions, queries)) in cases.into_iter().enumerate() {
            let case = Case::new(seed as u64, heads, head_dim, positions, queries);
            let got = case.run(&case.stored(0), 0, queries);
            let mut used: f64 = 0.0;
            for (i, (&got, (want, bound))) in got.iter().zip(case.oracle()).enumerate() {
                let error = (f64::from(got) - want).abs();
                assert!(error <= bound, "{:?} element {i}: {got} for {want}, {bound}", isa::active());
                used = used.max(error / bound);
            }
            // A bound that nothing comes near would show nothing.
            assert!(positions < 4 || used > 1e-3, "{used} of the bound");
        }
    }

    fn a_query_does_not_depend_on_the_others_nor_on_what_was_stored_before() {
        let queries = size(2 * QUERIES + 5, 20);
        let case = Case::new(7, 2, 36, size(150, 10), queries);
        let all = case.run(&case.stored(0), 0, queries);
        let stored = case.stored(255);
        for (first, count) in [(0, 1), (queries - 1, 1), (3, 16), (1, queries - 1)] {
            let part = case.run(&stored, first, count);
            assert_eq!(part, all[first * case.width()..][..part.len()], "{:?} {first} {count}", isa::active());
        }
    }

    fn what_is_not_finite_reaches_its_own_results_only() {
        let mut case = Case::new(9, 2, 8, 20, 3);
        let finite = case.run(&case.stored(0), 0, 3);
        assert!(finite.iter().all(|x| x.is_finite()));
        case.q[16] = f32::NAN;
        let got = case.run(&case.stored(0), 0, 3);
        for (i, (got, finite)) in got.iter().zip(&finite).enumerate() {
            let hit = (16..24).contains(&i);
            assert!(if hit { got.is_nan() } else { got == finite }, "{:?} {i}: {got}", isa::active());
        }
        case.q[16] = 0.0;
        case.k[5] = f32::INFINITY;
        case.v[8] = f32::NAN;
        let got = case.run(&case.stored(0), 0, 3);
        for row in got.chunks_exact(16) {
            assert!(row[..9].iter().all(|x| x.is_nan()) && row[9..].iter().all(|x| x.is_finite()), "{row:?}");
        }
    }

    fn without_keys_the_result_is_zero() {
        let case = Case::new(3, 2, 4, 0, 2);
        assert_eq!(case.run(&case.stored(0), 0, 2), [0.0; 16]);
    }
}
