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

    /// Whether it norms rows of `width` values by a factor alone.
    pub(crate) fn is_scale(&self, width: usize) -> bool {
        self.bias.is_none() && self.has_width(width)
    }

    /// Whether it norms rows of `width` values by a factor and an offset.
    pub(crate) fn is_affine(&self, width: usize) -> bool {
        self.bias.as_deref().is_some_and(|bias| bias.len() == width) && self.has_width(width)
    }

    fn has_width(&self, width: usize) -> bool {
        self.weight.len() == width && self.epsilon.is_finite() && self.epsilon >= 0.0
    }

    /// Norms each row of `input` into `out`.
    pub(crate) fn apply(&self, input: Rows<'_>, out: RowsMut<'_>) {
        norm::layer_norm(input, &self.weight, self.bias.as_deref(), self.epsilon, out);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_norm_of_one_kind_is_not_taken_for_the_other() {
        let weights =
            |bias: usize| NormWeights { weight: vec![1.0; 3], bias: vec![0.0; bias], epsilon: 1e-5 };
        let (scale, affine) = (Norm::scale(&[1.0; 3], 1e-5), Norm::new(&weights(3)));
        assert!(scale.is_scale(3) && !scale.is_affine(3) && !scale.is_scale(4));
        assert!(affine.is_affine(3) && !affine.is_scale(3) && !affine.is_affine(4));
        assert!(!Norm::new(&weights(2)).is_affine(3));
        assert!(!Norm::scale(&[1.0; 3], f32::NAN).is_scale(3));
    }
}
