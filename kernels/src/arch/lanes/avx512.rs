//! One 512-bit register.

use super::{Dots, Lanes, Task};
use std::arch::x86_64::*;

#[derive(Clone, Copy)]
pub(crate) struct Avx512(__m512);

#[inline(always)]
fn first(n: usize) -> __mmask16 {
    ((1u32 << n) - 1) as __mmask16
}

impl Lanes for Avx512 {
    // 24 accumulators, three weight registers and one input: 28 of 32.
    const TILE_ROWS: usize = 8;
    const TILE_PANELS: usize = 3;
    const TILE_PANELS_OF_FEW: usize = 6;

    #[target_feature(enable = "avx512f,avx512bw,avx512dq,avx512vl,avx512vnni")]
    unsafe fn enter(task: impl Task) {
        // SAFETY: the caller's promise.
        unsafe { task.run() }
    }

    #[inline(always)]
    unsafe fn splat(value: f32) -> Self {
        // SAFETY: the trait's contract.
        Self(unsafe { _mm512_set1_ps(value) })
    }

    #[inline(always)]
    unsafe fn load(p: *const f32) -> Self {
        // SAFETY: the trait's contract.
        Self(unsafe { _mm512_loadu_ps(p) })
    }

    #[inline(always)]
    unsafe fn load_first(p: *const f32, n: usize) -> Self {
        // SAFETY: the trait's contract; masked lanes are not read.
        Self(unsafe { _mm512_maskz_loadu_ps(first(n), p) })
    }

    #[inline(always)]
    unsafe fn store(self, p: *mut f32) {
        // SAFETY: the trait's contract.
        unsafe { _mm512_storeu_ps(p, self.0) }
    }

    #[inline(always)]
    unsafe fn store_first(self, p: *mut f32, n: usize) {
        // SAFETY: the trait's contract; masked lanes are not written.
        unsafe { _mm512_mask_storeu_ps(p, first(n), self.0) }
    }

    #[inline(always)]
    unsafe fn prefetch<T>(p: *const T) {
        // SAFETY: a prefetch of any address is allowed.
        unsafe { _mm_prefetch::<_MM_HINT_T1>(p.cast()) }
    }

    #[inline(always)]
    unsafe fn add(self, other: Self) -> Self {
        // SAFETY: the trait's contract.
        Self(unsafe { _mm512_add_ps(self.0, other.0) })
    }

    #[inline(always)]
    unsafe fn mul(self, other: Self) -> Self {
        // SAFETY: the trait's contract.
        Self(unsafe { _mm512_mul_ps(self.0, other.0) })
    }

    #[inline(always)]
    unsafe fn add_product(self, a: Self, b: Self) -> Self {
        // SAFETY: the trait's contract.
        Self(unsafe { _mm512_fmadd_ps(a.0, b.0, self.0) })
    }
}

impl Dots for Avx512 {
    type Lanes = Self;
    type Sums = __m512i;
    type Weights = __m512i;
    type Inputs = __m512i;
    const TILE_ROWS: usize = 8;
    const TILE_PANELS: usize = 3;
    const TILE_PANELS_OF_FEW: usize = 6;
    const ROWS_OF_CHAINS: usize = 2;

    #[target_feature(enable = "avx512f,avx512bw,avx512dq,avx512vl,avx512vnni")]
    unsafe fn enter(task: impl Task) {
        // SAFETY: the caller's promise.
        unsafe { task.run() }
    }

    #[inline(always)]
    unsafe fn start(corrections: *const i32) -> __m512i {
        // SAFETY: the trait's contract: sixteen values.
        unsafe { _mm512_loadu_si512(corrections.cast()) }
    }

    #[inline(always)]
    unsafe fn weights(p: *const i8) -> __m512i {
        // SAFETY: the trait's contract: 64 weights.
        unsafe { _mm512_loadu_si512(p.cast()) }
    }

    #[inline(always)]
    unsafe fn sixes(p: *const u8) -> [__m512i; 4] {
        // SAFETY: the trait's contract: three times 64 bytes. Shifts move bits into neighbouring bytes only where
        // they are then left out.
        unsafe {
            let [first, second, upper] = [0, 64, 128].map(|at| _mm512_loadu_si512(p.add(at).cast()));
            let (lower_bits, all_bits) = (_mm512_set1_epi8(0x3c), _mm512_set1_epi8(!3));
            // The first operand picks from the second or the third.
            const PICK: i32 = 0b1100_1010;
            let weights = |lower: __m512i, upper: __m512i| {
                _mm512_and_si512(_mm512_ternarylogic_epi32::<PICK>(lower_bits, lower, upper), all_bits)
            };
            [
                weights(_mm512_slli_epi16::<2>(first), upper),
                weights(_mm512_srli_epi16::<2>(first), _mm512_slli_epi16::<2>(upper)),
                weights(_mm512_slli_epi16::<2>(second), _mm512_slli_epi16::<4>(upper)),
                weights(_mm512_srli_epi16::<2>(second), _mm512_slli_epi16::<6>(upper)),
            ]
        }
    }

    #[inline(always)]
    unsafe fn inputs(p: *const u8) -> __m512i {
        // SAFETY: the trait's contract: four inputs.
        unsafe { _mm512_set1_epi32(p.cast::<i32>().read_unaligned()) }
    }

    #[inline(always)]
    unsafe fn add(sums: __m512i, a: __m512i, w: __m512i) -> __m512i {
        // SAFETY: the trait's contract.
        unsafe { _mm512_dpbusd_epi32(sums, a, w) }
    }

    #[inline(always)]
    unsafe fn join(a: __m512i, b: __m512i) -> __m512i {
        // SAFETY: the trait's contract.
        unsafe { _mm512_add_epi32(a, b) }
    }

    #[inline(always)]
    unsafe fn finish(sums: __m512i) -> Self {
        // SAFETY: the trait's contract.
        Self(unsafe { _mm512_cvtepi32_ps(sums) })
    }
}
