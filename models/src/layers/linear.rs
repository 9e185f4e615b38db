//! A linear layer, packed for the kernels.

pub use super::precision::{Precision, PrecisionError};
use crate::arena::Arena;
use crate::formats::packed::{Stored, packed_fields};
use crate::layers::matrix::{Matrix, Prepared};
use voxlane_kernels::argmax::argmax;
use voxlane_kernels::gemm::{Activation, Epilogue, PANEL};
use voxlane_kernels::projection::Best;
use voxlane_kernels::rows::{Rows, RowsMut};

/// A matrix with an optional bias.
#[derive(Clone, Debug, PartialEq)]
pub struct LinearWeights {
    /// `outputs × inputs`, row-major.
    pub weight: Vec<f32>,
    /// One for each output.
    pub bias: Option<Vec<f32>>,
    /// Rows of the matrix.
    pub outputs: usize,
    /// Columns of the matrix.
    pub inputs: usize,
}

impl LinearWeights {
    /// The layer, packed for the kernels.
    ///
    /// # Panics
    /// If the matrix or the bias does not have the size that is stated.
    pub(crate) fn pack(&self, precision: Precision) -> Linear {
        Linear::new(&self.weight, self.bias.as_deref(), self.outputs, precision)
    }

    /// One layer whose outputs are those of `parts`, one after the other. The parts have no bias.
    pub(crate) fn pack_stacked(parts: &[LinearWeights], precision: Precision) -> Linear {
        let weight: Vec<f32> = parts.iter().flat_map(|part| &part.weight).copied().collect();
        Linear::new(&weight, None, parts.iter().map(|part| part.outputs).sum(), precision)
    }
}

/// What follows the product, before the result is stored.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Then {
    /// The result replaces the output.
    Store,
    /// The result, through the activation, replaces the output.
    Activate(Activation),
    /// The result is added to what the output holds: a residual connection.
    Add,
}

/// `y = W·x + b` for rows of x. The weights are packed once, in a precision chosen once.
///
/// A row's result does not depend on the other rows in the call.
#[derive(Debug)]
pub struct Linear {
    weight: Matrix,
    bias: Option<Stored<f32>>,
}

packed_fields!(Linear { weight, bias });

impl Linear {
    /// Packs `weight` (`outputs × inputs`, row-major).
    ///
    /// # Panics
    /// If `weight` is not `outputs · inputs` long, or `bias` not `outputs`.
    pub fn new(weight: &[f32], bias: Option<&[f32]>, outputs: usize, precision: Precision) -> Self {
        assert!(bias.is_none_or(|bias| bias.len() == outputs), "a bias has {outputs} values");
        Linear { weight: Matrix::new(weight, outputs, precision), bias: bias.map(Stored::from) }
    }

    /// Values in a row of the result.
    pub fn outputs(&self) -> usize {
        self.weight.outputs()
    }

    /// Whether it makes rows of `outputs` values of rows of `inputs`.
    pub(crate) fn has_shape(&self, outputs: usize, inputs: usize) -> bool {
        let has_bias = self.bias.as_deref().is_none_or(|bias| bias.len() == outputs);
        (self.weight.outputs(), self.weight.inputs()) == (outputs, inputs) && has_bias
    }

    /// Whether it makes rows of `outputs` values of rows of `inputs`, with weights in `precision`.
    pub(crate) fn fits(&self, outputs: usize, inputs: usize, precision: Precision) -> bool {
        self.has_shape(outputs, inputs) && self.is_in(precision)
    }

    /// Whether its weights are in `precision`.
    pub(crate) fn is_in(&self, precision: Precision) -> bool {
        self.weight.is_in(precision)
    }

    /// Writes the weights of one output, as they were rounded.
    ///
    /// # Panics
    /// If there is no such output, or `row` is not as long as a row of inputs.
    pub fn weights(&self, output: usize, row: &mut [f32]) {
        assert_eq!(row.len(), self.weight.inputs(), "a row of weights");
        self.weight.row(output, row);
    }

    /// The output with the largest value for one row of input, none where all are NaN: in blocks, so that the
    /// values never leave the first cache level. Does not allocate; `arena` gives scratch memory.
    #[inline]
    pub(crate) fn best(&self, input: Rows<'_>, arena: &Arena) -> Option<Best> {
        const BLOCK: usize = 48 * PANEL;
        let outputs = self.outputs();
        let mut best: Option<Best> = None;
        let input = self.weight.prepare(input, arena);
        let mut values = [0.0; BLOCK];
        for first in (0..outputs).step_by(BLOCK) {
            let values = &mut values[..BLOCK.min(outputs - first)];
            let bias = self.bias.as_deref().map(|bias| &bias[first..first + values.len()]);
            let epilogue = Epilogue { bias, ..Epilogue::default() };
            self.weight.apply_part(first, values.len(), &input, &epilogue, RowsMut::one(values));
            if let Some(index) = argmax(values)
                && best.is_none_or(|best| values[index] > best.logit)
            {
                best = Some(Best { token: first + index, logit: values[index] });
            }
        }
        best
    }

    /// The lengths of scratch memory, in floats, that [`Linear::apply`] takes at most for `rows` rows of
    /// `inputs` values.
    pub fn scratch_lengths(inputs: usize, rows: usize) -> [usize; 2] {
        Matrix::scratch_lengths(inputs, rows)
    }

    /// Writes one row of results for each row of `input`. Does not allocate; `arena` gives scratch memory.
    #[inline]
    pub fn apply(&self, input: Rows<'_>, then: Then, out: RowsMut<'_>, arena: &Arena) {
        self.apply_prepared(&self.prepare(input, arena), then, out);
    }

    /// `input` as the product takes it, for all layers of this precision that read it. `arena` gives scratch memory.
    #[inline]
    pub(crate) fn prepare<'a>(&self, input: Rows<'a>, arena: &'a Arena) -> Prepared<'a> {
        self.weight.prepare(input, arena)
    }

    /// [`Linear::apply`] to rows that are prepared.
    ///
    /// # Panics
    /// If they were prepared for another precision.
    #[inline]
    pub(crate) fn apply_prepared(&self, input: &Prepared<'_>, then: Then, out: RowsMut<'_>) {
        let (activation, accumulate) = match then {
            Then::Store => (Activation::None, false),
            Then::Activate(activation) => (activation, false),
            Then::Add => (Activation::None, true),
        };
        let epilogue = Epilogue { bias: self.bias.as_deref(), activation, accumulate };
        self.weight.apply_part(0, self.outputs(), input, &epilogue, out);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_read_back_and_what_is_not_offered_says_why() {
        for precision in Precision::ALL {
            assert_eq!(precision.name().parse(), Ok(precision));
        }
        for (name, reason) in [("int4", "word error rate"), ("bf16", "hardly faster")] {
            let refused = name.parse::<Precision>().unwrap_err();
            assert!(refused.to_string().contains(reason), "{refused}");
        }
        assert!("int7".parse::<Precision>().unwrap_err().to_string().contains("int7"));
    }
}
