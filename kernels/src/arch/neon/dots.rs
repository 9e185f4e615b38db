//! Sums of 8-bit products in 128-bit registers. The inputs are made signed, so that there is nothing to correct.

use super::{Neon, NeonDot};
use crate::arch::dots::Dots;
use crate::arch::panel::{LINE, PANEL, STEP, TileShape};
use crate::arch::target::intrinsics;
use std::arch::{aarch64::*, asm};

/// Eight registers, each with two partial sums for each of two outputs.
impl Dots for Neon {
    type Simd = Self;
    type Sums = [int32x4_t; 8];
    type Weights = [int8x16_t; 4];
    type Inputs = int8x16_t;
    const TILE: TileShape = TileShape { rows: 2, panels: 1, panels_of_few: 1 };
    const ROWS_OF_CHAINS: usize = 0;
    const ONE: u8 = 129;

    intrinsics! {
        fn start(_corrections: &[i32; PANEL]) -> [int32x4_t; 8] = [vdupq_n_s32(0); 8];
        fn weights(step: &[i8; LINE]) -> [int8x16_t; 4] =
            std::array::from_fn(|i| vld1q_s8(step[16 * i..][..16].as_ptr()));
        fn inputs(a: [u8; STEP]) -> int8x16_t = {
            let a = vreinterpretq_u8_u32(vdupq_n_u32(u32::from_ne_bytes(a)));
            vreinterpretq_s8_u8(veorq_u8(a, vdupq_n_u8(0x80)))
        };
        // A product fits into 16 bits.
        fn add(sums: [int32x4_t; 8], a: int8x16_t, w: [int8x16_t; 4]) -> [int32x4_t; 8] = {
            let mut sums = sums;
            for (i, w) in w.into_iter().enumerate() {
                sums[2 * i] = vpadalq_s16(sums[2 * i], vmull_s8(vget_low_s8(a), vget_low_s8(w)));
                sums[2 * i + 1] = vpadalq_s16(sums[2 * i + 1], vmull_high_s8(a, w));
            }
            sums
        };
        fn join(a: [int32x4_t; 8], b: [int32x4_t; 8]) -> [int32x4_t; 8] =
            std::array::from_fn(|i| vaddq_s32(a[i], b[i]));
        fn finish(sums: [int32x4_t; 8]) -> [float32x4_t; 4] =
            std::array::from_fn(|i| vcvtq_f32_s32(vpaddq_s32(sums[2 * i], sums[2 * i + 1])));
    }
    intrinsics! {
        // The other partial sum of each output starts at zero.
        fn start_with(sums: &[i32; PANEL]) -> [int32x4_t; 8] = std::array::from_fn(|i| {
            let four = vld1q_s32(sums[i / 2 * 4..][..4].as_ptr());
            if i % 2 == 0 { vzip1q_s32(four, vdupq_n_s32(0)) } else { vzip2q_s32(four, vdupq_n_s32(0)) }
        });
    }
    fn simd(self) -> Self {
        self
    }
}

impl Dots for NeonDot {
    type Simd = Neon;
    type Sums = [int32x4_t; 4];
    type Weights = [int8x16_t; 4];
    type Inputs = int8x16_t;
    const TILE: TileShape = TileShape { rows: 6, panels: 1, panels_of_few: 3 };
    const ROWS_OF_CHAINS: usize = 0;
    const ONE: u8 = 129;

    intrinsics! {
        fn simd() -> Neon = Neon::new();
        fn start(_corrections: &[i32; PANEL]) -> [int32x4_t; 4] = [vdupq_n_s32(0); 4];
        fn start_with(sums: &[i32; PANEL]) -> [int32x4_t; 4] =
            std::array::from_fn(|i| vld1q_s32(sums[4 * i..][..4].as_ptr()));
        fn weights(step: &[i8; LINE]) -> [int8x16_t; 4] = Neon::new().weights(step);
        fn inputs(a: [u8; STEP]) -> int8x16_t = Neon::new().inputs(a);
        fn join(a: [int32x4_t; 4], b: [int32x4_t; 4]) -> [int32x4_t; 4] =
            std::array::from_fn(|i| vaddq_s32(a[i], b[i]));
        fn finish(sums: [int32x4_t; 4]) -> [float32x4_t; 4] = sums.map(|sum| vcvtq_f32_s32(sum));
    }
    #[inline(always)]
    fn add(self, mut sums: [int32x4_t; 4], a: int8x16_t, w: [int8x16_t; 4]) -> [int32x4_t; 4] {
        for (sum, w) in sums.iter_mut().zip(w) {
            // The intrinsic is not stable in the Rust version that we promise.
            // SAFETY: one instruction of an extension that `self` is proof of, on registers only.
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
}
