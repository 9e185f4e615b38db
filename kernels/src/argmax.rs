//! The index of the largest value.

use crate::arch::dispatch::instruction_sets;
use crate::arch::simd::Simd;
use crate::gemm::PANEL;

instruction_sets! {
    /// The index of the largest value; of equal ones the first (-0 equals 0). NaN is never the largest. Nothing if
    /// `x` is empty or all NaN.
    pub fn argmax(x: &[f32]) -> Option<usize> = first_largest;

    /// The largest value of every [`PANEL`] values, and of what is left at the end; negative infinity where all are NaN.
    ///
    /// # Panics
    /// If there are not as many `peaks`.
    pub fn panel_peaks(x: &[f32], peaks: &mut [f32]) = largest_of_panels;
}

#[inline(always)]
fn largest_of_panels<S: Simd>(s: S, x: &[f32], peaks: &mut [f32]) {
    assert_eq!(peaks.len(), x.len().div_ceil(PANEL), "as many peaks as panels");
    let lowest = s.splat(f32::NEG_INFINITY);
    for (panel, peak) in x.chunks(PANEL).zip(peaks) {
        let mut largest = lowest;
        for vector in panel.chunks(S::LANES) {
            let values = s.select(s.first(vector.len()), s.load_partial(vector), lowest);
            // Where the value is NaN, the second operand is the result.
            largest = s.max(values, largest);
        }
        *peak = s.max_lane(largest);
    }
}

/// The plain loop that the vector versions are tested and measured against.
pub fn plain(x: &[f32]) -> Option<usize> {
    let mut best: Option<usize> = None;
    for (i, &value) in x.iter().enumerate() {
        if !value.is_nan() && best.is_none_or(|b| value > x[b]) {
            best = Some(i);
        }
    }
    best
}

/// Accumulators of the running maximum: enough to hide the latency of a comparison.
const CHAINS: usize = 4;
/// Vectors of one block. Only the block is remembered; the place within it is looked for once, at the end.
const BLOCK_VECTORS: usize = 16;

#[inline(always)]
fn first_largest<S: Simd>(s: S, x: &[f32]) -> Option<usize> {
    let block = BLOCK_VECTORS * S::LANES;
    let mut largest = f32::NEG_INFINITY;
    let mut start = 0;
    let mut blocks = x.chunks_exact(block);
    for (b, elements) in (&mut blocks).enumerate() {
        let mut chains = [s.splat(largest); CHAINS];
        for vectors in elements.chunks_exact(CHAINS * S::LANES) {
            for (chain, vector) in chains.iter_mut().zip(vectors.chunks_exact(S::LANES)) {
                // Where the element is NaN, the second operand is the result.
                *chain = s.max(s.load(vector), *chain);
            }
        }
        let best = s.max(s.max(chains[0], chains[1]), s.max(chains[2], chains[3]));
        // Rarely true: on random data about ln(blocks) times.
        if s.any_greater(best, s.splat(largest)) {
            (largest, start) = (s.max_lane(best), b * block);
        }
    }
    let rest_start = x.len() - blocks.remainder().len();
    for &value in blocks.remainder() {
        if value > largest {
            (largest, start) = (value, rest_start);
        }
    }
    // Where nothing exceeds negative infinity, this finds the first one, if there is one.
    x[start..].iter().position(|&value| value == largest).map(|i| start + i)
}
