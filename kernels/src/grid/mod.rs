//! Values on static grids: networks whose activations were rounded to bytes when they were made.
//!
//! A [`Grid`] has one scale and one zero for all values of a layer. Products of such layers are exact sums of bytes
//! ([`pack_integers`](crate::gemm::given::pack_integers)) whose scales make them *steps* of the next grid; the functions
//! here round steps and values to grids: to the nearest, ties to even, ends held. Each single operation is rounded on its
//! own, as `QuantizeLinear` and `DequantizeLinear` around single operations are defined
//! (<https://onnx.ai/onnx/operators/onnx__QuantizeLinear.html>): only so do two implementations give the same bytes. Where
//! the instruction set has no fused products, a last bit may differ in front of the rounding.
//!
//! Steps that are NaN become some byte.

mod attention;
mod requantize;
mod transposed;

pub use attention::{KeysAndValues, Scores, excess, exponentials, put_panel, softmax_panels};
pub use requantize::{Function, requantize, restore, round, settle};
pub use transposed::{Settle, requantize_transposed, settle_transposed};

use crate::arch::simd::Simd;
use crate::math;

/// A byte stands for `(byte - zero_point) * scale`.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Grid {
    /// Distance of two neighbors; positive.
    pub scale: f32,
    /// The byte of value zero.
    pub zero_point: u8,
}

impl Grid {
    /// What a byte stands for.
    pub fn value(self, byte: u8) -> f32 {
        (f32::from(byte) - f32::from(self.zero_point)) * self.scale
    }
}

/// 2^23 and a half of it: added to an integer below 2^22, it leaves that in the lowest bits.
const ROUNDER: f32 = 12_582_912.0;

/// The ends of a grid, as distances from its zero.
#[derive(Clone, Copy)]
struct Ends<F> {
    low: F,
    high: F,
    /// Added to a distance: the byte is the lowest of the sum.
    zero: F,
}

impl<F: Copy> Ends<F> {
    #[inline(always)]
    fn new<S: Simd<F = F>>(s: S, zero_point: u8) -> Self {
        let zero = f32::from(zero_point);
        Ends { low: s.splat(-zero), high: s.splat(255.0 - zero), zero: s.splat(ROUNDER + zero) }
    }

    /// Steps within the ends.
    #[inline(always)]
    fn held<S: Simd<F = F>>(self, s: S, steps: F) -> F {
        s.min(self.high, s.max(self.low, steps))
    }

    /// The nearest whole distance from the zero.
    #[inline(always)]
    fn nearest<S: Simd<F = F>>(self, s: S, steps: F) -> F {
        s.round(self.held(s, steps))
    }

    /// A vector whose lowest bytes are those of whole distances from the zero.
    #[inline(always)]
    fn bytes<S: Simd<F = F>>(self, s: S, nearest: F) -> F {
        s.add(nearest, self.zero)
    }
}

/// From steps of a grid to values on it.
#[derive(Clone, Copy)]
struct Values<F> {
    ends: Ends<F>,
    scale: F,
}

impl<F: Copy> Values<F> {
    #[inline(always)]
    fn new<S: Simd<F = F>>(s: S, grid: Grid) -> Self {
        Values { ends: Ends::new(s, grid.zero_point), scale: s.splat(grid.scale) }
    }

    #[inline(always)]
    fn value<S: Simd<F = F>>(self, s: S, steps: F) -> F {
        s.mul(self.ends.nearest(s, steps), self.scale)
    }
}

/// From values to steps of a grid.
#[derive(Clone, Copy)]
struct Steps<F> {
    ends: Ends<F>,
    scale: F,
    inverse: F,
}

impl<F: Copy> Steps<F> {
    #[inline(always)]
    fn new<S: Simd<F = F>>(s: S, grid: Grid) -> Self {
        let ends = Ends::new(s, grid.zero_point);
        Steps { ends, scale: s.splat(grid.scale), inverse: s.splat(1.0 / grid.scale) }
    }

    /// The nearest whole distance from the zero.
    #[inline(always)]
    fn nearest<S: Simd<F = F>>(self, s: S, value: F) -> F {
        self.ends.nearest(s, math::quotient(s, value, self.scale, self.inverse))
    }

    /// A vector whose lowest bytes are those of the values.
    #[inline(always)]
    fn bytes<S: Simd<F = F>>(self, s: S, value: F) -> F {
        self.ends.bytes(s, self.nearest(s, value))
    }
}
