//! The softmax between the two products: scores to weights of 8 bits, a lane for each query.

use super::{BLOCK_KEYS, BLOCK_STEPS, STEP};
use crate::arch::dispatch::instruction_sets;
use crate::arch::simd::Simd;
use crate::gemm::PANEL;

/// Queries of a tile: three panels.
pub(super) const LANES: usize = 3 * PANEL;
/// The largest weight, as a distance from [`ZERO`].
const LEVELS: f32 = 254.0;
/// What a weight of zero is rounded to, so that all levels fit into a signed byte.
const ZERO: f32 = -127.0;
/// 1.5 · 2^23: added to a number, it leaves the rounded number in the lowest bits.
pub(super) const ROUNDER: f32 = 12_582_912.0;

/// Scores and weights of a block, and the state of the online softmax.
#[repr(align(64))]
pub(super) struct Columns {
    /// `[key][lane]`, yet to be multiplied by the lane's scale.
    pub scores: [f32; BLOCK_KEYS * LANES],
    /// `[panel][BLOCK_KEYS / 4][16][4]`: signed bytes from -127, which is none, to 127.
    pub weights: [u8; BLOCK_KEYS * LANES],
    /// -128 times the sum of each lane's weights.
    pub corrections: [i32; LANES],
    /// What sums so far are to be multiplied by, and those of this block.
    pub old: [f32; LANES],
    /// See `old`.
    pub new: [f32; LANES],
    /// The largest score so far.
    peak: [f32; LANES],
    /// The sum of weights so far, in levels.
    pub total: [f32; LANES],
}

impl Columns {
    pub(super) fn new() -> Self {
        Columns {
            scores: [0.0; BLOCK_KEYS * LANES],
            weights: [0; BLOCK_KEYS * LANES],
            corrections: [0; LANES],
            old: [0.0; LANES],
            new: [0.0; LANES],
            peak: [f32::NEG_INFINITY; LANES],
            total: [0.0; LANES],
        }
    }

    /// Before the first block.
    pub(super) fn restart(&mut self) {
        self.peak.fill(f32::NEG_INFINITY);
        self.total.fill(0.0);
    }
}

instruction_sets! {
    pub(super) fn weigh(columns: &mut Columns, scales: &[f32; LANES], keys: usize, lanes: usize) = weigh_lanes;

    pub(super) fn settle(columns: &mut Columns, sums: &[f32; LANES], keys: usize, lanes: usize) = settle_lanes;
}

/// Turns the scores of `keys` keys, at least one, into weights, for the first `lanes` lanes. `scales` make powers of two of
/// scores.
#[inline(always)]
fn weigh_lanes<S: Simd>(s: S, columns: &mut Columns, scales: &[f32; LANES], keys: usize, lanes: usize) {
    assert!((1..=BLOCK_KEYS).contains(&keys) && lanes <= LANES && lanes.is_multiple_of(S::LANES));
    let padded = keys.next_multiple_of(STEP);
    columns.scores[keys * LANES..padded * LANES].fill(f32::NEG_INFINITY);
    for lane in (0..lanes).step_by(S::LANES) {
        weigh_vector(s, columns, s.load(&scales[lane..]), padded, lane);
    }
    // Keys that are not there weigh nothing; a scale of zero would make something of their scores.
    if keys < padded {
        for panel in columns.weights.chunks_exact_mut(PANEL * BLOCK_KEYS) {
            for four in panel[(padded - STEP) * PANEL..padded * PANEL].chunks_exact_mut(STEP) {
                four[STEP - (padded - keys)..].fill(ZERO as i8 as u8);
            }
        }
    }
}

#[inline(always)]
fn weigh_vector<S: Simd>(s: S, columns: &mut Columns, scale: S::F, keys: usize, lane: usize) {
    let scores = columns.scores[..keys * LANES].chunks_exact(STEP * LANES);
    let mut largest = [s.splat(f32::NEG_INFINITY); STEP];
    for four in scores.clone() {
        for (j, largest) in largest.iter_mut().enumerate() {
            *largest = s.max(s.load(&four[j * LANES + lane..]), *largest);
        }
    }
    let largest = s.max(s.max(largest[0], largest[1]), s.max(largest[2], largest[3]));
    let block_peak = s.mul(largest, scale);
    let below = s.sub(s.splat(0.0), block_peak);

    let weights = &mut columns.weights[lane / PANEL * PANEL * BLOCK_KEYS..][..PANEL * BLOCK_KEYS];
    let steps = weights.chunks_exact_mut(PANEL * STEP);
    debug_assert_eq!(steps.len(), BLOCK_STEPS);
    for (four, weights) in scores.zip(steps) {
        let mut rounded = [s.splat(0.0); STEP];
        for (j, rounded) in rounded.iter_mut().enumerate() {
            let weight = power(s, s.mul_add(s.load(&four[j * LANES + lane..]), scale, below));
            *rounded = s.mul_add(weight, s.splat(LEVELS), s.splat(ROUNDER + ZERO));
        }
        s.store_lowest_bytes(&mut weights[lane % PANEL * STEP..], rounded);
    }

    let peak = s.load(&columns.peak[lane..]);
    let new_peak = s.max(block_peak, peak);
    s.store(&mut columns.peak[lane..], new_peak);
    s.store(&mut columns.old[lane..], power(s, s.sub(peak, new_peak)));
    s.store(&mut columns.new[lane..], power(s, s.sub(block_peak, new_peak)));
}

/// Brings the totals of the first `lanes` lanes up to date with a block of `keys` keys, whose weights, as signed bytes, have
/// these sums.
#[inline(always)]
fn settle_lanes<S: Simd>(s: S, columns: &mut Columns, sums: &[f32; LANES], keys: usize, lanes: usize) {
    assert!(lanes <= LANES && lanes.is_multiple_of(S::LANES));
    let lowest = s.splat(keys.next_multiple_of(STEP) as f32 * ZERO);
    for lane in (0..lanes).step_by(S::LANES) {
        let levels = s.sub(s.load(&sums[lane..]), lowest);
        let (old, new) = (s.load(&columns.old[lane..]), s.load(&columns.new[lane..]));
        let total = s.mul_add(s.load(&columns.total[lane..]), old, s.mul(levels, new));
        s.store(&mut columns.total[lane..], total);
    }
    for (correction, sum) in columns.corrections[..lanes].iter_mut().zip(sums) {
        *correction = -128 * *sum as i32;
    }
}

/// `2^x` for `x <= 0` to 7.5e-5 of it, less than a third of a level; NaN stays NaN.
#[inline(always)]
fn power<S: Simd>(s: S, x: S::F) -> S::F {
    // The least relative error on [0, 1].
    const COEFFICIENTS: [f32; 4] = [0.999_925_2, 0.695_833_56, 0.226_067_16, 0.078_024_52];
    let (exponent, rest) = s.split_negative(x);
    s.scale_by_power(s.polynomial(rest, COEFFICIENTS), exponent)
}
