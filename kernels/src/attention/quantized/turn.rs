//! Rows of one head to columns, where a lane is a row, and back.

use super::{MAX_HEAD, STEP};
use crate::arch::simd::Simd;
use crate::gemm::PANEL;
use crate::rows::{Rows, RowsMut};

/// `[column][lane]`: as many rows as a vector has lanes, at most [`PANEL`].
pub(super) type Turned = [f32; PANEL * MAX_HEAD];

/// Elements of the largest square that a vector is a side of.
const SQUARE: usize = PANEL * PANEL;

/// Where vectors begin that cover `columns` columns: the last one moved back, so that none reaches over the end, if there are
/// as many columns as a vector has lanes.
#[inline(always)]
pub(super) fn starts<S: Simd>(columns: usize) -> impl Iterator<Item = usize> {
    (0..columns).step_by(S::LANES).map(move |column| column.min(columns.saturating_sub(S::LANES)))
}

/// Writes the first `columns` columns of at most as many rows as there are lanes, with zeros in the lanes that are left, and
/// in the columns up to a multiple of four.
#[inline(always)]
pub(super) fn to_columns<S: Simd>(s: S, rows: Rows<'_>, columns: usize, turned: &mut Turned) {
    assert!(rows.count <= S::LANES && rows.fits(columns) && columns <= MAX_HEAD);
    for column in starts::<S>(columns) {
        let to = &mut turned[column * S::LANES..][..S::LANES * S::LANES];
        if rows.count == S::LANES && columns >= S::LANES {
            s.transpose(&rows.data[column..], rows.stride, to, S::LANES);
        } else {
            let width = S::LANES.min(columns);
            let mut square = [0.0; SQUARE];
            for (i, square) in square.chunks_exact_mut(S::LANES).take(rows.count).enumerate() {
                s.store(square, s.load_partial(&rows.row(i, columns)[column..][..width]));
            }
            s.transpose(&square, S::LANES, to, S::LANES);
        }
    }
    turned[columns * S::LANES..columns.next_multiple_of(STEP) * S::LANES].fill(0.0);
}

/// The largest magnitude in each lane of the first `columns` columns; NaN is larger than all.
#[inline(always)]
pub(super) fn largest_of_columns<S: Simd>(s: S, turned: &Turned, columns: usize) -> S::F {
    let mut largest = s.splat(0.0);
    for column in turned[..columns * S::LANES].chunks_exact(S::LANES) {
        largest = s.larger_magnitude(largest, s.load(column));
    }
    largest
}

/// Writes the first `columns` columns of the first lanes to rows.
#[inline(always)]
pub(super) fn to_rows<S: Simd>(s: S, turned: &Turned, columns: usize, mut rows: RowsMut<'_>) {
    assert!(rows.count <= S::LANES && rows.fits(columns) && columns <= MAX_HEAD);
    for column in starts::<S>(columns) {
        let from = &turned[column * S::LANES..][..S::LANES * S::LANES];
        if rows.count == S::LANES && columns >= S::LANES {
            s.transpose(from, S::LANES, &mut rows.data[column..], rows.stride);
        } else {
            let width = S::LANES.min(columns);
            let mut square = [0.0; SQUARE];
            s.transpose(from, S::LANES, &mut square, S::LANES);
            for (i, square) in square.chunks_exact(S::LANES).take(rows.count).enumerate() {
                s.store_partial(&mut rows.row(i, columns)[column..][..width], s.load(square));
            }
        }
    }
}
