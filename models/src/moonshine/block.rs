//! Sub-blocks that encoder and decoder layers are made of.

use super::weights::LinearWeights;
use crate::formats::packed::{Stored, packed_fields};
use crate::layers::linear::{Linear, Precision};
use voxlane_kernels::norm;
use voxlane_kernels::rows::{Rows, RowsMut};

/// A layer norm with a factor for each channel and no offset.
pub(super) struct Norm {
    weight: Stored<f32>,
    epsilon: f32,
}

packed_fields!(Norm { weight, epsilon });

impl Norm {
    pub(super) fn new(weight: &[f32], epsilon: f32) -> Self {
        Norm { weight: weight.into(), epsilon }
    }

    /// Whether it norms rows of `width` values.
    pub(super) fn is_sound(&self, width: usize) -> bool {
        self.weight.len() == width && self.epsilon.is_finite() && self.epsilon >= 0.0
    }

    /// Norms each row of `input` into `out`.
    pub(super) fn apply(&self, input: Rows<'_>, out: RowsMut<'_>) {
        norm::layer_norm(input, &self.weight, None, self.epsilon, out);
    }
}

/// One layer out of `weights`.
pub(super) fn linear(weights: &LinearWeights, precision: Precision) -> Linear {
    Linear::new(&weights.weight, weights.bias.as_deref(), weights.outputs, precision)
}

/// One layer whose outputs are those of `parts`, one after the other. The parts have no bias.
pub(super) fn stacked(parts: &[LinearWeights], precision: Precision) -> Linear {
    let weight: Vec<f32> = parts.iter().flat_map(|part| &part.weight).copied().collect();
    Linear::new(&weight, None, parts.iter().map(|part| part.outputs).sum(), precision)
}
