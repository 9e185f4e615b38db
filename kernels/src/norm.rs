//! Normalization of rows, and the running sums of a normalization over time.

use crate::rows::{Rows, RowsMut};
use crate::simd::{Simd, instruction_sets};
use crate::table::Table;

/// What [`layer_norm`] scales and shifts by; the width of a row is the length of `weight`.
#[derive(Clone, Copy, Debug)]
pub struct Affine<'a> {
    /// One factor per column.
    pub weight: &'a [f32],
    /// One addend per column, if any.
    pub bias: Option<&'a [f32]>,
}

/// Layer norm of each row: `out = (x - mean) / sqrt(variance + eps) * weight + bias`, the variance being that
/// of the population (Ba, Kiros and Hinton 2016, <https://arxiv.org/abs/1607.06450>).
///
/// `x` and `out` have rows of `weight.len()` elements. Two passes over each row, so that a large mean costs
/// no accuracy.
///
/// # Panics
/// If the numbers of rows differ, a row does not fit its data, or `bias` is not as long as `weight`.
pub fn layer_norm(x: Rows<'_>, weight: &[f32], bias: Option<&[f32]>, eps: f32, out: RowsMut<'_>) {
    (Table::active().layer_norm)(x, Affine { weight, bias }, eps, out);
}

/// The sum and the sum of squares of `x`, added in `f64` over blocks of a few vectors, so that the sums of
/// pieces add up to those of the whole to about `f32` precision whatever the pieces.
pub fn moments(x: &[f32]) -> (f64, f64) {
    (Table::active().moments)(x)
}

instruction_sets! {
    layer_norm = layer_norm_rows(x: Rows<'_>, affine: Affine<'_>, eps: f32, out: RowsMut<'_>);
    moments = sums(x: &[f32]) -> (f64, f64);
}

#[inline(always)]
fn layer_norm_rows<S: Simd>(s: S, x: Rows<'_>, affine: Affine<'_>, eps: f32, mut out: RowsMut<'_>) {
    let width = affine.weight.len();
    assert_eq!(x.count, out.count, "as many rows out as in");
    assert!(affine.bias.is_none_or(|bias| bias.len() == width), "one bias per column");
    for r in 0..x.count {
        layer_norm_row(s, x.row(r, width), affine, eps, out.row(r, width));
    }
}

#[inline(always)]
fn layer_norm_row<S: Simd>(s: S, x: &[f32], affine: Affine<'_>, eps: f32, out: &mut [f32]) {
    let width = x.len();
    let whole = width - width % S::LANES;
    let inverse = 1.0 / width as f32;

    let mut total = s.splat(0.0);
    for i in (0..whole).step_by(S::LANES) {
        total = s.add(total, s.load(&x[i..]));
    }
    total = s.add(total, s.load_partial(&x[whole..]));
    let mean = s.splat(s.sum(total) * inverse);

    let mut squares = s.splat(0.0);
    for i in (0..whole).step_by(S::LANES) {
        let d = s.sub(s.load(&x[i..]), mean);
        squares = s.mul_add(d, d, squares);
    }
    let tail = &x[whole..];
    let d = s.select(s.first(tail.len()), s.sub(s.load_partial(tail), mean), s.splat(0.0));
    squares = s.mul_add(d, d, squares);
    let factor = s.splat(1.0 / (s.sum(squares) * inverse + eps).sqrt());

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
        let centred = s.mul(s.sub(s.load_partial(tail), mean), factor);
        let scaled = s.mul(centred, s.load_partial(&weight[whole..]));
        let y = match bias {
            Some(bias) => s.add(scaled, s.load_partial(&bias[whole..])),
            None => scaled,
        };
        s.store_partial(&mut out[whole..], y);
    }
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
