//! Layer norms and layers as the network holds them.

use super::weights::{LinearWeights, NormWeights};
use crate::formats::packed::{Stored, packed_fields};
use crate::layers::linear::{Linear, Precision};
use voxlane_kernels::norm;
use voxlane_kernels::rows::{Rows, RowsMut};

/// A layer norm with a factor and an offset for each value.
#[derive(Debug)]
pub(super) struct Norm {
    weight: Stored<f32>,
    bias: Stored<f32>,
    epsilon: f32,
}

packed_fields!(Norm { weight, bias, epsilon });

impl Norm {
    pub(super) fn new(weights: &NormWeights) -> Self {
        let NormWeights { weight, bias, epsilon } = weights;
        Norm { weight: weight[..].into(), bias: bias[..].into(), epsilon: *epsilon }
    }

    /// Whether it norms rows of `width` values.
    pub(super) fn has_width(&self, width: usize) -> bool {
        self.weight.len() == width && self.bias.len() == width
    }

    /// Norms each row of `input` into `out`.
    pub(super) fn apply(&self, input: Rows<'_>, out: RowsMut<'_>) {
        norm::layer_norm(input, &self.weight, Some(&self.bias), self.epsilon, out);
    }
}

/// One layer out of `weights`.
pub(super) fn linear(weights: &LinearWeights, precision: Precision) -> Linear {
    Linear::new(&weights.weight, weights.bias.as_deref(), weights.outputs, precision)
}
