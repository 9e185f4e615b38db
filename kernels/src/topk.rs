//! The few largest values, in order.

use crate::arch::dispatch::instruction_sets;
use crate::arch::simd::Simd;

/// A value and where it was.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Candidate {
    /// Index in the slice.
    pub index: usize,
    /// The value.
    pub value: f32,
}

instruction_sets! {
    /// Fills `best` with the largest values of `x`, largest first; of equal ones the first comes first (-0 equals 0).
    /// NaN is never among them. Returns how many there are: fewer than `best.len()` only where `x` holds fewer numbers.
    ///
    /// Meant for a `best` of up to some dozens: each new candidate is put into its place among the others.
    pub fn topk(x: &[f32], best: &mut [Candidate]) -> usize = largest;
}

#[inline(always)]
fn largest<S: Simd>(s: S, x: &[f32], best: &mut [Candidate]) -> usize {
    const VECTORS: usize = 4;
    if best.is_empty() {
        return 0;
    }
    let mut found = 0;
    let mut blocks = x.chunks_exact(VECTORS * S::LANES);
    let mut start = 0;
    for block in &mut blocks {
        // Only a block with something above the last candidate is looked into.
        let bar = s.splat(best[best.len() - 1].value);
        let mut top = s.splat(f32::NEG_INFINITY);
        for vector in block.chunks_exact(S::LANES) {
            top = s.max(s.load(vector), top);
        }
        if found < best.len() || s.any_greater(top, bar) {
            insert_all(block, start, best, &mut found);
        }
        start += block.len();
    }
    insert_all(blocks.remainder(), start, best, &mut found);
    found
}

/// Offers each element, the first of which is number `start`.
fn insert_all(x: &[f32], start: usize, best: &mut [Candidate], found: &mut usize) {
    for (i, &value) in x.iter().enumerate() {
        let full = *found == best.len();
        if value.is_nan() || (full && value <= best[*found - 1].value) {
            continue;
        }
        // Behind everything that is at least as large: earlier ones come first.
        let mut place = if full { *found - 1 } else { *found };
        while place > 0 && best[place - 1].value < value {
            best[place] = best[place - 1];
            place -= 1;
        }
        best[place] = Candidate { index: start + i, value };
        *found = (*found + 1).min(best.len());
    }
}
