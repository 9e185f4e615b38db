//! Normalization of rows, and the running sums of a normalization over time.

use crate::arch::dispatch::instruction_sets;
use crate::arch::simd::Simd;
use crate::rows::{Rows, RowsMut};

mod eights;

pub use eights::layer_norm_in_eights;

/// Sums of a row that are made at once.
const CHAINS: usize = 4;

/// What [`layer_norm`] scales and shifts by; the width of a row is the length of `weight`.
#[derive(Clone, Copy)]
struct Affine<'a> {
    /// One factor per column.
    weight: &'a [f32],
    /// One addend per column, if any.
    bias: Option<&'a [f32]>,
}

instruction_sets! {
    /// Layer norm of each row: `out = (x - mean) / sqrt(variance + eps) * weight + bias`, the variance being that
    /// of the population (Ba, Kiros and Hinton 2016, <https://arxiv.org/abs/1607.06450>).
    ///
    /// `x` and `out` have rows of `weight.len()` elements. Two passes over each row, so that a large mean costs
    /// no accuracy.
    ///
    /// # Panics
    /// If the numbers of rows differ, a row does not fit its data, or `bias` is not as long as `weight`.
    pub fn layer_norm(x: Rows<'_>, weight: &[f32], bias: Option<&[f32]>, eps: f32, out: RowsMut<'_>) = layer_norm_rows;

    /// The sum and the sum of squares of `x`, added in `f64` over blocks of a few vectors, so that the sums of
    /// pieces add up to those of the whole to about `f32` precision whatever the pieces.
    pub fn moments(x: &[f32]) -> (f64, f64) = sums;
}

#[inline(always)]
fn layer_norm_rows<S: Simd>(
    s: S,
    x: Rows<'_>,
    weight: &[f32],
    bias: Option<&[f32]>,
    eps: f32,
    mut out: RowsMut<'_>,
) {
    let (affine, width) = (Affine { weight, bias }, weight.len());
    assert_eq!(x.count, out.count, "as many rows out as in");
    assert!(affine.bias.is_none_or(|bias| bias.len() == width), "one bias per column");
    // Several rows at a time in each step, as every step of a row waits for the one before.
    const GROUP: usize = 8;
    for first in (0..x.count).step_by(GROUP) {
        let rows = first..x.count.min(first + GROUP);
        let (mut means, mut factors) = ([0.0; GROUP], [0.0; GROUP]);
        for (r, mean) in rows.clone().zip(&mut means) {
            *mean = mean_of_row(s, x.row(r, width));
        }
        for ((r, mean), factor) in rows.clone().zip(means).zip(&mut factors) {
            *factor = factor_of_row(s, x.row(r, width), mean, eps);
        }
        for ((r, mean), factor) in rows.zip(means).zip(factors) {
            scale_row(s, x.row(r, width), (mean, factor), affine, out.row(r, width));
        }
    }
}

#[inline(always)]
fn mean_of_row<S: Simd>(s: S, x: &[f32]) -> f32 {
    let (vectors, tail) = x.split_at(x.len() - x.len() % S::LANES);
    let total = in_chains(s, vectors, |sum, v| s.add(sum, v));
    s.sum(s.add(total, s.load_partial(tail))) * (1.0 / x.len() as f32)
}

/// What makes the variance of a row one.
#[inline(always)]
fn factor_of_row<S: Simd>(s: S, x: &[f32], mean: f32, eps: f32) -> f32 {
    let mean = s.splat(mean);
    let (vectors, tail) = x.split_at(x.len() - x.len() % S::LANES);
    let squares = in_chains(s, vectors, |sum, v| {
        let d = s.sub(v, mean);
        s.mul_add(d, d, sum)
    });
    let d = s.select(s.first(tail.len()), s.sub(s.load_partial(tail), mean), s.splat(0.0));
    1.0 / (s.sum(s.mul_add(d, d, squares)) * (1.0 / x.len() as f32) + eps).sqrt()
}

#[inline(always)]
fn scale_row<S: Simd>(s: S, x: &[f32], (mean, factor): (f32, f32), affine: Affine<'_>, out: &mut [f32]) {
    let (width, mean, factor) = (x.len(), s.splat(mean), s.splat(factor));
    let whole = width - width % S::LANES;
    let (weight, bias) = (&affine.weight[..width], affine.bias);
    for i in (0..whole).step_by(S::LANES) {
        let scaled = s.mul(s.mul(s.sub(s.load(&x[i..]), mean), factor), s.load(&weight[i..]));
        let y = match bias {
            Some(bias) => s.add(scaled, s.load(&bias[i..])),
            None => scaled,
        };
        s.store(&mut out[i..], y);
    }
    if whole < width {
        let centered = s.mul(s.sub(s.load_partial(&x[whole..]), mean), factor);
        let scaled = s.mul(centered, s.load_partial(&weight[whole..]));
        let y = match bias {
            Some(bias) => s.add(scaled, s.load_partial(&bias[whole..])),
            None => scaled,
        };
        s.store_partial(&mut out[whole..], y);
    }
}

/// Adds whole vectors up by `add`, in several sums at once: one would wait for each of its additions.
#[inline(always)]
fn in_chains<S: Simd>(s: S, x: &[f32], add: impl Fn(S::F, S::F) -> S::F) -> S::F {
    let mut sums = [s.splat(0.0); CHAINS];
    let mut groups = x.chunks_exact(CHAINS * S::LANES);
    for group in &mut groups {
        for (sum, vector) in sums.iter_mut().zip(group.chunks_exact(S::LANES)) {
            *sum = add(*sum, s.load(vector));
        }
    }
    for (sum, vector) in sums.iter_mut().zip(groups.remainder().chunks_exact(S::LANES)) {
        *sum = add(*sum, s.load(vector));
    }
    s.add(s.add(sums[0], sums[1]), s.add(sums[2], sums[3]))
}

#[inline(always)]
fn sums<S: Simd>(s: S, x: &[f32]) -> (f64, f64) {
    // Long enough to keep the f64 additions out of the way, short enough for f32 sums to stay exact to
    // a few units in the last place.
    const BLOCK_VECTORS: usize = 16;
    let (mut sum, mut square_sum) = (0.0f64, 0.0f64);
    for block in x.chunks(BLOCK_VECTORS * S::LANES) {
        let (mut total, mut squares) = (s.splat(0.0), s.splat(0.0));
        for vector in block.chunks(S::LANES) {
            let v = s.load_partial(vector);
            total = s.add(total, v);
            squares = s.mul_add(v, v, squares);
        }
        sum += f64::from(s.sum(total));
        square_sum += f64::from(s.sum(squares));
    }
    (sum, square_sum)
}
