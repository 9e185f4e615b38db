//! Rotary position embedding (Su et al. 2021, <https://arxiv.org/abs/2104.09864>).

use crate::arch::dispatch::instruction_sets;
use crate::arch::simd::Simd;
use crate::rows::RowsMut;

/// Cosines and sines of positions, `[position][rotary_dim / 2]` each.
#[derive(Clone, Copy, Debug)]
pub struct Rotation<'a> {
    /// Cosine of each pair's angle.
    pub cos: &'a [f32],
    /// Sine of each pair's angle.
    pub sin: &'a [f32],
    /// How many elements of each head are rotated, the first ones; even.
    pub rotary_dim: usize,
}

/// Fills the table of [`Rotation`]: pair `p` of position `t` turns by `t / theta^(2p / rotary_dim)`, computed
/// in `f64`. `cos` and `sin` hold a whole number of positions, from 0 on.
///
/// # Panics
/// If `rotary_dim` is odd or zero, or the lengths differ.
pub fn fill(cos: &mut [f32], sin: &mut [f32], rotary_dim: usize, theta: f64) {
    assert!(rotary_dim > 0 && rotary_dim.is_multiple_of(2), "pairs of elements are rotated");
    assert_eq!(cos.len(), sin.len(), "as many cosines as sines");
    let pairs = rotary_dim / 2;
    for (i, (c, s)) in cos.iter_mut().zip(sin.iter_mut()).enumerate() {
        let (position, pair) = (i / pairs, i % pairs);
        let angle = position as f64 * theta.powf(-2.0 * pair as f64 / rotary_dim as f64);
        (*c, *s) = (angle.cos() as f32, angle.sin() as f32);
    }
}

instruction_sets! {
    /// Rotates the heads of each row in place; row `r` is at position `first + r`. A row holds `heads` heads of
    /// `head_dim`; the pairs are elements `2p` and `2p + 1` of a head's first `rotary_dim`:
    /// `(a cos - b sin, b cos + a sin)`.
    ///
    /// # Panics
    /// If a row does not fit its data, a position is not in the table, or `rotary_dim` is odd or exceeds `head_dim`.
    pub fn apply_interleaved(
        x: RowsMut<'_>,
        first: usize,
        heads: usize,
        head_dim: usize,
        rotation: Rotation<'_>,
    ) = rotate_rows;
}

#[inline(always)]
fn rotate_rows<S: Simd>(
    _: S,
    mut x: RowsMut<'_>,
    first: usize,
    heads: usize,
    head_dim: usize,
    rotation: Rotation<'_>,
) {
    let rotary_dim = rotation.rotary_dim;
    assert!(rotary_dim.is_multiple_of(2) && rotary_dim <= head_dim, "pairs within a head are rotated");
    let pairs = rotary_dim / 2;
    for r in 0..x.count {
        let cos = &rotation.cos[(first + r) * pairs..][..pairs];
        let sin = &rotation.sin[(first + r) * pairs..][..pairs];
        let row = x.row(r, heads * head_dim);
        // Plain Rust: the compiler turns this loop into permutes and fused products.
        for head in row.chunks_exact_mut(head_dim) {
            for ((pair, &c), &s) in head[..rotary_dim].chunks_exact_mut(2).zip(cos).zip(sin) {
                let (a, b) = (pair[0], pair[1]);
                pair[0] = a * c - b * s;
                pair[1] = b * c + a * s;
            }
        }
    }
}
