//! Vectors of four in NEON registers.

use super::Neon;
use crate::arch::half;
use crate::arch::panel::{Panels, TileShape};
use crate::arch::simd::{ROOT_BITS, Simd};
use crate::arch::target::intrinsics;
use std::arch::{aarch64::*, asm};

/// Four lanes set, then four not set: a window of it is the mask of the first few lanes.
static MASKS: [u32; 8] = [!0, !0, !0, !0, 0, 0, 0, 0];

impl Panels for Neon {
    type Panel = [float32x4_t; 4];
    // 24 accumulators, four weight registers and one input: 29 of 32.
    const TILE: TileShape = TileShape { rows: 6, panels: 1, panels_of_few: 3 };
}

impl Simd for Neon {
    const LANES: usize = 4;
    const REGISTERS: usize = 32;
    const FUSES: bool = true;
    type F = float32x4_t;
    type M = uint32x4_t;

    intrinsics! {
        fn add(a: float32x4_t, b: float32x4_t) -> float32x4_t = vaddq_f32(a, b);
        fn sub(a: float32x4_t, b: float32x4_t) -> float32x4_t = vsubq_f32(a, b);
        fn mul(a: float32x4_t, b: float32x4_t) -> float32x4_t = vmulq_f32(a, b);
        fn div(a: float32x4_t, b: float32x4_t) -> float32x4_t = vdivq_f32(a, b);
        fn mul_add(a: float32x4_t, b: float32x4_t, c: float32x4_t) -> float32x4_t = vfmaq_f32(c, a, b);
        fn round(a: float32x4_t) -> float32x4_t = vrndnq_f32(a);
    }
    #[inline(always)]
    fn prefetch(self, from: *const u8) {
        // SAFETY: any address may be fetched.
        unsafe {
            asm!("prfm pldl2keep, [{from}]", from = in(reg) from, options(readonly, nostack, preserves_flags))
        }
    }
    #[inline(always)]
    fn larger_magnitude(self, a: float32x4_t, b: float32x4_t) -> float32x4_t {
        // SAFETY: `self` is proof of the instruction set. Without signs, numbers are ordered as their bits are.
        unsafe {
            let bits = vreinterpretq_u32_f32(vabsq_f32(b));
            vreinterpretq_f32_u32(vmaxq_u32(vreinterpretq_u32_f32(a), bits))
        }
    }
    intrinsics! {
        fn largest_magnitude(a: float32x4_t) -> f32 = f32::from_bits(vmaxvq_u32(vreinterpretq_u32_f32(a)));
    }
    // NEON's own maximum gives NaN where either is NaN; these give the second operand.
    intrinsics! {
        fn max(a: float32x4_t, b: float32x4_t) -> float32x4_t = vbslq_f32(vcgtq_f32(a, b), a, b);
        fn min(a: float32x4_t, b: float32x4_t) -> float32x4_t = vbslq_f32(vcltq_f32(a, b), a, b);
        fn splat(x: f32) -> float32x4_t = vdupq_n_f32(x);
        unsafe fn load_ptr(from: *const f32) -> float32x4_t = vld1q_f32(from);
    }
    #[inline(always)]
    unsafe fn load_masked(self, from: *const f32, mask: uint32x4_t) -> float32x4_t {
        let mut lanes = [0.0f32; 4];
        // SAFETY: the caller's promise: only elements under the mask are read.
        unsafe {
            let mask = std::mem::transmute::<uint32x4_t, [u32; 4]>(mask);
            for (i, lane) in lanes.iter_mut().enumerate() {
                if mask[i] != 0 {
                    *lane = *from.add(i);
                }
            }
            vld1q_f32(lanes.as_ptr())
        }
    }
    intrinsics! {
        unsafe fn store_ptr(to: *mut f32, v: float32x4_t) = vst1q_f32(to, v);
    }
    #[inline(always)]
    unsafe fn store_masked(self, to: *mut f32, v: float32x4_t, mask: uint32x4_t) {
        // SAFETY: the caller's promise: only elements under the mask are written.
        unsafe {
            let mask = std::mem::transmute::<uint32x4_t, [u32; 4]>(mask);
            let lanes = std::mem::transmute::<float32x4_t, [f32; 4]>(v);
            for i in 0..4 {
                if mask[i] != 0 {
                    *to.add(i) = lanes[i];
                }
            }
        }
    }
    #[inline(always)]
    unsafe fn load_f16_ptr(self, from: *const u16) -> float32x4_t {
        // SAFETY: the caller's promise; `self` is proof of the instruction set.
        unsafe {
            let bits = from.cast::<[u16; 4]>().read_unaligned();
            vld1q_f32(bits.map(half::to_f32).as_ptr())
        }
    }
    #[inline(always)]
    unsafe fn load_f16_partial(self, from: *const u16, n: usize) -> float32x4_t {
        let mut lanes = [0.0f32; 4];
        for (i, lane) in lanes.iter_mut().enumerate().take(n) {
            // SAFETY: the caller's promise: only the first n elements are read.
            *lane = half::to_f32(unsafe { *from.add(i) });
        }
        // SAFETY: four elements; `self` is proof of the instruction set.
        unsafe { vld1q_f32(lanes.as_ptr()) }
    }
    #[inline(always)]
    unsafe fn store_f16_ptr(self, to: *mut u16, v: float32x4_t) {
        // SAFETY: the caller's promise; a vector is four f32.
        unsafe {
            let lanes = std::mem::transmute::<float32x4_t, [f32; 4]>(v);
            to.cast::<[u16; 4]>().write_unaligned(lanes.map(half::from_f32));
        }
    }
    #[inline(always)]
    fn first(self, n: usize) -> uint32x4_t {
        let window = &MASKS[4 - n.min(4)..][..4];
        // SAFETY: the window holds four u32; `self` is proof of the instruction set.
        unsafe { vld1q_u32(window.as_ptr()) }
    }
    #[inline(always)]
    fn scale_by_power(self, a: float32x4_t, n: float32x4_t) -> float32x4_t {
        // SAFETY: `self` is proof of the instruction set.
        unsafe {
            // The exponent field of 2^n; at n = -127 it is that of zero.
            let n = vcvtq_s32_f32(self.max(n, vdupq_n_f32(-127.0)));
            let power = vshlq_n_s32::<23>(vaddq_s32(n, vdupq_n_s32(127)));
            vmulq_f32(a, vreinterpretq_f32_s32(power))
        }
    }
    #[inline(always)]
    fn split_exponent(self, a: float32x4_t) -> (float32x4_t, float32x4_t) {
        // SAFETY: `self` is proof of the instruction set.
        unsafe {
            let bits = vreinterpretq_s32_f32(a);
            let exponent = vshrq_n_s32::<23>(vsubq_s32(bits, vdupq_n_s32(ROOT_BITS as i32)));
            let mantissa = vsubq_s32(bits, vshlq_n_s32::<23>(exponent));
            (vreinterpretq_f32_s32(mantissa), vcvtq_f32_s32(exponent))
        }
    }
    intrinsics! {
        fn select(mask: uint32x4_t, a: float32x4_t, b: float32x4_t) -> float32x4_t = vbslq_f32(mask, a, b);
        fn greater(a: float32x4_t, b: float32x4_t) -> uint32x4_t = vcgtq_f32(a, b);
        fn any_greater(a: float32x4_t, b: float32x4_t) -> bool = vmaxvq_u32(vcgtq_f32(a, b)) != 0;
    }
    #[inline(always)]
    unsafe fn store_lowest_bytes_ptr(self, to: *mut u8, v: [float32x4_t; 4]) {
        // SAFETY: the caller's promise; `self` is proof of the instruction set. Each shift inserts above the bits
        // that it keeps.
        unsafe {
            let [a, b, c, d] = v.map(|v| vreinterpretq_u32_f32(v));
            let ab = vsliq_n_u32::<8>(a, b);
            let abc = vsliq_n_u32::<16>(ab, c);
            let abcd = vsliq_n_u32::<24>(abc, d);
            vst1q_u8(to.cast(), vreinterpretq_u8_u32(abcd));
        }
    }
    #[inline(always)]
    unsafe fn store_bytes_ptr(self, to: *mut u8, v: float32x4_t, n: usize) {
        // SAFETY: the caller's promise; `self` is proof of the instruction set.
        unsafe {
            let halves = vmovn_u32(vreinterpretq_u32_f32(v));
            let bytes = vmovn_u16(vcombine_u16(halves, halves));
            let bytes = vget_lane_u32::<0>(vreinterpret_u32_u8(bytes)).to_le_bytes();
            std::ptr::copy_nonoverlapping(bytes.as_ptr(), to, n.min(4));
        }
    }
    #[inline(always)]
    unsafe fn transpose_square(self, from: *const f32, from_stride: usize, to: *mut f32, to_stride: usize) {
        // SAFETY: the caller's promise; `self` is proof of the instruction set.
        unsafe {
            let [a, b, c, d] = [0, 1, 2, 3].map(|r| vld1q_f32(from.add(r * from_stride)));
            let (even, odd) = (vtrnq_f32(a, b), vtrnq_f32(c, d));
            let halves = [even.0, even.1].map(|x| vreinterpretq_f64_f32(x));
            let others = [odd.0, odd.1].map(|x| vreinterpretq_f64_f32(x));
            for i in 0..2 {
                let (low, high) = (vtrn1q_f64(halves[i], others[i]), vtrn2q_f64(halves[i], others[i]));
                vst1q_f32(to.add(i * to_stride), vreinterpretq_f32_f64(low));
                vst1q_f32(to.add((i + 2) * to_stride), vreinterpretq_f32_f64(high));
            }
        }
    }
    intrinsics! {
        fn sum(a: float32x4_t) -> f32 = vaddvq_f32(a);
        fn max_lane(a: float32x4_t) -> f32 = vmaxvq_f32(a);
    }
}
