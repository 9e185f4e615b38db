//! Vectors of eight in plain arrays.

use super::Scalar;
use crate::arch::half;
use crate::arch::panel::{Panels, TileShape};
use crate::arch::simd::{ROOT_BITS, Simd};

const LANES: usize = 8;

/// Applies an operation to each lane.
macro_rules! lanes {
    (|$i:ident| $value:expr) => {{
        let mut out = [0.0f32; LANES];
        for ($i, lane) in out.iter_mut().enumerate() {
            *lane = $value;
        }
        out
    }};
}

impl Panels for Scalar {
    type Panel = [[f32; LANES]; 2];
    const TILE: TileShape = TileShape { rows: 2, panels: 1, panels_of_few: 1 };
}

impl Simd for Scalar {
    const LANES: usize = LANES;
    // Eight lanes are two registers of most baselines.
    const REGISTERS: usize = 8;
    const FUSES: bool = cfg!(any(target_feature = "fma", target_arch = "aarch64"));
    type F = [f32; LANES];
    type M = [bool; LANES];

    #[inline(always)]
    fn prefetch(self, _from: *const u8) {}
    #[inline(always)]
    fn splat(self, x: f32) -> Self::F {
        [x; LANES]
    }
    #[inline(always)]
    unsafe fn load_ptr(self, from: *const f32) -> Self::F {
        // SAFETY: the caller's promise; an unaligned read needs no alignment.
        unsafe { from.cast::<Self::F>().read_unaligned() }
    }
    #[inline(always)]
    unsafe fn load_masked(self, from: *const f32, mask: Self::M) -> Self::F {
        // SAFETY: the caller's promise: only elements under the mask are read.
        lanes!(|i| if mask[i] { unsafe { *from.add(i) } } else { 0.0 })
    }
    #[inline(always)]
    unsafe fn store_ptr(self, to: *mut f32, v: Self::F) {
        // SAFETY: the caller's promise.
        unsafe { to.cast::<Self::F>().write_unaligned(v) }
    }
    #[inline(always)]
    unsafe fn store_masked(self, to: *mut f32, v: Self::F, mask: Self::M) {
        for i in 0..LANES {
            if mask[i] {
                // SAFETY: the caller's promise: only elements under the mask are written.
                unsafe { *to.add(i) = v[i] };
            }
        }
    }
    #[inline(always)]
    unsafe fn load_f16_ptr(self, from: *const u16) -> Self::F {
        // SAFETY: the caller's promise.
        let bits = unsafe { from.cast::<[u16; LANES]>().read_unaligned() };
        lanes!(|i| half::to_f32(bits[i]))
    }
    #[inline(always)]
    unsafe fn load_f16_partial(self, from: *const u16, n: usize) -> Self::F {
        // SAFETY: the caller's promise: only the first n elements are read.
        lanes!(|i| if i < n { half::to_f32(unsafe { *from.add(i) }) } else { 0.0 })
    }
    #[inline(always)]
    unsafe fn store_f16_ptr(self, to: *mut u16, v: Self::F) {
        // SAFETY: the caller's promise.
        unsafe { to.cast::<[u16; LANES]>().write_unaligned(v.map(half::from_f32)) }
    }
    #[inline(always)]
    fn first(self, n: usize) -> Self::M {
        let mut mask = [false; LANES];
        for (i, lane) in mask.iter_mut().enumerate() {
            *lane = i < n;
        }
        mask
    }
    #[inline(always)]
    fn add(self, a: Self::F, b: Self::F) -> Self::F {
        lanes!(|i| a[i] + b[i])
    }
    #[inline(always)]
    fn sub(self, a: Self::F, b: Self::F) -> Self::F {
        lanes!(|i| a[i] - b[i])
    }
    #[inline(always)]
    fn mul(self, a: Self::F, b: Self::F) -> Self::F {
        lanes!(|i| a[i] * b[i])
    }
    #[inline(always)]
    fn div(self, a: Self::F, b: Self::F) -> Self::F {
        lanes!(|i| a[i] / b[i])
    }
    #[inline(always)]
    fn mul_add(self, a: Self::F, b: Self::F, c: Self::F) -> Self::F {
        // Without the instruction, a fused product would be a call into the C library.
        if Self::FUSES { lanes!(|i| a[i].mul_add(b[i], c[i])) } else { lanes!(|i| a[i] * b[i] + c[i]) }
    }
    #[inline(always)]
    fn max(self, a: Self::F, b: Self::F) -> Self::F {
        lanes!(|i| if a[i] > b[i] { a[i] } else { b[i] })
    }
    #[inline(always)]
    fn min(self, a: Self::F, b: Self::F) -> Self::F {
        lanes!(|i| if a[i] < b[i] { a[i] } else { b[i] })
    }
    #[inline(always)]
    fn larger_magnitude(self, a: Self::F, b: Self::F) -> Self::F {
        // Without signs, numbers are ordered as their bits are.
        lanes!(|i| f32::from_bits(a[i].to_bits().max(b[i].abs().to_bits())))
    }
    #[inline(always)]
    fn largest_magnitude(self, a: Self::F) -> f32 {
        f32::from_bits(a.map(f32::to_bits).into_iter().fold(0, u32::max))
    }
    #[inline(always)]
    fn round(self, a: Self::F) -> Self::F {
        // Adding and taking away 1.5 * 2^23 leaves the nearest integer, without a call into the C library.
        // Good for |a| < 2^22, far beyond any exponent.
        const MAGIC: f32 = 12_582_912.0;
        lanes!(|i| (a[i] + MAGIC) - MAGIC)
    }
    #[inline(always)]
    fn scale_by_power(self, a: Self::F, n: Self::F) -> Self::F {
        // The exponent field of 2^n; at n = -127 it is that of zero.
        lanes!(|i| a[i] * f32::from_bits(((n[i].max(-127.0) as i32 + 127) as u32) << 23))
    }
    #[inline(always)]
    fn split_exponent(self, a: Self::F) -> (Self::F, Self::F) {
        let exponent = |x: f32| (x.to_bits().wrapping_sub(ROOT_BITS) as i32) >> 23;
        let mantissa = |x: f32| f32::from_bits(x.to_bits().wrapping_sub((exponent(x) << 23) as u32));
        (lanes!(|i| mantissa(a[i])), lanes!(|i| exponent(a[i]) as f32))
    }
    #[inline(always)]
    fn select(self, mask: Self::M, a: Self::F, b: Self::F) -> Self::F {
        lanes!(|i| if mask[i] { a[i] } else { b[i] })
    }
    #[inline(always)]
    fn greater(self, a: Self::F, b: Self::F) -> Self::M {
        std::array::from_fn(|i| a[i] > b[i])
    }
    #[inline(always)]
    fn any_greater(self, a: Self::F, b: Self::F) -> bool {
        let mut any = false;
        for i in 0..LANES {
            any |= a[i] > b[i];
        }
        any
    }
    #[inline(always)]
    unsafe fn store_lowest_bytes_ptr(self, to: *mut u8, v: [Self::F; 4]) {
        for i in 0..LANES {
            let bytes = v.map(|v| v[i].to_bits() as u8);
            // SAFETY: the caller's promise; an array of bytes has no alignment.
            unsafe { to.add(4 * i).cast::<[u8; 4]>().write(bytes) };
        }
    }
    #[inline(always)]
    unsafe fn store_bytes_ptr(self, to: *mut u8, v: Self::F, n: usize) {
        for (i, x) in v.iter().enumerate().take(n) {
            // SAFETY: the caller's promise.
            unsafe { to.add(i).write(x.to_bits() as u8) };
        }
    }
    #[inline(always)]
    unsafe fn transpose_square(self, from: *const f32, from_stride: usize, to: *mut f32, to_stride: usize) {
        for r in 0..LANES {
            for c in 0..LANES {
                // SAFETY: the caller's promise.
                unsafe { *to.add(r * to_stride + c) = *from.add(c * from_stride + r) };
            }
        }
    }
    #[inline(always)]
    fn sum(self, a: Self::F) -> f32 {
        let half = [a[0] + a[4], a[1] + a[5], a[2] + a[6], a[3] + a[7]];
        (half[0] + half[2]) + (half[1] + half[3])
    }
    #[inline(always)]
    fn max_lane(self, a: Self::F) -> f32 {
        let mut largest = a[0];
        for &lane in &a[1..] {
            largest = if lane > largest { lane } else { largest };
        }
        largest
    }
}
