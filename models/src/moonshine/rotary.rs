//! Rotary positions: pairs of channels turned by an angle that grows with the position.

use super::config::Config;
use super::weights::MoonshineWeights;
use crate::formats::packed::{Stored, packed_fields};
use voxlane_kernels::rope::{Rotation, apply_interleaved};
use voxlane_kernels::rows::RowsMut;

/// Cosines and sines for every position that a segment can have, in encoder or decoder.
pub(super) struct Rotary {
    cos: Stored<f32>,
    sin: Stored<f32>,
    rotary_dim: usize,
    head_dim: usize,
}

packed_fields!(Rotary { cos, sin, rotary_dim, head_dim });

impl Rotary {
    pub(super) fn new(weights: &MoonshineWeights, config: &Config, positions: usize) -> Self {
        let (cos, sin) = weights.rotation(positions);
        let sizes = &config.sizes;
        Rotary {
            cos: cos.as_slice().into(),
            sin: sin.as_slice().into(),
            rotary_dim: sizes.rotary_dim,
            head_dim: sizes.head_dim,
        }
    }

    /// Whether it has the angles of `positions` positions.
    pub(super) fn is_sound(&self, config: &Config, positions: usize) -> bool {
        let sizes = &config.sizes;
        let is_of_size = (self.rotary_dim, self.head_dim) == (sizes.rotary_dim, sizes.head_dim);
        let least = positions * sizes.rotary_dim / 2;
        is_of_size && self.cos.len() == self.sin.len() && self.cos.len() >= least
    }

    /// Turns each head of the rows, whose first `width` channels hold whole heads. The first row is at
    /// position `first`.
    pub(super) fn apply(&self, rows: RowsMut<'_>, width: usize, first: usize) {
        let rotation = Rotation { cos: &self.cos, sin: &self.sin, rotary_dim: self.rotary_dim };
        apply_interleaved(rows, first, width / self.head_dim, self.head_dim, rotation);
    }
}
