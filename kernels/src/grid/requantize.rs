//! From one grid to the next, row by row.

use super::{Ends, Grid, Steps, Values};
use crate::arch::dispatch::instruction_sets;
use crate::arch::simd::Simd;
use crate::math::{Gelu, GeluInSteps, TanhInSteps, Unary};
use crate::rows::{Rows, RowsMut};

/// What is done with a value between two grids.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Function {
    /// Nothing.
    None,
    /// The product with a number.
    Times(f32),
    /// `x * (0.5 * (erf(x / sqrt(2)) + 1))`, rounded after each step.
    Gelu,
    /// Hyperbolic tangent.
    Tanh,
}

instruction_sets! {
    /// Rounds values to a grid.
    ///
    /// # Panics
    /// If the lengths differ.
    pub fn round(x: &[f32], grid: Grid, out: &mut [u8]) = round_all;

    /// Rounds steps of a grid to its bytes.
    ///
    /// # Panics
    /// If the lengths differ.
    pub fn settle(steps: &[f32], zero_point: u8, out: &mut [u8]) = settle_all;

    /// Rounds rows of steps of the grid `from`, adds the bias of each column to their values, applies the function and
    /// rounds to the grid `to`. Rows are as wide as `out` has bytes for each; those of `out` lie side by side.
    ///
    /// # Panics
    /// If `out` is not a whole number of bytes for each row, a row lies outside its data, or the bias has another width.
    pub fn requantize(
        steps: Rows<'_>, from: Grid, bias: Option<&[f32]>, function: Function, to: Grid, out: &mut [u8],
    ) = requantize_rows;

    /// `out += function(value + bias)`, the values those of rows of steps of the grid `from`, rounded to it: steps become
    /// values that floats follow. Rows are `width` values wide.
    ///
    /// # Panics
    /// If the numbers of rows differ, a row lies outside its data, or the bias has another width.
    pub fn restore(
        steps: Rows<'_>, from: Grid, bias: Option<&[f32]>, function: Function, width: usize, out: RowsMut<'_>,
    ) = restore_rows;
}

/// A function between two grids.
trait Between: Unary {
    /// A vector whose lowest bytes are those of the function's values.
    #[inline(always)]
    fn bytes<S: Simd>(self, s: S, x: S::F, to: Steps<S::F>) -> S::F {
        to.bytes(s, self.apply(s, x))
    }
}

impl Between for Times {}
impl Between for Same {}
impl Between for TanhInSteps {}

impl Between for GeluInSteps {
    /// First by a formula that is faster and off by far less than a thousandth of a step on any grid that is not finer than
    /// this function: only where a value comes that close to the middle between two bytes does its last bit matter.
    #[inline(always)]
    fn bytes<S: Simd>(self, s: S, x: S::F, to: Steps<S::F>) -> S::F {
        const CLOSE: f32 = 0.002;
        let near = to.ends.held(s, s.mul(Gelu.apply(s, x), to.inverse));
        let nearest = s.round(near);
        let distance = s.sub(near, nearest);
        let distance = s.max(distance, s.sub(s.splat(0.0), distance));
        if s.any_greater(distance, s.splat(0.5 - CLOSE)) {
            return to.bytes(s, self.apply(s, x));
        }
        to.ends.bytes(s, nearest)
    }
}

/// `x`, times a number.
#[derive(Clone, Copy)]
struct Times(f32);

impl Unary for Times {
    #[inline(always)]
    fn apply<S: Simd>(self, s: S, x: S::F) -> S::F {
        s.mul(x, s.splat(self.0))
    }
}

/// `x` itself.
#[derive(Clone, Copy)]
struct Same;

impl Unary for Same {
    #[inline(always)]
    fn apply<S: Simd>(self, _: S, x: S::F) -> S::F {
        x
    }
}

/// Calls a body with the function as a type.
macro_rules! with_function {
    ($function:expr, |$name:ident| $body:expr) => {
        match $function {
            Function::None => {
                let $name = Same;
                $body
            }
            Function::Times(factor) => {
                let $name = Times(factor);
                $body
            }
            Function::Gelu => {
                let $name = GeluInSteps;
                $body
            }
            Function::Tanh => {
                let $name = TanhInSteps;
                $body
            }
        }
    };
}

#[inline(always)]
fn round_all<S: Simd>(s: S, x: &[f32], grid: Grid, out: &mut [u8]) {
    assert_eq!(x.len(), out.len(), "as many bytes as values");
    let to = Steps::new(s, grid);
    let mut vectors = x.chunks_exact(S::LANES);
    let mut bytes = out.chunks_exact_mut(S::LANES);
    for (vector, bytes) in (&mut vectors).zip(&mut bytes) {
        s.store_bytes(bytes, to.bytes(s, s.load(vector)));
    }
    let rest = to.bytes(s, s.load_partial(vectors.remainder()));
    s.store_bytes(bytes.into_remainder(), rest);
}

#[inline(always)]
fn settle_all<S: Simd>(s: S, steps: &[f32], zero_point: u8, out: &mut [u8]) {
    assert_eq!(steps.len(), out.len(), "as many bytes as steps");
    let ends = Ends::new(s, zero_point);
    let mut vectors = steps.chunks_exact(S::LANES);
    let mut bytes = out.chunks_exact_mut(S::LANES);
    for (vector, bytes) in (&mut vectors).zip(&mut bytes) {
        s.store_bytes(bytes, ends.bytes(s, ends.nearest(s, s.load(vector))));
    }
    let rest = ends.bytes(s, ends.nearest(s, s.load_partial(vectors.remainder())));
    s.store_bytes(bytes.into_remainder(), rest);
}

#[inline(always)]
fn requantize_rows<S: Simd>(
    s: S,
    steps: Rows<'_>,
    from: Grid,
    bias: Option<&[f32]>,
    function: Function,
    to: Grid,
    out: &mut [u8],
) {
    if steps.count == 0 {
        return;
    }
    let width = out.len() / steps.count;
    assert!(width > 0 && out.len() == width * steps.count, "a whole number of bytes for each row");
    assert!(steps.fits(width), "a row of steps lies outside its data");
    assert!(bias.is_none_or(|bias| bias.len() == width), "one bias value for each column");
    let (from, to) = (Values::new(s, from), Steps::new(s, to));
    with_function!(function, |function| {
        for (r, out) in out.chunks_exact_mut(width).enumerate() {
            let row = steps.row(r, width);
            let whole = width - width % S::LANES;
            for i in (0..whole).step_by(S::LANES) {
                let mut value = from.value(s, s.load(&row[i..]));
                if let Some(bias) = bias {
                    value = s.add(value, s.load(&bias[i..]));
                }
                s.store_bytes(&mut out[i..][..S::LANES], function.bytes(s, value, to));
            }
            if whole < width {
                let mut value = from.value(s, s.load_partial(&row[whole..]));
                if let Some(bias) = bias {
                    value = s.add(value, s.load_partial(&bias[whole..]));
                }
                s.store_bytes(&mut out[whole..], function.bytes(s, value, to));
            }
        }
    });
}

#[inline(always)]
fn restore_rows<S: Simd>(
    s: S,
    steps: Rows<'_>,
    from: Grid,
    bias: Option<&[f32]>,
    function: Function,
    width: usize,
    mut out: RowsMut<'_>,
) {
    assert_eq!(steps.count, out.count, "as many rows out as in");
    assert!(steps.fits(width) && out.fits(width), "a row lies outside its data");
    assert!(bias.is_none_or(|bias| bias.len() == width), "one bias value for each column");
    let from = Values::new(s, from);
    with_function!(function, |function| {
        for r in 0..steps.count {
            let (row, out) = (steps.row(r, width), out.row(r, width));
            let whole = width - width % S::LANES;
            for i in (0..whole).step_by(S::LANES) {
                let mut value = from.value(s, s.load(&row[i..]));
                if let Some(bias) = bias {
                    value = s.add(value, s.load(&bias[i..]));
                }
                let sum = s.add(s.load(&out[i..]), function.apply(s, value));
                s.store(&mut out[i..], sum);
            }
            if whole < width {
                let mut value = from.value(s, s.load_partial(&row[whole..]));
                if let Some(bias) = bias {
                    value = s.add(value, s.load_partial(&bias[whole..]));
                }
                let sum = s.add(s.load_partial(&out[whole..]), function.apply(s, value));
                s.store_partial(&mut out[whole..], sum);
            }
        }
    });
}
