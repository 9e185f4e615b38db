//! A checked call of a product.

use super::drive::Output;
use super::epilogue::Epilogue;
use crate::rows::RowsMut;

/// Arguments whose shapes agree.
pub(super) struct Call<'a, A, W> {
    pub(super) a: A,
    pub(super) w: W,
    pub(super) output: Output<'a>,
}

impl<'a, A, W> Call<'a, A, W> {
    /// `a` with its row count, `w` with its outputs.
    ///
    /// # Panics
    /// If the row counts differ, output rows overlap or lie outside their slice, or the bias does not have
    /// one value for each output.
    pub(super) fn new(
        (a, rows): (A, usize),
        (w, outputs): (W, usize),
        epilogue: &Epilogue<'a>,
        out: RowsMut<'a>,
    ) -> Self {
        assert_eq!(rows, out.count, "as many output rows as input rows");
        assert!(out.fits(outputs), "output rows overlap or lie outside their slice");
        let finish = epilogue.resolve(outputs);
        let RowsMut { data, stride, count: rows } = out;
        Self { a, w, output: Output { data: data.as_mut_ptr(), stride, rows, outputs, finish } }
    }
}
