//! Rows of 8-bit inputs with a scale of their own, made while running.

use crate::rows::Rows;
use crate::simd::{Simd, instruction_sets};
use crate::table::Table;

/// What an 8-bit input of value zero is stored as: the dot products of x86 take one side unsigned.
pub(crate) const ZERO: i32 = 128;
/// 1.5 · 2^23, which added to a number leaves the rounded number in the lowest bits, and [`ZERO`]. The same everywhere,
/// and a vector's operation even where the instruction set cannot round.
pub(crate) const ROUNDER: f32 = 12_583_040.0;
/// Rows whose largest magnitude is below this count as all zeros, so that no reciprocal overflows.
const SMALLEST: f32 = 1e-30;

/// Rows of 8-bit inputs: value `i` of row `r` stands for `(data[r * stride + i] - 128) * scales[r]`.
#[derive(Clone, Copy, Debug)]
pub struct QuantizedRows<'a> {
    pub(super) data: &'a [u8],
    pub(super) scales: &'a [f32],
    pub(super) inputs: usize,
}

impl<'a> QuantizedRows<'a> {
    /// Number of rows.
    pub fn count(&self) -> usize {
        self.scales.len()
    }

    /// Values of a row, without the padding.
    pub fn inputs(&self) -> usize {
        self.inputs
    }

    /// The stored bytes of row `r` (padding left out) and its scale.
    ///
    /// # Panics
    /// If there is no such row.
    pub fn row(&self, r: usize) -> (&'a [u8], f32) {
        (&self.data[r * row_len(self.inputs)..][..self.inputs], self.scales[r])
    }

    /// Rows `first..first + count`.
    ///
    /// # Panics
    /// If there are not that many rows.
    pub fn range(&self, first: usize, count: usize) -> QuantizedRows<'a> {
        let stride = row_len(self.inputs);
        QuantizedRows {
            data: &self.data[first * stride..][..count * stride],
            scales: &self.scales[first..][..count],
            inputs: self.inputs,
        }
    }
}

/// Bytes that one quantized row of `inputs` values takes, padding included.
pub const fn row_len(inputs: usize) -> usize {
    inputs.next_multiple_of(4)
}

/// Quantizes rows of `inputs` values, each with the scale `max |x| / 127`, rounding to the nearest, ties to
/// even. All instruction sets give the same bytes. A row that holds NaN or an infinity gets the scale NaN, so
/// that its products are NaN too, as they would be in f32. Allocates nothing.
///
/// # Panics
/// If a row lies outside its slice, `data` is shorter than `x.count * row_len(inputs)` or `scales` than
/// `x.count`.
#[inline]
pub fn quantize_rows<'a>(
    x: Rows<'_>,
    inputs: usize,
    data: &'a mut [u8],
    scales: &'a mut [f32],
) -> QuantizedRows<'a> {
    quantize_rows_with(Table::active(), x, inputs, data, scales)
}

/// [`quantize_rows`] on the instruction set of `table`.
///
/// # Panics
/// As [`quantize_rows`].
pub fn quantize_rows_with<'a>(
    table: &Table,
    x: Rows<'_>,
    inputs: usize,
    data: &'a mut [u8],
    scales: &'a mut [f32],
) -> QuantizedRows<'a> {
    assert!(x.fits(inputs), "an input row lies outside its slice");
    let stride = row_len(inputs);
    let data = &mut data[..x.count * stride];
    let scales = &mut scales[..x.count];
    for (r, scale) in scales.iter_mut().enumerate() {
        *scale = (table.gemm.quantize)(x.row(r, inputs), &mut data[r * stride..][..stride]);
    }
    QuantizedRows { data, scales, inputs }
}

/// Quantizes one row into at least as many bytes and returns its scale.
#[inline(always)]
pub(crate) fn quantize_row<S: Simd>(s: S, x: &[f32], out: &mut [u8]) -> f32 {
    let whole = x.len() - x.len() % S::LANES;
    let (mut most, mut least, mut poison) = (s.splat(0.0), s.splat(0.0), s.splat(0.0));
    let mut look = |v: S::F| {
        (most, least) = (s.max(v, most), s.min(v, least));
        // NaN stays NaN, and what is infinite becomes it.
        poison = s.mul_add(v, s.splat(0.0), poison);
    };
    for i in (0..whole).step_by(S::LANES) {
        look(s.load(&x[i..]));
    }
    if whole < x.len() {
        look(s.load_partial(&x[whole..]));
    }
    let magnitude = s.max_lane(s.max(most, s.sub(s.splat(0.0), least)));
    let largest = if s.sum(poison) == 0.0 { magnitude } else { f32::NAN };
    let (factor, scale) = factor_and_scale(largest);
    let (values, padding) = out.split_at_mut(x.len());
    padding.fill(ZERO as u8);
    let factor = s.splat(factor);
    for i in (0..whole).step_by(S::LANES) {
        s.store_bytes(&mut values[i..], rounded(s, s.load(&x[i..]), factor));
    }
    if whole < x.len() {
        s.store_bytes(&mut values[whole..], rounded(s, s.load_partial(&x[whole..]), factor));
    }
    scale
}

/// What values of at most this magnitude are multiplied by, and what the rounded ones are then to be multiplied by.
/// Where it is not finite the scale is NaN; where it is next to nothing both are zero.
#[inline(always)]
pub(crate) fn factor_and_scale(largest: f32) -> (f32, f32) {
    if !largest.is_finite() {
        (0.0, f32::NAN)
    } else if largest < SMALLEST {
        (0.0, 0.0)
    } else {
        (127.0 / largest, largest / 127.0)
    }
}

/// The nearest integers to `value * factor`, ties to even, [`ZERO`] added, as the lowest bytes.
#[inline(always)]
pub(crate) fn rounded<S: Simd>(s: S, value: S::F, factor: S::F) -> S::F {
    // Not fused, so that all instruction sets round alike.
    s.add(s.mul(value, factor), s.splat(ROUNDER))
}

/// `quantize` for one instruction set.
pub(crate) type Function = fn(&[f32], &mut [u8]) -> f32;

instruction_sets! {
    quantize = quantize_row(x: &[f32], out: &mut [u8]) -> f32;
}
