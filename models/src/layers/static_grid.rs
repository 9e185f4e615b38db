//! Layers of networks whose inputs and outputs were rounded to static grids: exact sums of bytes.

use crate::buffer::Buffer;
use thiserror::Error;
use voxlane_kernels::gemm::given::{IntegerWeights, pack_integers};
use voxlane_kernels::gemm::i8::{self, Packed, PackedMut, QuantizedRows, packed_len, scales_len};
use voxlane_kernels::gemm::{Epilogue, integer::MAX_INPUTS};
pub use voxlane_kernels::grid::Grid;
use voxlane_kernels::rows::RowsMut;

/// A matrix of signed bytes between two grids.
#[derive(Clone, Debug, PartialEq)]
pub struct GridWeights {
    /// `outputs × inputs`, row-major.
    pub weight: Vec<i8>,
    /// One for each output: what its weights are multiplied by.
    pub scales: Vec<f32>,
    /// One for each output, in units of the input's scale times the output's own: added to the exact sum.
    pub bias: Option<Vec<i32>>,
    /// Columns of the matrix.
    pub inputs: usize,
    /// What its inputs are rounded to.
    pub from: Grid,
    /// What its results are rounded to.
    pub to: Grid,
}

/// Why a matrix cannot be used.
#[derive(Clone, Debug, PartialEq, Error)]
pub enum GridError {
    /// Arrays that do not fit each other, or the network.
    #[error("{what}: wrong length (expected {expected}, found {found})")]
    Length {
        /// Of what.
        what: &'static str,
        /// By the other sizes.
        expected: usize,
        /// In the weights.
        found: usize,
    },
    /// More inputs than sums have room for.
    #[error("inputs: too many (expected at most {MAX_INPUTS}, found {0})")]
    Inputs(usize),
    /// A scale that is no positive number, or gives none together with the others.
    #[error("scale: not usable (found {0})")]
    Scale(f32),
}

impl GridWeights {
    /// Whether it makes rows of `outputs` bytes of rows of `inputs`, with usable scales.
    ///
    /// # Errors
    /// What does not fit.
    pub fn check(&self, outputs: usize, inputs: usize) -> Result<(), GridError> {
        let same = |what, expected, found| {
            if expected == found { Ok(()) } else { Err(GridError::Length { what, expected, found }) }
        };
        same("inputs", inputs, self.inputs)?;
        if inputs > MAX_INPUTS {
            return Err(GridError::Inputs(inputs));
        }
        same("scales", outputs, self.scales.len())?;
        let weights = outputs.checked_mul(inputs).ok_or(GridError::Inputs(inputs))?;
        same("weights", weights, self.weight.len())?;
        same("bias", outputs, self.bias.as_ref().map_or(outputs, Vec::len))?;
        check_grid(self.from)?;
        check_grid(self.to)?;
        match self.scales.iter().find(|&&scale| !is_usable(self.steps(scale))) {
            Some(&scale) => Err(GridError::Scale(scale)),
            None => Ok(()),
        }
    }

    /// How many steps of the output's grid a sum of one is, rounded as other programs round it.
    fn steps(&self, scale: f32) -> f32 {
        self.from.scale * scale / self.to.scale
    }

    /// The layer, packed for the kernels.
    ///
    /// # Panics
    /// If [`check`](GridWeights::check) fails for its own sizes.
    pub(crate) fn pack(&self) -> GridLinear {
        let (outputs, inputs) = (self.scales.len(), self.inputs);
        let mut layer = GridLinear {
            panels: Buffer::zeros(packed_len(outputs, inputs)),
            scales: Buffer::zeros(scales_len(outputs)),
            corrections: Buffer::zeros(scales_len(outputs)),
            starts: Buffer::zeros(scales_len(outputs)),
            outputs,
            inputs,
            to: self.to,
        };
        let mut packed = PackedMut {
            panels: &mut layer.panels,
            scales: &mut layer.scales,
            corrections: &mut layer.corrections,
        };
        let scales: Vec<f32> = self.scales.iter().map(|&scale| self.steps(scale)).collect();
        let weights = IntegerWeights {
            weights: &self.weight,
            scales: &scales,
            bias: self.bias.as_deref(),
            zero_point: self.from.zero_point,
        };
        pack_integers(weights, inputs, &mut packed, &mut layer.starts);
        layer
    }
}

/// Whether a grid's scale is a positive number whose inverse is one too.
///
/// # Errors
/// [`GridError::Scale`] where it is not.
pub fn check_grid(grid: Grid) -> Result<(), GridError> {
    if is_usable(grid.scale) && is_usable(1.0 / grid.scale) {
        Ok(())
    } else {
        Err(GridError::Scale(grid.scale))
    }
}

fn is_usable(scale: f32) -> bool {
    scale.is_normal() && scale > 0.0
}

/// A matrix between two grids, packed once. A row's result does not depend on the other rows of a call.
#[derive(Debug)]
pub(crate) struct GridLinear {
    panels: Buffer<i8>,
    scales: Buffer,
    corrections: Buffer<i32>,
    starts: Buffer<i32>,
    outputs: usize,
    inputs: usize,
    to: Grid,
}

impl GridLinear {
    /// Values in a row of the result.
    pub(crate) fn outputs(&self) -> usize {
        self.outputs
    }

    /// Bytes of a row of inputs.
    pub(crate) fn inputs(&self) -> usize {
        self.inputs
    }

    /// What the results are steps of.
    pub(crate) fn to(&self) -> Grid {
        self.to
    }

    /// Writes the results of each row of bytes as steps of the output's grid, not yet rounded. Does not allocate.
    pub(crate) fn apply(&self, rows: &QuantizedRows<'_>, out: RowsMut<'_>) {
        i8::gemm(rows, &self.packed(), &Epilogue::default(), out);
    }

    fn packed(&self) -> Packed<'_> {
        Packed::new(&self.panels, &self.scales, &self.corrections, self.outputs, self.inputs)
            .with_starts(&self.starts)
    }
}
