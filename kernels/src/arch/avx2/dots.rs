//! Sums of 8-bit products in 256-bit registers.

use super::{Avx2, AvxVnni};
use crate::arch::dots::Dots;
use crate::arch::panel::{LINE, PANEL, STEP, TileShape};
use crate::arch::target::intrinsics;
use std::arch::x86_64::*;

/// Four registers, each with two partial sums for each of four outputs. The products are widened to 16 bits
/// first: `maddubs` on the bytes themselves would saturate, as 2 · 255 · 127 does not fit into 16 bits.
impl Dots for Avx2 {
    type Simd = Self;
    type Sums = [__m256i; 4];
    type Weights = [__m256i; 4];
    type Inputs = __m256i;
    const TILE: TileShape = TileShape { rows: 2, panels: 1, panels_of_few: 1 };
    const ROWS_OF_CHAINS: usize = 0;

    intrinsics! {
        // A zero goes to the second partial sum of each output.
        fn start(corrections: &[i32; PANEL]) -> [__m256i; 4] = std::array::from_fn(|i| {
            _mm256_cvtepu32_epi64(_mm_loadu_si128(corrections[4 * i..][..4].as_ptr().cast()))
        });
        fn weights(step: &[i8; LINE]) -> [__m256i; 4] = std::array::from_fn(|i| {
            _mm256_cvtepi8_epi16(_mm_loadu_si128(step[16 * i..][..16].as_ptr().cast()))
        });
        fn inputs(a: [u8; STEP]) -> __m256i = _mm256_cvtepu8_epi16(_mm_set1_epi32(i32::from_ne_bytes(a)));
        fn add(sums: [__m256i; 4], a: __m256i, w: [__m256i; 4]) -> [__m256i; 4] =
            std::array::from_fn(|i| _mm256_add_epi32(sums[i], _mm256_madd_epi16(a, w[i])));
        fn join(a: [__m256i; 4], b: [__m256i; 4]) -> [__m256i; 4] =
            std::array::from_fn(|i| _mm256_add_epi32(a[i], b[i]));
        // `hadd` interleaves the halves of its operands; the permutation brings the outputs back into order.
        fn finish(sums: [__m256i; 4]) -> [__m256; 2] = std::array::from_fn(|i| {
            let mixed = _mm256_hadd_epi32(sums[2 * i], sums[2 * i + 1]);
            _mm256_cvtepi32_ps(_mm256_permute4x64_epi64::<0b11_01_10_00>(mixed))
        });
    }
    fn simd(self) -> Self {
        self
    }
}

impl Dots for AvxVnni {
    type Simd = Avx2;
    type Sums = [__m256i; 2];
    type Weights = [__m256i; 2];
    type Inputs = __m256i;
    const TILE: TileShape = TileShape { rows: 6, panels: 1, panels_of_few: 3 };
    const ROWS_OF_CHAINS: usize = 0;

    intrinsics! {
        fn simd() -> Avx2 = Avx2::new();
        fn start(corrections: &[i32; PANEL]) -> [__m256i; 2] =
            std::array::from_fn(|i| _mm256_loadu_si256(corrections[8 * i..][..8].as_ptr().cast()));
        fn weights(step: &[i8; LINE]) -> [__m256i; 2] =
            std::array::from_fn(|i| _mm256_loadu_si256(step[32 * i..][..32].as_ptr().cast()));
        fn inputs(a: [u8; STEP]) -> __m256i = _mm256_set1_epi32(i32::from_ne_bytes(a));
        fn add(sums: [__m256i; 2], a: __m256i, w: [__m256i; 2]) -> [__m256i; 2] =
            std::array::from_fn(|i| _mm256_dpbusd_avx_epi32(sums[i], a, w[i]));
        fn join(a: [__m256i; 2], b: [__m256i; 2]) -> [__m256i; 2] =
            std::array::from_fn(|i| _mm256_add_epi32(a[i], b[i]));
        fn finish(sums: [__m256i; 2]) -> [__m256; 2] = sums.map(|sum| _mm256_cvtepi32_ps(sum));
    }
}
