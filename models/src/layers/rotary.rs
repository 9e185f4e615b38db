//! Rotary positions: pairs of channels turned by an angle that grows with the position.

use crate::formats::packed::{Stored, packed_fields};
use voxlane_kernels::rope::{Rotation, apply_interleaved};
use voxlane_kernels::rows::RowsMut;

/// Cosines and sines for every position that a segment can have, in encoder or decoder.
pub(crate) struct Rotary {
    cos: Stored<f32>,
    sin: Stored<f32>,
    rotary_dim: usize,
    head_dim: usize,
}

packed_fields!(Rotary { cos, sin, rotary_dim, head_dim });

impl Rotary {
    /// Angles for `positions` positions: see [`rotation`].
    pub(crate) fn new(frequencies: &[f32], head_dim: usize, positions: usize) -> Self {
        let (cos, sin) = rotation(frequencies, positions);
        Rotary { cos: cos[..].into(), sin: sin[..].into(), rotary_dim: 2 * frequencies.len(), head_dim }
    }

    /// Whether it turns `rotary_dim` channels of heads of `head_dim`, at `positions` positions.
    pub(crate) fn is_sound(&self, rotary_dim: usize, head_dim: usize, positions: usize) -> bool {
        let is_of_size = (self.rotary_dim, self.head_dim) == (rotary_dim, head_dim);
        is_of_size && self.cos.len() == self.sin.len() && self.cos.len() >= positions * rotary_dim / 2
    }

    /// Turns each head of the rows, whose first `width` channels hold whole heads. The first row is at
    /// position `first`.
    pub(crate) fn apply(&self, rows: RowsMut<'_>, width: usize, first: usize) {
        let rotation = Rotation { cos: &self.cos, sin: &self.sin, rotary_dim: self.rotary_dim };
        apply_interleaved(rows, first, width / self.head_dim, self.head_dim, rotation);
    }
}

/// Cosines and sines of the angles at the first `positions` positions, one of each for a frequency: pair `i` at
/// position `p` is turned by `p · frequencies[i]` radians.
pub(crate) fn rotation(frequencies: &[f32], positions: usize) -> (Vec<f32>, Vec<f32>) {
    // The product in f32, as networks are trained: late positions notice the rounding.
    let angles = || {
        let of_position =
            |position| frequencies.iter().map(move |frequency| f64::from(position as f32 * frequency));
        (0..positions).flat_map(of_position)
    };
    (angles().map(|angle| angle.cos() as f32).collect(), angles().map(|angle| angle.sin() as f32).collect())
}
