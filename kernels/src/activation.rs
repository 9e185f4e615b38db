//! Activation functions, element by element. Each one's error bound is stated in `math.rs` and tested.

use crate::arch::dispatch::instruction_sets;
use crate::arch::simd::Simd;
use crate::math::{Gelu, GeluInSteps, Relu, Sigmoid, Silu, Tanh, Unary};
use crate::rows::{Rows, RowsMut};

instruction_sets! {
    /// Gaussian error linear unit, `x / 2 * (1 + erf(x / sqrt(2)))`: the exact form, not the tanh approximation.
    pub fn gelu(x: &mut [f32]) = map_gelu;

    /// [`gelu`] as a graph of single operations computes it: `x * (0.5 * (erf(x / sqrt(2)) + 1))`, rounded after each.
    pub fn gelu_in_steps(x: &mut [f32]) = map_gelu_in_steps;

    /// `x * sigmoid(x)`.
    pub fn silu(x: &mut [f32]) = map_silu;

    /// Hyperbolic tangent.
    pub fn tanh(x: &mut [f32]) = map_tanh;

    /// Logistic function, `1 / (1 + exp(-x))`.
    pub fn sigmoid(x: &mut [f32]) = map_sigmoid;

    /// `max(x, 0)`; NaN stays NaN.
    pub fn relu(x: &mut [f32]) = map_relu;

    /// A gated unit: `out = silu(gate) * x`.
    ///
    /// # Panics
    /// If the three lengths differ.
    pub fn silu_gate(x: &[f32], gate: &[f32], out: &mut [f32]) = silu_times;

    /// `out = gelu(scale * x + shift)`, with one scale and one shift per column: a normalization by statistics
    /// known before the product, folded into what follows it. Rows are `scale.len()` wide.
    ///
    /// # Panics
    /// If the numbers of rows or of columns differ.
    pub fn gelu_affine(x: Rows<'_>, scale: &[f32], shift: &[f32], out: RowsMut<'_>) = gelu_affine_rows;
}

/// The function on every element.
#[inline(always)]
fn map<S: Simd, U: Unary>(s: S, function: U, x: &mut [f32]) {
    let mut vectors = x.chunks_exact_mut(S::LANES);
    for vector in &mut vectors {
        s.store(vector, function.apply(s, s.load(vector)));
    }
    let tail = vectors.into_remainder();
    s.store_partial(tail, function.apply(s, s.load_partial(tail)));
}

/// Names a function for [`instruction_sets!`].
macro_rules! maps {
    ($($name:ident = $function:ident;)+) => {
        $(#[inline(always)]
        fn $name<S: Simd>(s: S, x: &mut [f32]) {
            map(s, $function, x);
        })+
    };
}
maps! {
    map_gelu = Gelu;
    map_gelu_in_steps = GeluInSteps;
    map_silu = Silu;
    map_tanh = Tanh;
    map_sigmoid = Sigmoid;
    map_relu = Relu;
}

#[inline(always)]
fn silu_times<S: Simd>(s: S, x: &[f32], gate: &[f32], out: &mut [f32]) {
    let width = out.len();
    assert!(x.len() == width && gate.len() == width, "three slices of one length");
    let whole = width - width % S::LANES;
    for i in (0..whole).step_by(S::LANES) {
        let y = s.mul(Silu.apply(s, s.load(&gate[i..])), s.load(&x[i..]));
        s.store(&mut out[i..], y);
    }
    let y = s.mul(Silu.apply(s, s.load_partial(&gate[whole..])), s.load_partial(&x[whole..]));
    s.store_partial(&mut out[whole..], y);
}

#[inline(always)]
fn gelu_affine_rows<S: Simd>(s: S, x: Rows<'_>, scale: &[f32], shift: &[f32], mut out: RowsMut<'_>) {
    let width = scale.len();
    assert_eq!(shift.len(), width, "one shift per column");
    assert_eq!(x.count, out.count, "as many rows out as in");
    let whole = width - width % S::LANES;
    for r in 0..x.count {
        let (from, to) = (x.row(r, width), out.row(r, width));
        for i in (0..whole).step_by(S::LANES) {
            let v = s.mul_add(s.load(&from[i..]), s.load(&scale[i..]), s.load(&shift[i..]));
            s.store(&mut to[i..], Gelu.apply(s, v));
        }
        let (scale, shift) = (s.load_partial(&scale[whole..]), s.load_partial(&shift[whole..]));
        let v = s.mul_add(s.load_partial(&from[whole..]), scale, shift);
        s.store_partial(&mut to[whole..], Gelu.apply(s, v));
    }
}
