//! Sample and number formats.
//!
//! Half-precision numbers are carried as their bits (`u16`): bfloat16 is the upper half of an `f32`, binary16 is
//! IEEE 754's. Rounding is to nearest, ties to even; NaN stays NaN.

use crate::simd::{Simd, instruction_sets};
use crate::table::Table;

/// What [`i16_to_f32`] divides by, so that full scale is -1 to just below 1.
pub const I16_SCALE: f32 = 32768.0;

/// `out = x / 32768`.
///
/// # Panics
/// If the lengths differ; so do all functions here.
pub fn i16_to_f32(x: &[i16], out: &mut [f32]) {
    (Table::active().i16_to_f32)(x, out);
}

/// `out = x * 32768`, rounded, held within the range of `i16`; NaN becomes 0.
///
/// # Panics
/// If the lengths differ.
pub fn f32_to_i16(x: &[f32], out: &mut [i16]) {
    (Table::active().f32_to_i16)(x, out);
}

/// From bfloat16; exact.
///
/// # Panics
/// If the lengths differ.
pub fn bf16_to_f32(x: &[u16], out: &mut [f32]) {
    (Table::active().bf16_to_f32)(x, out);
}

/// To bfloat16.
///
/// # Panics
/// If the lengths differ.
pub fn f32_to_bf16(x: &[f32], out: &mut [u16]) {
    (Table::active().f32_to_bf16)(x, out);
}

/// From binary16; exact.
///
/// # Panics
/// If the lengths differ.
pub fn f16_to_f32(x: &[u16], out: &mut [f32]) {
    (Table::active().f16_to_f32)(x, out);
}

/// To binary16; what is too large becomes infinite.
///
/// # Panics
/// If the lengths differ.
pub fn f32_to_f16(x: &[f32], out: &mut [u16]) {
    (Table::active().f32_to_f16)(x, out);
}

instruction_sets! {
    i16_to_f32 = samples_to_f32(x: &[i16], out: &mut [f32]);
    f32_to_i16 = f32_to_samples(x: &[f32], out: &mut [i16]);
    bf16_to_f32 = widen_bf16(x: &[u16], out: &mut [f32]);
    f32_to_bf16 = narrow_bf16(x: &[f32], out: &mut [u16]);
    f16_to_f32 = widen_f16(x: &[u16], out: &mut [f32]);
    f32_to_f16 = narrow_f16(x: &[f32], out: &mut [u16]);
}

/// A plain loop, which the compiler makes vectors of: measured, it is as fast as written-out vectors.
macro_rules! plain_loop {
    ($($(#[$doc:meta])* $name:ident: |$x:ident: $from:ty| -> $to:ty { $value:expr })+) => {
        $($(#[$doc])*
        #[inline(always)]
        fn $name<S: Simd>(_: S, x: &[$from], out: &mut [$to]) {
            assert_eq!(x.len(), out.len(), "as many out as in");
            for (&$x, out) in x.iter().zip(out) {
                *out = $value;
            }
        })+
    };
}

plain_loop! {
    samples_to_f32: |x: i16| -> f32 { f32::from(x) * (1.0 / I16_SCALE) }
    f32_to_samples: |x: f32| -> i16 {{
        // 1.5 * 2^23 added and taken away rounds to the nearest integer without a call into the C library.
        const MAGIC: f32 = 12_582_912.0;
        let scaled = (x * I16_SCALE).clamp(-I16_SCALE, I16_SCALE - 1.0);
        ((scaled + MAGIC) - MAGIC) as i16
    }}
    widen_bf16: |x: u16| -> f32 { f32::from_bits(u32::from(x) << 16) }
    narrow_bf16: |x: f32| -> u16 {{
        let bits = x.to_bits();
        // Rounding up by just under half, or by half where the kept part is odd.
        let rounded = bits.wrapping_add(0x7fff + ((bits >> 16) & 1)) >> 16;
        // A NaN keeps its sign and upper bits and becomes quiet, so that rounding cannot make it infinite.
        (if x.is_nan() { (bits >> 16) | 0x40 } else { rounded }) as u16
    }}
}

#[inline(always)]
fn widen_f16<S: Simd>(s: S, x: &[u16], out: &mut [f32]) {
    assert_eq!(x.len(), out.len(), "as many out as in");
    let whole = x.len() - x.len() % S::LANES;
    for i in (0..whole).step_by(S::LANES) {
        // SAFETY: a whole vector is left.
        let v = unsafe { s.load_f16_ptr(x[i..].as_ptr()) };
        s.store(&mut out[i..], v);
    }
    let mut tail = [0u16; 16];
    tail[..x.len() - whole].copy_from_slice(&x[whole..]);
    // SAFETY: no vector is longer than the buffer.
    let v = unsafe { s.load_f16_ptr(tail.as_ptr()) };
    s.store_partial(&mut out[whole..], v);
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
