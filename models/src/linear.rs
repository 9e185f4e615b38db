//! A linear layer, packed for the kernels.

use crate::arena::Arena;
use crate::matrix::{Matrix, Prepared};
use crate::packed::{Packed, PackedError, Reader, Stored, Writer, packed_fields};
use voxlane_kernels::argmax::argmax;
use voxlane_kernels::gemm::{Activation, Epilogue, PANEL};
use voxlane_kernels::projection::Best;
use voxlane_kernels::rows::{Rows, RowsMut};

/// How the weights of a layer are stored and multiplied.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, serde::Deserialize, serde::Serialize)]
#[serde(try_from = "String", into = "&'static str")]
#[non_exhaustive]
pub enum Precision {
    /// 32-bit floats, as trained.
    #[default]
    F32,
    /// Weights rounded to bf16 (8 significant bits), arithmetic in f32: half the bytes.
    Bf16,
    /// 8-bit weights with a scale for each output, inputs rounded to 8 bits with a scale for each row, exact
    /// integer sums: a quarter of the bytes. The best token is still that of the exact output projection.
    Int8,
}

impl Precision {
    /// All of them, the most exact first.
    pub const ALL: [Precision; 3] = [Precision::F32, Precision::Bf16, Precision::Int8];

    /// As configurations spell it.
    pub fn name(self) -> &'static str {
        match self {
            Precision::F32 => "f32",
            Precision::Bf16 => "bf16",
            Precision::Int8 => "int8",
        }
    }
}

/// A word that names no precision, and why.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum PrecisionError {
    /// 4-bit weights are not offered.
    #[error(
        "precision \"int4\" is not offered: with 4-bit weights the word error rate rises by more than the 0.3 \
         points that are allowed (docs/optimization-log.md); take \"int8\""
    )]
    Int4,
    /// Nothing is called that.
    #[error("\"{0}\" is no precision: f32, bf16 or int8")]
    Unknown(String),
}

impl std::str::FromStr for Precision {
    type Err = PrecisionError;

    fn from_str(name: &str) -> Result<Self, PrecisionError> {
        match (Precision::ALL.into_iter().find(|precision| precision.name() == name), name) {
            (Some(precision), _) => Ok(precision),
            (None, "int4") => Err(PrecisionError::Int4),
            (None, _) => Err(PrecisionError::Unknown(name.to_owned())),
        }
    }
}

impl TryFrom<String> for Precision {
    type Error = PrecisionError;

    fn try_from(name: String) -> Result<Self, PrecisionError> {
        name.parse()
    }
}

impl From<Precision> for &'static str {
    fn from(precision: Precision) -> Self {
        precision.name()
    }
}

impl std::fmt::Display for Precision {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.name())
    }
}

impl Packed for Precision {
    fn save(&self, writer: &mut Writer) {
        self.name().to_owned().save(writer);
    }

    fn load(reader: &mut Reader<'_>) -> Result<Self, PackedError> {
        String::load(reader)?.parse().map_err(|_| PackedError::Fields("there is no precision of that name"))
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
    fn names_are_read_back_and_int4_is_refused_with_a_reason() {
        for precision in Precision::ALL {
            assert_eq!(precision.name().parse(), Ok(precision));
        }
        let refused = "int4".parse::<Precision>().unwrap_err();
        assert!(refused.to_string().contains("word error rate"), "{refused}");
        assert!("int7".parse::<Precision>().unwrap_err().to_string().contains("int7"));
    }
}
