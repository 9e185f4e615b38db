//! A layer norm whose sums run in eight chains, whatever the instruction set.

use super::Affine;
use crate::arch::dispatch::instruction_sets;
use crate::arch::simd::Simd;
use crate::rows::{Rows, RowsMut};

/// Sums of a row that run beside each other.
const EIGHT: usize = 8;

instruction_sets! {
    /// [`layer_norm`](super::layer_norm) in the one order of operations that onnxruntime has on x86 (its AVX2 kernel, two
    /// passes): the mean from a sum in `f64`, the squared distances from it in eight chains of fused products, which are
    /// halved onto each other; then `(x - mean) * (1 / sqrt(variance + eps)) * weight + bias`, the last two fused. For networks
    /// that round what follows, where a last bit more or less becomes a whole step. The same bits on every instruction set
    /// that has fused products.
    ///
    /// # Panics
    /// If the numbers of rows differ, a row does not fit its data, or `bias` is not as long as `weight`.
    pub fn layer_norm_in_eights(x: Rows<'_>, weight: &[f32], bias: &[f32], eps: f32, out: RowsMut<'_>) = rows_in_eights;
}

#[inline(always)]
fn rows_in_eights<S: Simd>(s: S, x: Rows<'_>, weight: &[f32], bias: &[f32], eps: f32, mut out: RowsMut<'_>) {
    let width = weight.len();
    assert_eq!(x.count, out.count, "as many rows out as in");
    assert_eq!(bias.len(), width, "one bias per column");
    for r in 0..x.count {
        let row = x.row(r, width);
        let mean = (sum(row) / width as f64) as f32;
        let factor = 1.0 / (squared_distances(s, row, mean) / width as f32 + eps).sqrt();
        scale(s, row, (mean, factor), Affine { weight, bias: Some(bias) }, out.row(r, width));
    }
}

/// The sum, whose order is below what `f32` can tell apart.
#[inline(always)]
fn sum(x: &[f32]) -> f64 {
    let (groups, rest) = x.as_chunks::<{ 2 * EIGHT }>();
    let mut sums = [0.0; 2 * EIGHT];
    for group in groups {
        for (sum, &x) in sums.iter_mut().zip(group) {
            *sum += f64::from(x);
        }
    }
    sums.iter().sum::<f64>() + rest.iter().map(|&x| f64::from(x)).sum::<f64>()
}

#[inline(always)]
fn squared_distances<S: Simd>(_: S, x: &[f32], mean: f32) -> f32 {
    let (groups, rest) = x.as_chunks::<EIGHT>();
    let mut sums = [0.0f32; EIGHT];
    for group in groups {
        for (sum, &x) in sums.iter_mut().zip(group) {
            let distance = x - mean;
            *sum = if S::FUSES { distance.mul_add(distance, *sum) } else { distance * distance + *sum };
        }
    }
    let [a, b, c, d, e, f, g, h] = sums;
    let mut sum = ((a + e) + (c + g)) + ((b + f) + (d + h));
    for &x in rest {
        let distance = x - mean;
        sum += distance * distance;
    }
    sum
}

#[inline(always)]
fn scale<S: Simd>(s: S, x: &[f32], (mean, factor): (f32, f32), affine: Affine<'_>, out: &mut [f32]) {
    let Affine { weight, bias: Some(bias) } = affine else { return };
    let (mean, factor) = (s.splat(mean), s.splat(factor));
    let whole = x.len() - x.len() % S::LANES;
    for i in (0..whole).step_by(S::LANES) {
        let x = s.mul(s.sub(s.load(&x[i..]), mean), factor);
        s.store(&mut out[i..], s.mul_add(x, s.load(&weight[i..]), s.load(&bias[i..])));
    }
    if whole < x.len() {
        let x = s.mul(s.sub(s.load_partial(&x[whole..]), mean), factor);
        let y = s.mul_add(x, s.load_partial(&weight[whole..]), s.load_partial(&bias[whole..]));
        s.store_partial(&mut out[whole..], y);
    }
}
