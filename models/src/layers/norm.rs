//! Layer norms.

use crate::formats::packed::{Stored, packed_fields};
use voxlane_kernels::norm;
use voxlane_kernels::rows::{Rows, RowsMut};

/// A layer norm: `(x - mean) / sqrt(variance + epsilon) * weight + bias`.
#[derive(Clone, Debug, PartialEq)]
pub struct NormWeights {
    /// One for each value.
    pub weight: Vec<f32>,
    /// One for each value.
    pub bias: Vec<f32>,
    /// Added to the variance.
    pub epsilon: f32,
}

/// A layer norm with a factor for each value, and an offset where the network has one.
#[derive(Debug)]
pub(crate) struct Norm {
    weight: Stored<f32>,
    bias: Option<Stored<f32>>,
    epsilon: f32,
}

packed_fields!(Norm { weight, bias, epsilon });

impl Norm {
    /// A norm without offset.
    pub(crate) fn scale(weight: &[f32], epsilon: f32) -> Self {
        Norm { weight: weight.into(), bias: None, epsilon }
    }

    /// A norm with an offset.
    pub(crate) fn new(weights: &NormWeights) -> Self {
        let NormWeights { weight, bias, epsilon } = weights;
        Norm { weight: weight[..].into(), bias: Some(bias[..].into()), epsilon: *epsilon }
    }

    /// Whether it norms rows of `width` values, with a sound epsilon.
    pub(crate) fn is_sound(&self, width: usize) -> bool {
        let has_bias = self.bias.as_deref().is_none_or(|bias| bias.len() == width);
        self.weight.len() == width && has_bias && self.epsilon.is_finite() && self.epsilon >= 0.0
    }

    /// Norms each row of `input` into `out`.
    pub(crate) fn apply(&self, input: Rows<'_>, out: RowsMut<'_>) {
        norm::layer_norm(input, &self.weight, self.bias.as_deref(), self.epsilon, out);
    }
}
