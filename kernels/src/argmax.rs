//! The index of the largest value.

use crate::simd::{Simd, instruction_sets};
use crate::table::Table;

/// The index of the largest value; of equal ones the first. NaN is never the largest. Nothing if `x` is
/// empty or all NaN.
#[inline]
pub fn argmax(x: &[f32]) -> Option<usize> {
    (Table::active().argmax)(x)
}

instruction_sets! {
    argmax = first_largest(x: &[f32]) -> Option<usize>;
}

#[inline(always)]
fn first_largest<S: Simd>(_: S, x: &[f32]) -> Option<usize> {
    let mut best: Option<usize> = None;
    for (i, &value) in x.iter().enumerate() {
        if !value.is_nan() && best.is_none_or(|b| value > x[b]) {
            best = Some(i);
        }
    }
    best
}
