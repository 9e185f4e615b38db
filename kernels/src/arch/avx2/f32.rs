//! Vectors of eight in AVX registers, with fused multiply-add.

use super::Avx2;
use crate::arch::panel::{Panels, TileShape};
use crate::arch::simd::{ROOT_BITS, Simd};
use crate::arch::target::intrinsics;
use std::arch::x86_64::*;

/// Eight lanes set, then eight not set: a window of it is the mask of the first few lanes.
static MASKS: [i32; 16] = [-1, -1, -1, -1, -1, -1, -1, -1, 0, 0, 0, 0, 0, 0, 0, 0];

impl Panels for Avx2 {
    type Panel = [__m256; 2];
    // 12 accumulators, two weight registers and one input: 15 of 16.
    const TILE: TileShape = TileShape { rows: 6, panels: 1, panels_of_few: 3 };
}

impl Simd for Avx2 {
    const LANES: usize = 8;
    const REGISTERS: usize = 16;
    const FUSES: bool = true;
    type F = __m256;
    type M = __m256i;

    #[inline(always)]
    fn prefetch(self, from: *const u8) {
        // SAFETY: any address may be fetched.
        unsafe { _mm_prefetch::<_MM_HINT_T1>(from.cast()) }
    }
    intrinsics! {
        fn add(a: __m256, b: __m256) -> __m256 = _mm256_add_ps(a, b);
        fn sub(a: __m256, b: __m256) -> __m256 = _mm256_sub_ps(a, b);
        fn mul(a: __m256, b: __m256) -> __m256 = _mm256_mul_ps(a, b);
        fn div(a: __m256, b: __m256) -> __m256 = _mm256_div_ps(a, b);
        fn mul_add(a: __m256, b: __m256, c: __m256) -> __m256 = _mm256_fmadd_ps(a, b, c);
        fn max(a: __m256, b: __m256) -> __m256 = _mm256_max_ps(a, b);
        fn min(a: __m256, b: __m256) -> __m256 = _mm256_min_ps(a, b);
        fn splat(x: f32) -> __m256 = _mm256_set1_ps(x);
        unsafe fn load_ptr(from: *const f32) -> __m256 = _mm256_loadu_ps(from);
        unsafe fn load_masked(from: *const f32, mask: __m256i) -> __m256 = _mm256_maskload_ps(from, mask);
        unsafe fn store_ptr(to: *mut f32, v: __m256) = _mm256_storeu_ps(to, v);
        unsafe fn store_masked(to: *mut f32, v: __m256, mask: __m256i) = _mm256_maskstore_ps(to, mask, v);
        unsafe fn load_f16_ptr(from: *const u16) -> __m256 = _mm256_cvtph_ps(_mm_loadu_si128(from.cast()));
    }
    #[inline(always)]
    unsafe fn load_f16_partial(self, from: *const u16, n: usize) -> __m256 {
        // SAFETY: the caller's promise; `self` is proof of the instruction set.
        unsafe {
            match n {
                8 => self.load_f16_ptr(from),
                // There are no masks for 16-bit elements; the sizes of most heads are multiples of four.
                4 => _mm256_cvtph_ps(_mm_loadl_epi64(from.cast())),
                _ => {
                    let mut lanes = [0u16; 8];
                    lanes.as_mut_ptr().copy_from_nonoverlapping(from, n);
                    self.load_f16_ptr(lanes.as_ptr())
                }
            }
        }
    }
    intrinsics! {
        unsafe fn store_f16_ptr(to: *mut u16, v: __m256) =
            _mm_storeu_si128(to.cast(), _mm256_cvtps_ph::<_MM_FROUND_TO_NEAREST_INT>(v));
    }
    #[inline(always)]
    fn first(self, n: usize) -> __m256i {
        let window = &MASKS[8 - n.min(8)..][..8];
        // SAFETY: the window holds eight i32; `self` is proof of the instruction set.
        unsafe { _mm256_loadu_si256(window.as_ptr().cast()) }
    }
    #[inline(always)]
    fn larger_magnitude(self, a: __m256, b: __m256) -> __m256 {
        // SAFETY: `self` is proof of the instruction set. Without signs, numbers are ordered as their bits are.
        unsafe {
            let bits = _mm256_and_si256(_mm256_castps_si256(b), _mm256_set1_epi32(i32::MAX));
            _mm256_castsi256_ps(_mm256_max_epi32(_mm256_castps_si256(a), bits))
        }
    }
    #[inline(always)]
    fn largest_magnitude(self, a: __m256) -> f32 {
        // SAFETY: `self` is proof of the instruction set.
        unsafe {
            let bits = _mm256_castps_si256(a);
            let half = _mm_max_epi32(_mm256_castsi256_si128(bits), _mm256_extracti128_si256::<1>(bits));
            let quarter = _mm_max_epi32(half, _mm_shuffle_epi32::<0b01_00_11_10>(half));
            let one = _mm_max_epi32(quarter, _mm_shuffle_epi32::<0b10_11_00_01>(quarter));
            f32::from_bits(_mm_cvtsi128_si32(one) as u32)
        }
    }
    intrinsics! {
        fn round(a: __m256) -> __m256 = _mm256_round_ps::<{ _MM_FROUND_TO_NEAREST_INT | _MM_FROUND_NO_EXC }>(a);
    }
    #[inline(always)]
    fn scale_by_power(self, a: __m256, n: __m256) -> __m256 {
        // SAFETY: `self` is proof of the instruction set.
        unsafe {
            // The exponent field of 2^n; at n = -127 it is that of zero.
            let n = _mm256_cvtps_epi32(_mm256_max_ps(n, _mm256_set1_ps(-127.0)));
            let power = _mm256_slli_epi32::<23>(_mm256_add_epi32(n, _mm256_set1_epi32(127)));
            _mm256_mul_ps(a, _mm256_castsi256_ps(power))
        }
    }
    #[inline(always)]
    fn split_exponent(self, a: __m256) -> (__m256, __m256) {
        // SAFETY: `self` is proof of the instruction set.
        unsafe {
            let bits = _mm256_castps_si256(a);
            let exponent =
                _mm256_srai_epi32::<23>(_mm256_sub_epi32(bits, _mm256_set1_epi32(ROOT_BITS as i32)));
            let mantissa = _mm256_sub_epi32(bits, _mm256_slli_epi32::<23>(exponent));
            (_mm256_castsi256_ps(mantissa), _mm256_cvtepi32_ps(exponent))
        }
    }
    intrinsics! {
        fn select(mask: __m256i, a: __m256, b: __m256) -> __m256 =
            _mm256_blendv_ps(b, a, _mm256_castsi256_ps(mask));
        fn greater(a: __m256, b: __m256) -> __m256i = _mm256_castps_si256(_mm256_cmp_ps::<_CMP_GT_OQ>(a, b));
        fn any_greater(a: __m256, b: __m256) -> bool =
            _mm256_movemask_ps(_mm256_cmp_ps::<_CMP_GT_OQ>(a, b)) != 0;
    }
    #[inline(always)]
    unsafe fn store_lowest_bytes_ptr(self, to: *mut u8, v: [__m256; 4]) {
        // SAFETY: the caller's promise; `self` is proof of the instruction set.
        unsafe {
            let [a, b, c, d] = v.map(|v| _mm256_castps_si256(v));
            let lowest = _mm256_set1_epi32(0xff);
            let low = |v| _mm256_and_si256(v, lowest);
            let ab = _mm256_or_si256(low(a), _mm256_slli_epi32::<8>(low(b)));
            let cd = _mm256_or_si256(_mm256_slli_epi32::<16>(low(c)), _mm256_slli_epi32::<24>(d));
            _mm256_storeu_si256(to.cast(), _mm256_or_si256(ab, cd));
        }
    }
    #[inline(always)]
    unsafe fn store_bytes_ptr(self, to: *mut u8, v: __m256, n: usize) {
        // SAFETY: the caller's promise; `self` is proof of the instruction set. The shuffle gathers four bytes in
        // each half.
        unsafe {
            let pick = _mm256_set1_epi64x(0x0000_0000_0c08_0400);
            let halves = _mm256_shuffle_epi8(_mm256_castps_si256(v), pick);
            let low = _mm256_castsi256_si128(halves);
            let bytes = _mm_unpacklo_epi32(low, _mm256_extracti128_si256::<1>(halves));
            if n >= 8 {
                _mm_storel_epi64(to.cast(), bytes);
            } else {
                let bytes = _mm_cvtsi128_si64(bytes).to_le_bytes();
                std::ptr::copy_nonoverlapping(bytes.as_ptr(), to, n);
            }
        }
    }
    #[inline(always)]
    unsafe fn transpose_square(self, from: *const f32, from_stride: usize, to: *mut f32, to_stride: usize) {
        // SAFETY: the caller's promise; `self` is proof of the instruction set.
        unsafe {
            for q in 0..2 {
                // Halves of rows r and r + 4 share a register, so that shuffles within halves finish the square.
                let mut rows = [_mm256_setzero_ps(); 4];
                for (r, row) in rows.iter_mut().enumerate() {
                    let low = _mm_loadu_ps(from.add(r * from_stride + 4 * q));
                    let high = _mm_loadu_ps(from.add((r + 4) * from_stride + 4 * q));
                    *row = _mm256_insertf128_ps::<1>(_mm256_castps128_ps256(low), high);
                }
                let (a, b) = (_mm256_unpacklo_ps(rows[0], rows[1]), _mm256_unpackhi_ps(rows[0], rows[1]));
                let (c, d) = (_mm256_unpacklo_ps(rows[2], rows[3]), _mm256_unpackhi_ps(rows[2], rows[3]));
                let columns = [
                    _mm256_shuffle_ps::<0x44>(a, c),
                    _mm256_shuffle_ps::<0xee>(a, c),
                    _mm256_shuffle_ps::<0x44>(b, d),
                    _mm256_shuffle_ps::<0xee>(b, d),
                ];
                for (r, &column) in columns.iter().enumerate() {
                    _mm256_storeu_ps(to.add((4 * q + r) * to_stride), column);
                }
            }
        }
    }
    #[inline(always)]
    fn sum(self, a: __m256) -> f32 {
        // SAFETY: `self` is proof of the instruction set.
        unsafe {
            let half = _mm_add_ps(_mm256_castps256_ps128(a), _mm256_extractf128_ps::<1>(a));
            let quarter = _mm_add_ps(half, _mm_movehl_ps(half, half));
            _mm_cvtss_f32(_mm_add_ss(quarter, _mm_movehdup_ps(quarter)))
        }
    }
    #[inline(always)]
    fn max_lane(self, a: __m256) -> f32 {
        // SAFETY: `self` is proof of the instruction set.
        unsafe {
            let half = _mm_max_ps(_mm256_castps256_ps128(a), _mm256_extractf128_ps::<1>(a));
            let quarter = _mm_max_ps(half, _mm_movehl_ps(half, half));
            _mm_cvtss_f32(_mm_max_ss(quarter, _mm_movehdup_ps(quarter)))
        }
    }
}
