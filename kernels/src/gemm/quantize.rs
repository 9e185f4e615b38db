//! Rows of 8-bit inputs with a scale of their own, made while running.

use super::call::Inputs;
use crate::arch::dispatch::instruction_sets;
use crate::arch::simd::Simd;
use crate::rows::Rows;

/// What an 8-bit input of value zero is stored as: the dot products of x86 take one side unsigned.
pub(crate) const ZERO: i32 = 128;
/// 1.5 · 2^23, which added to a number leaves the rounded number in the lowest bits, and [`ZERO`]. The same everywhere,
/// and a vector's operation even where the instruction set cannot round.
pub(crate) const ROUNDER: f32 = 12_583_040.0;
/// The most lanes of any instruction set.
const MAX_LANES: usize = 16;
/// Rows whose largest magnitude is below this count as all zeros, so that no reciprocal overflows.
const SMALLEST: f32 = 1e-30;

/// Rows of 8-bit inputs: value `i` of row `r` stands for `(data[r * stride + i] - 128) * scales[r]`; for weights of
/// [`pack_integers`](super::given::pack_integers), which know another zero than 128, for the distance from that.
#[derive(Clone, Copy, Debug)]
pub struct QuantizedRows<'a> {
    pub(super) data: &'a [u8],
    pub(super) scales: &'a [f32],
    pub(super) inputs: usize,
    pub(super) stride: usize,
}

impl<'a> QuantizedRows<'a> {
    /// Rows that are rounded already, one for each scale, `stride` bytes apart. They may overlap, as those of a
    /// convolution over channel-last data do. Bytes between the end of a row and its [`row_len`] may be of any value.
    ///
    /// # Panics
    /// If a row of [`row_len`] bytes lies outside `data`.
    pub fn new(data: &'a [u8], scales: &'a [f32], inputs: usize, stride: usize) -> Self {
        let rows = Self { data, scales, inputs, stride };
        assert!(rows.fits(), "an input row lies outside its slice");
        rows
    }

    /// Whether every row lies inside the data.
    fn fits(&self) -> bool {
        let Some(last) = self.count().checked_sub(1) else { return true };
        let end = last.checked_mul(self.stride).and_then(|start| start.checked_add(row_len(self.inputs)));
        end.is_some_and(|end| end <= self.data.len())
    }

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
        (&self.data[r * self.stride..][..self.inputs], self.scales[r])
    }

    /// Rows `first..first + count`.
    ///
    /// # Panics
    /// If there are not that many rows.
    pub fn range(&self, first: usize, count: usize) -> QuantizedRows<'a> {
        let scales = &self.scales[first..][..count];
        QuantizedRows { data: &self.data[(first * self.stride).min(self.data.len())..], scales, ..*self }
    }
}

impl Inputs for QuantizedRows<'_> {
    fn count(&self) -> usize {
        self.count()
    }
    fn check(&self, inputs: usize) {
        assert_eq!(self.inputs, inputs, "as many inputs in the rows as in the weights");
        assert!(self.fits(), "an input row lies outside its slice");
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
    assert!(x.fits(inputs), "an input row lies outside its slice");
    let stride = row_len(inputs);
    let data = &mut data[..x.count * stride];
    let scales = &mut scales[..x.count];
    quantize(x, inputs, data, scales);
    QuantizedRows { data, scales, inputs, stride }
}

/// Quantizes rows into as many rows of [`row_len`] bytes. A few at a time are first all looked at, then all rounded: the
/// rounding of a row would wait for its scale.
#[inline(always)]
fn quantize_groups<S: Simd>(s: S, x: Rows<'_>, inputs: usize, data: &mut [u8], scales: &mut [f32]) {
    const GROUP: usize = 8;
    let stride = row_len(inputs);
    assert!(scales.len() == x.count && data.len() == x.count * stride);
    for (first, scales) in (0..x.count).step_by(GROUP).zip(scales.chunks_mut(GROUP)) {
        let mut factors = [0.0; GROUP];
        for (r, (scale, factor)) in (first..).zip(scales.iter_mut().zip(&mut factors)) {
            (*factor, *scale) = factor_and_scale(largest_of_row(s, x.row(r, inputs)));
        }
        for (r, factor) in (first..).zip(&factors[..scales.len()]) {
            round_row(s, x.row(r, inputs), *factor, &mut data[r * stride..][..stride]);
        }
    }
}

/// The largest magnitude in a row; NaN is larger than all.
#[inline(always)]
fn largest_of_row<S: Simd>(s: S, x: &[f32]) -> f32 {
    let mut largest = s.splat(0.0);
    let mut vectors = x.chunks_exact(S::LANES);
    for vector in &mut vectors {
        largest = s.larger_magnitude(largest, s.load(vector));
    }
    s.largest_magnitude(s.larger_magnitude(largest, s.load_partial(vectors.remainder())))
}

/// Rounds a row to at least as many bytes; what is left of them is zeros.
#[inline(always)]
fn round_row<S: Simd>(s: S, x: &[f32], factor: f32, out: &mut [u8]) {
    let (values, padding) = out.split_at_mut(x.len());
    padding.fill(ZERO as u8);
    let factor = s.splat(factor);
    let mut vectors = x.chunks_exact(S::LANES);
    let mut bytes = values.chunks_exact_mut(S::LANES);
    for (vector, bytes) in (&mut vectors).zip(&mut bytes) {
        s.store_bytes(bytes, rounded(s, s.load(vector), factor));
    }
    s.store_bytes(bytes.into_remainder(), rounded(s, s.load_partial(vectors.remainder()), factor));
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

/// [`factor_and_scale`] of each lane. Writes the scales of as many lanes as `scales` holds, and returns the factors.
#[inline(always)]
pub(crate) fn factors_and_scales<S: Simd>(s: S, largest: S::F, scales: &mut [f32]) -> S::F {
    let is_usual = !s.any_greater(s.splat(SMALLEST), largest) && s.largest_magnitude(largest).is_finite();
    if is_usual && scales.len() >= S::LANES {
        s.store(scales, s.div(largest, s.splat(127.0)));
        return s.div(s.splat(127.0), largest);
    }
    let mut factors = [0.0; MAX_LANES];
    s.store(&mut factors, largest);
    for (factor, scale) in factors.iter_mut().zip(scales) {
        (*factor, *scale) = factor_and_scale(*factor);
    }
    s.load(&factors)
}

/// The nearest integers to `value * factor`, ties to even, [`ZERO`] added, as the lowest bytes.
#[inline(always)]
pub(crate) fn rounded<S: Simd>(s: S, value: S::F, factor: S::F) -> S::F {
    // Not fused, so that all instruction sets round alike.
    s.add(s.mul(value, factor), s.splat(ROUNDER))
}

instruction_sets! {
    fn quantize(x: Rows<'_>, inputs: usize, data: &mut [u8], scales: &mut [f32]) = quantize_groups;
}
