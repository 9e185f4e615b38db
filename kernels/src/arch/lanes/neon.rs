//! Four 128-bit registers.

use super::{Dots, Lanes, Task};
use std::arch::{aarch64::*, asm};

#[derive(Clone, Copy)]
pub(crate) struct Neon([float32x4_t; 4]);

impl Lanes for Neon {
    // 24 accumulators, four weight registers and one input: 29 of 32.
    const TILE_ROWS: usize = 6;
    const TILE_PANELS: usize = 1;
    const TILE_PANELS_OF_FEW: usize = 3;

    #[target_feature(enable = "neon")]
    unsafe fn enter(task: impl Task) {
        // SAFETY: the caller's promise.
        unsafe { task.run() }
    }

    #[inline(always)]
    unsafe fn splat(value: f32) -> Self {
        // SAFETY: the trait's contract.
        Self([unsafe { vdupq_n_f32(value) }; 4])
    }

    #[inline(always)]
    unsafe fn load(p: *const f32) -> Self {
        // SAFETY: the trait's contract: sixteen values.
        unsafe { Self([vld1q_f32(p), vld1q_f32(p.add(4)), vld1q_f32(p.add(8)), vld1q_f32(p.add(12))]) }
    }

    #[inline(always)]
    unsafe fn load_first(p: *const f32, n: usize) -> Self {
        let mut lanes = [0.0f32; 16];
        // SAFETY: the caller gives `n <= 16` readable values; then sixteen of our own are read.
        unsafe {
            std::ptr::copy_nonoverlapping(p, lanes.as_mut_ptr(), n);
            Self::load(lanes.as_ptr())
        }
    }

    #[inline(always)]
    unsafe fn store(self, p: *mut f32) {
        for (i, lanes) in self.0.into_iter().enumerate() {
            // SAFETY: the trait's contract: sixteen values.
            unsafe { vst1q_f32(p.add(4 * i), lanes) }
        }
    }

    #[inline(always)]
    unsafe fn store_first(self, p: *mut f32, n: usize) {
        let mut lanes = [0.0f32; 16];
        // SAFETY: sixteen values of our own are written; then the caller's `n <= 16`.
        unsafe {
            self.store(lanes.as_mut_ptr());
            std::ptr::copy_nonoverlapping(lanes.as_ptr(), p, n);
        }
    }

    #[inline(always)]
    unsafe fn prefetch<T>(p: *const T) {
        // SAFETY: a prefetch of any address is allowed.
        unsafe { asm!("prfm pldl2keep, [{p}]", p = in(reg) p, options(readonly, nostack, preserves_flags)) }
    }

    #[inline(always)]
    unsafe fn add(self, other: Self) -> Self {
        // SAFETY: the trait's contract.
        Self(std::array::from_fn(|i| unsafe { vaddq_f32(self.0[i], other.0[i]) }))
    }

    #[inline(always)]
    unsafe fn mul(self, other: Self) -> Self {
        // SAFETY: the trait's contract.
        Self(std::array::from_fn(|i| unsafe { vmulq_f32(self.0[i], other.0[i]) }))
    }

    #[inline(always)]
    unsafe fn add_product(self, a: Self, b: Self) -> Self {
        // SAFETY: the trait's contract.
        Self(std::array::from_fn(|i| unsafe { vfmaq_f32(self.0[i], a.0[i], b.0[i]) }))
    }
}

/// The signed values of four inputs that are stored 128 too large, four times over.
#[inline(always)]
unsafe fn signed_inputs(a: *const u8) -> int8x16_t {
    // SAFETY: the caller gives four inputs.
    unsafe {
        let a = vdupq_n_u32(a.cast::<u32>().read_unaligned());
        vreinterpretq_s8_u8(veorq_u8(vreinterpretq_u8_u32(a), vdupq_n_u8(0x80)))
    }
}

#[inline(always)]
unsafe fn four_by_sixteen(p: *const i8) -> [int8x16_t; 4] {
    // SAFETY: the caller gives 64 weights.
    std::array::from_fn(|i| unsafe { vld1q_s8(p.add(16 * i)) })
}

/// Eight registers, each with two partial sums for each of two outputs.
impl Dots for Neon {
    type Lanes = Self;
    type Sums = [int32x4_t; 8];
    type Weights = [int8x16_t; 4];
    type Inputs = int8x16_t;
    const ONE: u8 = 129;
    const TILE_ROWS: usize = 2;
    const TILE_PANELS: usize = 1;
    const TILE_PANELS_OF_FEW: usize = 1;
    const ROWS_OF_CHAINS: usize = 0;

    #[target_feature(enable = "neon")]
    unsafe fn enter(task: impl Task) {
        // SAFETY: the caller's promise.
        unsafe { task.run() }
    }

    #[inline(always)]
    unsafe fn start(_: *const i32) -> [int32x4_t; 8] {
        // SAFETY: the trait's contract. The inputs are made signed, so there is nothing to correct.
        [unsafe { vdupq_n_s32(0) }; 8]
    }

    #[inline(always)]
    unsafe fn weights(p: *const i8) -> [int8x16_t; 4] {
        // SAFETY: the trait's contract: 64 weights.
        unsafe { four_by_sixteen(p) }
    }

    #[inline(always)]
    unsafe fn inputs(p: *const u8) -> int8x16_t {
        // SAFETY: the trait's contract: four inputs.
        unsafe { signed_inputs(p) }
    }

    #[inline(always)]
    unsafe fn add(mut sums: [int32x4_t; 8], a: int8x16_t, w: [int8x16_t; 4]) -> [int32x4_t; 8] {
        // SAFETY: the trait's contract. A product fits into 16 bits.
        unsafe {
            for (i, w) in w.into_iter().enumerate() {
                sums[2 * i] = vpadalq_s16(sums[2 * i], vmull_s8(vget_low_s8(a), vget_low_s8(w)));
                sums[2 * i + 1] = vpadalq_s16(sums[2 * i + 1], vmull_high_s8(a, w));
            }
        }
        sums
    }

    #[inline(always)]
    unsafe fn join(a: [int32x4_t; 8], b: [int32x4_t; 8]) -> [int32x4_t; 8] {
        // SAFETY: the trait's contract.
        std::array::from_fn(|i| unsafe { vaddq_s32(a[i], b[i]) })
    }

    #[inline(always)]
    unsafe fn finish(sums: [int32x4_t; 8]) -> Self {
        // SAFETY: the trait's contract.
        Self(std::array::from_fn(|i| unsafe { vcvtq_f32_s32(vpaddq_s32(sums[2 * i], sums[2 * i + 1])) }))
    }
}

/// NEON with the 8-bit dot product.
pub(crate) struct NeonDot;

impl Dots for NeonDot {
    type Lanes = Neon;
    type Sums = [int32x4_t; 4];
    type Weights = [int8x16_t; 4];
    type Inputs = int8x16_t;
    const ONE: u8 = 129;
    const TILE_ROWS: usize = 6;
    const TILE_PANELS: usize = 1;
    const TILE_PANELS_OF_FEW: usize = 3;
    const ROWS_OF_CHAINS: usize = 0;

    #[target_feature(enable = "neon,dotprod")]
    unsafe fn enter(task: impl Task) {
        // SAFETY: the caller's promise.
        unsafe { task.run() }
    }

    #[inline(always)]
    unsafe fn start(_: *const i32) -> [int32x4_t; 4] {
        // SAFETY: the trait's contract. The inputs are made signed, so there is nothing to correct.
        [unsafe { vdupq_n_s32(0) }; 4]
    }

    #[inline(always)]
    unsafe fn weights(p: *const i8) -> [int8x16_t; 4] {
        // SAFETY: the trait's contract: 64 weights.
        unsafe { four_by_sixteen(p) }
    }

    #[inline(always)]
    unsafe fn inputs(p: *const u8) -> int8x16_t {
        // SAFETY: the trait's contract: four inputs.
        unsafe { signed_inputs(p) }
    }

    #[inline(always)]
    unsafe fn add(mut sums: [int32x4_t; 4], a: int8x16_t, w: [int8x16_t; 4]) -> [int32x4_t; 4] {
        for (sum, w) in sums.iter_mut().zip(w) {
            // The intrinsic is not stable in the Rust version that we promise.
            // SAFETY: one instruction of an extension that the caller has, on registers only.
            unsafe {
                asm!(
                    "sdot {sum:v}.4s, {w:v}.16b, {a:v}.16b",
                    sum = inout(vreg) *sum,
                    w = in(vreg) w,
                    a = in(vreg) a,
                    options(pure, nomem, nostack, preserves_flags),
                );
            }
        }
        sums
    }

    #[inline(always)]
    unsafe fn join(a: [int32x4_t; 4], b: [int32x4_t; 4]) -> [int32x4_t; 4] {
        // SAFETY: the trait's contract.
        std::array::from_fn(|i| unsafe { vaddq_s32(a[i], b[i]) })
    }

    #[inline(always)]
    unsafe fn finish(sums: [int32x4_t; 4]) -> Neon {
        // SAFETY: the trait's contract.
        Neon(sums.map(|sum| unsafe { vcvtq_f32_s32(sum) }))
    }
}
