//! Two 256-bit registers.

use super::{Dots, Lanes, Task};
use std::arch::x86_64::*;

#[derive(Clone, Copy)]
pub(crate) struct Avx2(__m256, __m256);

/// Masks of the low and high register for the first `n` of sixteen lanes.
#[inline(always)]
unsafe fn first(n: usize) -> (__m256i, __m256i) {
    // SAFETY: only value operations of an instruction set that the caller has.
    unsafe {
        let n = _mm256_set1_epi32(n as i32);
        let low = _mm256_setr_epi32(0, 1, 2, 3, 4, 5, 6, 7);
        let high = _mm256_setr_epi32(8, 9, 10, 11, 12, 13, 14, 15);
        (_mm256_cmpgt_epi32(n, low), _mm256_cmpgt_epi32(n, high))
    }
}

impl Lanes for Avx2 {
    // 12 accumulators, two weight registers and one input: 15 of 16.
    const TILE_ROWS: usize = 6;
    const TILE_PANELS: usize = 1;
    const TILE_PANELS_OF_FEW: usize = 3;

    #[target_feature(enable = "avx2,fma")]
    unsafe fn enter(task: impl Task) {
        // SAFETY: the caller's promise.
        unsafe { task.run() }
    }

    #[inline(always)]
    unsafe fn splat(value: f32) -> Self {
        // SAFETY: the trait's contract.
        let value = unsafe { _mm256_set1_ps(value) };
        Self(value, value)
    }

    #[inline(always)]
    unsafe fn load(p: *const f32) -> Self {
        // SAFETY: the trait's contract: sixteen values.
        unsafe { Self(_mm256_loadu_ps(p), _mm256_loadu_ps(p.add(8))) }
    }

    #[inline(always)]
    unsafe fn load_first(p: *const f32, n: usize) -> Self {
        // SAFETY: the trait's contract; masked lanes are not read.
        unsafe {
            let (low, high) = first(n);
            Self(_mm256_maskload_ps(p, low), _mm256_maskload_ps(p.wrapping_add(8), high))
        }
    }

    #[inline(always)]
    unsafe fn store(self, p: *mut f32) {
        // SAFETY: the trait's contract: sixteen values.
        unsafe {
            _mm256_storeu_ps(p, self.0);
            _mm256_storeu_ps(p.add(8), self.1);
        }
    }

    #[inline(always)]
    unsafe fn store_first(self, p: *mut f32, n: usize) {
        // SAFETY: the trait's contract; masked lanes are not written.
        unsafe {
            let (low, high) = first(n);
            _mm256_maskstore_ps(p, low, self.0);
            _mm256_maskstore_ps(p.wrapping_add(8), high, self.1);
        }
    }

    #[inline(always)]
    unsafe fn prefetch<T>(p: *const T) {
        // SAFETY: a prefetch of any address is allowed.
        unsafe { _mm_prefetch::<_MM_HINT_T1>(p.cast()) }
    }

    #[inline(always)]
    unsafe fn add(self, other: Self) -> Self {
        // SAFETY: the trait's contract.
        unsafe { Self(_mm256_add_ps(self.0, other.0), _mm256_add_ps(self.1, other.1)) }
    }

    #[inline(always)]
    unsafe fn mul(self, other: Self) -> Self {
        // SAFETY: the trait's contract.
        unsafe { Self(_mm256_mul_ps(self.0, other.0), _mm256_mul_ps(self.1, other.1)) }
    }

    #[inline(always)]
    unsafe fn add_product(self, a: Self, b: Self) -> Self {
        // SAFETY: the trait's contract.
        unsafe { Self(_mm256_fmadd_ps(a.0, b.0, self.0), _mm256_fmadd_ps(a.1, b.1, self.1)) }
    }
}

/// Four registers, each with two partial sums for each of four outputs. The products are widened to 16 bits
/// first: `maddubs` on the bytes themselves would saturate, as 2 · 255 · 127 does not fit into 16 bits.
impl Dots for Avx2 {
    type Lanes = Self;
    type Sums = [__m256i; 4];
    type Weights = [__m256i; 4];
    type Inputs = __m256i;
    const TILE_ROWS: usize = 2;
    const TILE_PANELS: usize = 1;
    const TILE_PANELS_OF_FEW: usize = 1;
    const ROWS_OF_CHAINS: usize = 0;

    #[target_feature(enable = "avx2,fma")]
    unsafe fn enter(task: impl Task) {
        // SAFETY: the caller's promise.
        unsafe { task.run() }
    }

    #[inline(always)]
    unsafe fn start(corrections: *const i32) -> [__m256i; 4] {
        std::array::from_fn(|i| {
            // SAFETY: the trait's contract: sixteen values, of which these are the `i`th four. A zero goes
            // to the second partial sum of each output.
            unsafe { _mm256_cvtepu32_epi64(_mm_loadu_si128(corrections.add(4 * i).cast())) }
        })
    }

    #[inline(always)]
    unsafe fn weights(p: *const i8) -> [__m256i; 4] {
        // SAFETY: the trait's contract: 64 weights.
        std::array::from_fn(|i| unsafe { _mm256_cvtepi8_epi16(_mm_loadu_si128(p.add(16 * i).cast())) })
    }

    #[inline(always)]
    unsafe fn inputs(p: *const u8) -> __m256i {
        // SAFETY: the trait's contract: four inputs.
        unsafe { _mm256_cvtepu8_epi16(_mm_set1_epi32(p.cast::<i32>().read_unaligned())) }
    }

    #[inline(always)]
    unsafe fn add(mut sums: [__m256i; 4], a: __m256i, w: [__m256i; 4]) -> [__m256i; 4] {
        for i in 0..4 {
            // SAFETY: the trait's contract.
            sums[i] = unsafe { _mm256_add_epi32(sums[i], _mm256_madd_epi16(a, w[i])) };
        }
        sums
    }

    #[inline(always)]
    unsafe fn join(a: [__m256i; 4], b: [__m256i; 4]) -> [__m256i; 4] {
        // SAFETY: the trait's contract.
        std::array::from_fn(|i| unsafe { _mm256_add_epi32(a[i], b[i]) })
    }

    #[inline(always)]
    unsafe fn finish(sums: [__m256i; 4]) -> Self {
        // SAFETY: the trait's contract. `hadd` interleaves the halves of its operands; the permutation
        // brings the outputs back into order.
        unsafe {
            let pair = |low, high| {
                let mixed = _mm256_hadd_epi32(low, high);
                _mm256_cvtepi32_ps(_mm256_permute4x64_epi64::<0b11_01_10_00>(mixed))
            };
            Self(pair(sums[0], sums[1]), pair(sums[2], sums[3]))
        }
    }
}

/// AVX2 with the 8-bit dot product.
pub(crate) struct AvxVnni;

impl Dots for AvxVnni {
    type Lanes = Avx2;
    type Sums = [__m256i; 2];
    type Weights = [__m256i; 2];
    type Inputs = __m256i;
    const TILE_ROWS: usize = 6;
    const TILE_PANELS: usize = 1;
    const TILE_PANELS_OF_FEW: usize = 3;
    const ROWS_OF_CHAINS: usize = 0;

    #[target_feature(enable = "avx2,fma,avxvnni")]
    unsafe fn enter(task: impl Task) {
        // SAFETY: the caller's promise.
        unsafe { task.run() }
    }

    #[inline(always)]
    unsafe fn start(corrections: *const i32) -> [__m256i; 2] {
        // SAFETY: the trait's contract: sixteen values.
        std::array::from_fn(|i| unsafe { _mm256_loadu_si256(corrections.add(8 * i).cast()) })
    }

    #[inline(always)]
    unsafe fn weights(p: *const i8) -> [__m256i; 2] {
        // SAFETY: the trait's contract: 64 weights.
        std::array::from_fn(|i| unsafe { _mm256_loadu_si256(p.add(32 * i).cast()) })
    }

    #[inline(always)]
    unsafe fn inputs(p: *const u8) -> __m256i {
        // SAFETY: the trait's contract: four inputs.
        unsafe { _mm256_set1_epi32(p.cast::<i32>().read_unaligned()) }
    }

    #[inline(always)]
    unsafe fn add(sums: [__m256i; 2], a: __m256i, w: [__m256i; 2]) -> [__m256i; 2] {
        // SAFETY: the trait's contract.
        unsafe { [_mm256_dpbusd_avx_epi32(sums[0], a, w[0]), _mm256_dpbusd_avx_epi32(sums[1], a, w[1])] }
    }

    #[inline(always)]
    unsafe fn join(a: [__m256i; 2], b: [__m256i; 2]) -> [__m256i; 2] {
        // SAFETY: the trait's contract.
        unsafe { [_mm256_add_epi32(a[0], b[0]), _mm256_add_epi32(a[1], b[1])] }
    }

    #[inline(always)]
    unsafe fn finish(sums: [__m256i; 2]) -> Avx2 {
        // SAFETY: the trait's contract.
        unsafe { Avx2(_mm256_cvtepi32_ps(sums[0]), _mm256_cvtepi32_ps(sums[1])) }
    }
}
