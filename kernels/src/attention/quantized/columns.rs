//! The softmax between the two products: scores to weights of 8 bits, a lane for each query.

use super::{BLOCK_KEYS, BLOCK_STEPS, STEP};
use crate::gemm::PANEL;
use crate::simd::{Simd, instruction_sets};

/// Queries of a tile: three panels.
pub(super) const LANES: usize = 3 * PANEL;
/// The largest weight, as a distance from [`ZERO`].
const LEVELS: f32 = 254.0;
/// What a weight of zero is rounded to, so that all levels fit into a signed byte.
const ZERO: f32 = -127.0;
/// 1.5 · 2^23: added to a number, it leaves the rounded number in the lowest bits.
const ROUNDER: f32 = 12_582_912.0;
/// Scores so much below the largest weigh nothing.
const LOWEST: f32 = -152.0;

/// Scores and weights of a block, and the state of the online softmax.
#[repr(align(64))]
pub(super) struct Columns {
    /// `[key][lane]`, in powers of two.
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

/// `weigh` of one instruction set.
pub(super) type Function = fn(&mut Columns, usize, usize);

instruction_sets! {
    weigh = weigh_lanes(columns: &mut Columns, keys: usize, lanes: usize);
}

/// Turns the scores of `keys` keys, at least one, into weights, for the first `lanes` lanes.
#[inline(always)]
fn weigh_lanes<S: Simd>(s: S, columns: &mut Columns, keys: usize, lanes: usize) {
    assert!((1..=BLOCK_KEYS).contains(&keys) && lanes <= LANES && lanes.is_multiple_of(S::LANES));
    let padded = keys.next_multiple_of(STEP);
    columns.scores[keys * LANES..padded * LANES].fill(f32::NEG_INFINITY);
    for lane in (0..lanes).step_by(S::LANES) {
        weigh_vector(s, columns, padded, lane);
    }
}

#[inline(always)]
fn weigh_vector<S: Simd>(s: S, columns: &mut Columns, keys: usize, lane: usize) {
    let scores = columns.scores[..keys * LANES].chunks_exact(STEP * LANES);
    let mut largest = [s.splat(f32::NEG_INFINITY); STEP];
    for four in scores.clone() {
        for (j, largest) in largest.iter_mut().enumerate() {
            *largest = s.max(s.load(&four[j * LANES + lane..]), *largest);
        }
    }
    let block_peak = s.max(s.max(largest[0], largest[1]), s.max(largest[2], largest[3]));

    let mut sums = [s.splat(0.0); STEP];
    let weights = &mut columns.weights[lane / PANEL * PANEL * BLOCK_KEYS..][..PANEL * BLOCK_KEYS];
    let steps = weights.chunks_exact_mut(PANEL * STEP);
    debug_assert_eq!(steps.len(), BLOCK_STEPS);
    for (four, weights) in scores.zip(steps) {
        let mut rounded = [s.splat(0.0); STEP];
        for j in 0..STEP {
            let weight = power(s, s.sub(s.load(&four[j * LANES + lane..]), block_peak));
            rounded[j] = s.mul_add(weight, s.splat(LEVELS), s.splat(ROUNDER + ZERO));
            sums[j] = s.add(sums[j], s.sub(rounded[j], s.splat(ROUNDER)));
        }
        s.store_lowest_bytes(&mut weights[lane % PANEL * STEP..], rounded);
    }
    let sum = s.add(s.add(sums[0], sums[1]), s.add(sums[2], sums[3]));

    let peak = s.load(&columns.peak[lane..]);
    let new_peak = s.max(block_peak, peak);
    let (old, new) = (power(s, s.sub(peak, new_peak)), power(s, s.sub(block_peak, new_peak)));
    let levels = s.sub(sum, s.splat(keys as f32 * ZERO));
    let total = s.mul_add(s.load(&columns.total[lane..]), old, s.mul(levels, new));
    s.store(&mut columns.peak[lane..], new_peak);
    s.store(&mut columns.total[lane..], total);
    s.store(&mut columns.old[lane..], old);
    s.store(&mut columns.new[lane..], new);
    let mut whole = [0.0; PANEL];
    s.store(&mut whole, sum);
    for (correction, sum) in columns.corrections[lane..][..S::LANES].iter_mut().zip(whole) {
        *correction = -128 * sum as i32;
    }
}

/// `2^x` for `x <= 0` to 7.5e-5 of it, less than a third of a level; NaN stays NaN.
#[inline(always)]
fn power<S: Simd>(s: S, x: S::F) -> S::F {
    // The least relative error on [-1/2, 1/2].
    const COEFFICIENTS: [f32; 4] = [0.999_928_07, 0.693_261, 0.242_611_14, 0.055_171_67];
    let x = s.max(s.splat(LOWEST), x);
    let n = s.round(x);
    s.scale_by_power(s.polynomial(s.sub(x, n), COEFFICIENTS), n)
}
