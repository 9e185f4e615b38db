//! From one grid to the next, rows becoming columns.

use super::{Ends, Grid, Steps, Values};
use crate::arch::dispatch::instruction_sets;
use crate::arch::simd::Simd;
use crate::rows::Rows;

/// The most lanes of any instruction set, squared.
const MOST: usize = 16 * 16;

/// Exact sums on their way to a grid.
#[derive(Clone, Copy, Debug)]
pub struct Settle<'a> {
    /// One for each row, added to its sums.
    pub terms: &'a [f32],
    /// What makes steps of the grid of sums.
    pub multiplier: f32,
    /// The byte of the grid's zero.
    pub zero_point: u8,
}

instruction_sets! {
    /// Rounds rows of steps of the grid `from`, adds the bias of each column to their values, rounds to the grid `to`, and
    /// writes column `c` of the result to `out[c * stride..]`, one byte for each row. There are as many columns as bias
    /// values.
    ///
    /// # Panics
    /// If a row or a column lies outside its data, or columns overlap.
    pub fn requantize_transposed(
        steps: Rows<'_>, from: Grid, bias: &[f32], to: Grid, out: &mut [u8], stride: usize,
    ) = requantize_columns;

    /// Adds the term of each row to its sums, multiplies, rounds the steps to the grid with this zero, and writes column
    /// `c` to `out[c * stride..]`, one byte for each row, for `columns` columns.
    ///
    /// # Panics
    /// If a row or a column lies outside its data, columns overlap, or there is not one term for each row.
    pub fn settle_transposed(
        sums: Rows<'_>, settle: &Settle<'_>, columns: usize, out: &mut [u8], stride: usize,
    ) = settle_columns;
}

/// What is done on either side of a transposition.
trait Turn<S: Simd>: Copy {
    /// A vector of row `r` from column `c` on.
    fn row(self, s: S, r: usize, c: usize) -> S::F;
    /// Its lowest bytes are those of a vector over rows, from row `first` on.
    fn finish(self, s: S, first: usize, v: S::F) -> S::F;
}

#[inline(always)]
fn turn<S: Simd>(s: S, turn: impl Turn<S>, (rows, columns): (usize, usize), out: &mut [u8], stride: usize) {
    let fits = columns == 0 || (columns - 1).checked_mul(stride).is_some_and(|last| last + rows <= out.len());
    assert!(fits && (stride >= rows || columns <= 1), "columns overlap or lie outside their slice");
    let (mut square, mut turned) = ([0.0; MOST], [0.0; MOST]);
    for first in (0..rows).step_by(S::LANES) {
        let count = S::LANES.min(rows - first);
        for column in (0..columns).step_by(S::LANES) {
            for (r, to) in square.chunks_exact_mut(S::LANES).take(count).enumerate() {
                s.store(to, turn.row(s, first + r, column));
            }
            s.transpose(&square, S::LANES, &mut turned, S::LANES);
            let vectors = turned.chunks_exact(S::LANES).take(S::LANES.min(columns - column));
            for (c, vector) in (column..).zip(vectors) {
                s.store_bytes(&mut out[c * stride + first..][..count], turn.finish(s, first, s.load(vector)));
            }
        }
    }
}

/// Values with a bias for each column.
#[derive(Clone, Copy)]
struct Biased<'a, F> {
    steps: Rows<'a>,
    bias: &'a [f32],
    from: Values<F>,
    to: Steps<F>,
}

impl<S: Simd> Turn<S> for Biased<'_, S::F> {
    #[inline(always)]
    fn row(self, s: S, r: usize, c: usize) -> S::F {
        let steps = part(s, self.steps.row(r, self.bias.len()), c);
        self.to.nearest(s, s.add(self.from.value(s, steps), part(s, self.bias, c)))
    }

    #[inline(always)]
    fn finish(self, s: S, _: usize, v: S::F) -> S::F {
        self.to.ends.bytes(s, v)
    }
}

#[inline(always)]
fn requantize_columns<S: Simd>(
    s: S,
    steps: Rows<'_>,
    from: Grid,
    bias: &[f32],
    to: Grid,
    out: &mut [u8],
    stride: usize,
) {
    assert!(steps.fits(bias.len()), "a row of steps lies outside its data");
    let biased = Biased { steps, bias, from: Values::new(s, from), to: Steps::new(s, to) };
    turn(s, biased, (steps.count, bias.len()), out, stride);
}

/// Sums with a term for each row.
#[derive(Clone, Copy)]
struct Sums<'a, F> {
    sums: Rows<'a>,
    columns: usize,
    terms: &'a [f32],
    multiplier: F,
    ends: Ends<F>,
}

impl<S: Simd> Turn<S> for Sums<'_, S::F> {
    #[inline(always)]
    fn row(self, s: S, r: usize, c: usize) -> S::F {
        part(s, self.sums.row(r, self.columns), c)
    }

    #[inline(always)]
    fn finish(self, s: S, first: usize, v: S::F) -> S::F {
        let steps = s.mul(s.add(v, part(s, self.terms, first)), self.multiplier);
        self.ends.bytes(s, self.ends.nearest(s, steps))
    }
}

#[inline(always)]
fn settle_columns<S: Simd>(
    s: S,
    sums: Rows<'_>,
    settle: &Settle<'_>,
    columns: usize,
    out: &mut [u8],
    stride: usize,
) {
    let Settle { terms, multiplier, zero_point } = *settle;
    assert!(sums.fits(columns), "a row of sums lies outside its data");
    assert_eq!(terms.len(), sums.count, "one term for each row");
    let sums_of =
        Sums { sums, columns, terms, multiplier: s.splat(multiplier), ends: Ends::new(s, zero_point) };
    turn(s, sums_of, (sums.count, columns), out, stride);
}

/// A vector from `first` on; lanes after the end are zero.
#[inline(always)]
fn part<S: Simd>(s: S, x: &[f32], first: usize) -> S::F {
    let x = &x[first..];
    if x.len() >= S::LANES { s.load(x) } else { s.load_partial(x) }
}
