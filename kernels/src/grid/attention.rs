//! Attention on grids: what lies between exact products of queries with keys, and of weights with values.
//!
//! One lane is one query, so that each sum of a softmax runs in the order of the keys. Queries and weights are the
//! panels of products whose rows are keys, and then the channels of values.

use super::Ends;
use crate::arch::dispatch::instruction_sets;
use crate::arch::panel::{PANEL, STEP};
use crate::arch::simd::Simd;
use crate::gemm::given::starts_of;

/// How the products of a panel start: for [`Packed::new`](crate::gemm::integer::Packed::new) and
/// [`Packed::with_starts`](crate::gemm::integer::Packed::with_starts).
#[derive(Debug)]
pub struct KeysAndValues<'a> {
    /// One for each query.
    pub corrections: &'a mut [i32],
    /// One for each query.
    pub starts: &'a mut [i32],
    /// The byte of a key's or value's zero.
    pub zero_point: u8,
}

/// Exact products of queries and keys on their way to weights.
#[derive(Clone, Copy, Debug)]
pub struct Scores<'a> {
    /// One for each key, added to its products: what is due where queries are stored with 128 for zero.
    pub terms: &'a [f32],
    /// What makes steps of the scores' grid of products.
    pub multiplier: f32,
    /// The byte of the scores' zero.
    pub zero_point: u8,
    /// Of [`exponentials`].
    pub exponentials: &'a [f32; 256],
    /// How many steps of the weights' grid are one; the byte of its zero is 0.
    pub steps: f32,
}

/// The sum of a row's distances from its zero.
pub fn excess(row: &[u8], zero_point: u8) -> i32 {
    let sum: i32 = row.iter().map(|&byte| i32::from(byte)).sum();
    sum - row.len() as i32 * i32::from(zero_point)
}

/// The exponentials of all distances on a grid of this scale: entry `i` is that of `i - 255` steps, times one large number
/// so that sums of `keys` of them keep away from both ends of `f32`.
pub fn exponentials(scale: f32, keys: usize) -> [f32; 256] {
    // Of `f32`, as onnxruntime has it: the number decides how each entry is rounded.
    let room = f64::from(f32::MAX / keys as f32).ln() as f32;
    let room = (f64::from(room) - 5.0).max(0.0) / f64::from(scale);
    std::array::from_fn(|i| ((i as f64 - 255.0 + room) * f64::from(scale)).exp() as f32)
}

/// Lays [`PANEL`] rows of bytes (fewer where there are no more), `stride` bytes apart, out as a panel of weights, each
/// less 128. `panel` is `PANEL` times a row's length.
///
/// # Panics
/// If a row is not a multiple of four bytes long, or the lengths do not fit each other.
pub fn put_panel(rows: &[u8], stride: usize, panel: &mut [i8], of: &mut KeysAndValues<'_>) {
    let width = panel.len() / PANEL;
    assert!(width.is_multiple_of(STEP) && panel.len() == width * PANEL, "rows of a multiple of four bytes");
    let count = of.corrections.len();
    assert!(count <= PANEL && of.starts.len() == count, "a start for each of at most sixteen queries");
    panel.fill(0);
    for query in 0..count {
        let row = &rows[query * stride..][..width];
        let steps = panel.as_chunks_mut::<{ PANEL * STEP }>().0.iter_mut().zip(row.as_chunks::<STEP>().0);
        for (line, bytes) in steps {
            line[query * STEP..][..STEP].copy_from_slice(&bytes.map(|byte| (byte ^ 0x80) as i8));
        }
        let sum = excess(row, 128);
        (of.corrections[query], of.starts[query]) = starts_of(0, sum, of.zero_point);
    }
}

instruction_sets! {
    /// The softmax of each column of `products`, rounded to bytes and laid out as panels of weights, each less 128:
    /// `[columns / 16][keys / 4][16][4]`. `products` has a row of `columns` values for each key; what is left in it is of
    /// no use. `of` gets the starts of products with values.
    ///
    /// # Panics
    /// If the keys are not a multiple of four or the columns not one of [`PANEL`], or a length does not fit.
    pub fn softmax_panels(
        products: &mut [f32], columns: usize, scores: &Scores<'_>, panels: &mut [i8], of: &mut KeysAndValues<'_>,
    ) = softmax_all;
}

#[inline(always)]
fn softmax_all<S: Simd>(
    s: S,
    products: &mut [f32],
    columns: usize,
    scores: &Scores<'_>,
    panels: &mut [i8],
    of: &mut KeysAndValues<'_>,
) {
    let keys = scores.terms.len();
    assert!(keys.is_multiple_of(STEP) && columns.is_multiple_of(PANEL), "whole steps and panels");
    assert_eq!(products.len(), keys * columns, "a row of products for each key");
    assert_eq!(panels.len(), keys * columns, "panels for all columns");
    assert!(of.corrections.len() == columns && of.starts.len() == columns, "a start for each column");
    if keys == 0 {
        return;
    }
    for (panel, column) in panels.chunks_exact_mut(keys * PANEL).zip((0..columns).step_by(PANEL)) {
        for lane in (0..PANEL).step_by(S::LANES) {
            let mut sums = [0.0; PANEL];
            let total = softmax_lanes(s, &mut products[column + lane..], columns, scores, panel, lane);
            s.store(&mut sums, total);
            for (query, &sum) in (column + lane..).zip(&sums[..S::LANES]) {
                let sum = sum as i32 - 128 * keys as i32;
                (of.corrections[query], of.starts[query]) = starts_of(0, sum, of.zero_point);
            }
        }
    }
}

/// The softmax of one vector of queries. Returns the sums of the weights.
#[inline(always)]
fn softmax_lanes<S: Simd>(
    s: S,
    products: &mut [f32],
    columns: usize,
    scores: &Scores<'_>,
    panel: &mut [i8],
    lane: usize,
) -> S::F {
    let (ends, multiplier) = (Ends::new(s, scores.zero_point), s.splat(scores.multiplier));
    let mut best = s.splat(-256.0);
    for (key, &term) in scores.terms.iter().enumerate() {
        let at = &mut products[key * columns..];
        let score = ends.nearest(s, s.mul(s.add(s.load(at), s.splat(term)), multiplier));
        best = s.max(score, best);
        s.store(at, score);
    }
    let to_end = s.sub(s.splat(255.0), best);
    let mut total = s.splat(0.0);
    for key in 0..scores.terms.len() {
        let at = &mut products[key * columns..];
        let exponential = s.look_up(scores.exponentials, s.add(s.load(at), to_end));
        total = s.add(total, exponential);
        s.store(at, exponential);
    }
    let inverse = s.div(s.splat(1.0), total);
    let (steps, most, shift) = (s.splat(scores.steps), s.splat(255.0), s.splat(super::ROUNDER - 128.0));
    let mut sum = s.splat(0.0);
    for (step, line) in panel.chunks_exact_mut(PANEL * STEP).enumerate() {
        let mut weights = [total; STEP];
        for (i, weight) in weights.iter_mut().enumerate() {
            let share = s.mul(s.load(&products[(step * STEP + i) * columns..]), steps);
            let rounded = s.min(most, s.round(crate::math::quotient(s, share, total, inverse)));
            sum = s.add(sum, rounded);
            *weight = s.add(rounded, shift);
        }
        let line = &mut line[lane * STEP..][..S::LANES * STEP];
        // SAFETY: as many bytes as four vectors have lanes, just sliced; any byte is an `i8`.
        unsafe { s.store_lowest_bytes_ptr(line.as_mut_ptr().cast(), weights) };
    }
    sum
}
