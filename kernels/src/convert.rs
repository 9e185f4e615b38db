//! Sample and number formats.
//!
//! Half-precision numbers are carried as their bits (`u16`): bfloat16 is the upper half of an `f32`, binary16 is
//! IEEE 754's. Rounding is to nearest, ties to even; NaN stays NaN.

use crate::arch::dispatch::instruction_sets;
use crate::arch::simd::Simd;

/// What [`i16_to_f32`] divides by, so that full scale is -1 to just below 1.
pub const I16_SCALE: f32 = 32768.0;

instruction_sets! {
    /// `out = x / 32768`.
    ///
    /// # Panics
    /// If the lengths differ; so do all functions here.
    pub fn i16_to_f32(x: &[i16], out: &mut [f32]) = samples_to_f32;

    /// `out = x * 32768`, rounded, held within the range of `i16`; NaN becomes 0.
    ///
    /// # Panics
    /// If the lengths differ.
    pub fn f32_to_i16(x: &[f32], out: &mut [i16]) = f32_to_samples;

    /// To binary16; what is too large becomes infinite.
    ///
    /// # Panics
    /// If the lengths differ.
    pub fn f32_to_f16(x: &[f32], out: &mut [u16]) = narrow_f16;
}

/// A plain loop, which the compiler makes vectors of: measured, it is as fast as written-out vectors.
#[inline(always)]
fn samples_to_f32<S: Simd>(_: S, x: &[i16], out: &mut [f32]) {
    assert_eq!(x.len(), out.len(), "as many out as in");
    for (&x, out) in x.iter().zip(out) {
        *out = f32::from(x) * (1.0 / I16_SCALE);
    }
}

/// As [`samples_to_f32`], a plain loop.
#[inline(always)]
fn f32_to_samples<S: Simd>(_: S, x: &[f32], out: &mut [i16]) {
    // 1.5 * 2^23 added and taken away rounds to the nearest integer without a call into the C library.
    const MAGIC: f32 = 12_582_912.0;
    assert_eq!(x.len(), out.len(), "as many out as in");
    for (&x, out) in x.iter().zip(out) {
        let scaled = (x * I16_SCALE).clamp(-I16_SCALE, I16_SCALE - 1.0);
        *out = ((scaled + MAGIC) - MAGIC) as i16;
    }
}

#[inline(always)]
fn narrow_f16<S: Simd>(s: S, x: &[f32], out: &mut [u16]) {
    assert_eq!(x.len(), out.len(), "as many out as in");
    let whole = x.len() - x.len() % S::LANES;
    for i in (0..whole).step_by(S::LANES) {
        // SAFETY: a whole vector is left, and `out` is as long as `x`.
        unsafe { s.store_f16_ptr(out[i..].as_mut_ptr(), s.load(&x[i..])) };
    }
    let mut tail = [0u16; 16];
    // SAFETY: no vector is longer than the buffer.
    unsafe { s.store_f16_ptr(tail.as_mut_ptr(), s.load_partial(&x[whole..])) };
    out[whole..].copy_from_slice(&tail[..x.len() - whole]);
}
