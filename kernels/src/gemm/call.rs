//! A checked call of a product.

use super::drive::Output;
use super::epilogue::Epilogue;
use crate::rows::{Rows, RowsMut};

/// The rows that a product reads.
pub(super) trait Inputs {
    /// How many rows.
    fn count(&self) -> usize;
    /// # Panics
    /// If a row does not hold `inputs` values.
    fn check(&self, inputs: usize);
}

impl Inputs for Rows<'_> {
    fn count(&self) -> usize {
        self.count
    }
    fn check(&self, inputs: usize) {
        assert!(self.fits(inputs), "an input row lies outside its slice");
    }
}

/// Packed weights, whose lengths were checked when the view of them was made.
pub(super) trait Weights {
    /// Rows of the weight matrix.
    fn outputs(&self) -> usize;
    /// Columns of the weight matrix.
    fn inputs(&self) -> usize;
}

/// Rows, weights and an output that fit each other: only [`Call::new`] makes one.
pub(super) struct Call<'a, A, W> {
    a: A,
    w: W,
    output: Output<'a>,
}

impl<'a, A: Inputs, W: Weights> Call<'a, A, W> {
    /// # Panics
    /// If the row counts differ, the rows do not hold the weights' inputs, output rows overlap or lie outside their slice,
    /// or the bias does not have one value for each output.
    pub(super) fn new(a: A, w: W, epilogue: &Epilogue<'a>, out: RowsMut<'a>) -> Self {
        let outputs = w.outputs();
        assert_eq!(a.count(), out.count, "as many output rows as input rows");
        a.check(w.inputs());
        assert!(out.fits(outputs), "output rows overlap or lie outside their slice");
        let finish = epilogue.resolve(outputs);
        let RowsMut { data, stride, count: rows } = out;
        Self { a, w, output: Output { data: data.as_mut_ptr(), stride, rows, outputs, finish } }
    }

    /// What was checked.
    pub(super) fn parts(self) -> (A, W, Output<'a>) {
        (self.a, self.w, self.output)
    }
}
