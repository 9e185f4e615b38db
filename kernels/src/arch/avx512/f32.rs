//! Vectors of sixteen in AVX-512 registers.

use super::Avx512;
use crate::arch::panel::{Panels, TileShape};
use crate::arch::simd::{ROOT_BITS, Simd};
use crate::arch::target::intrinsics;
use std::arch::x86_64::*;

impl Panels for Avx512 {
    type Panel = [__m512; 1];
    // 24 accumulators, three weight registers and one input: 28 of 32.
    const TILE: TileShape = TileShape { rows: 8, panels: 3, panels_of_few: 6 };
}

impl Simd for Avx512 {
    const LANES: usize = 16;
    const REGISTERS: usize = 32;
    const FUSES: bool = true;
    type F = __m512;
    type M = __mmask16;

    #[inline(always)]
    fn prefetch(self, from: *const u8) {
        // SAFETY: any address may be fetched.
        unsafe { _mm_prefetch::<_MM_HINT_T1>(from.cast()) }
    }
    intrinsics! {
        fn add(a: __m512, b: __m512) -> __m512 = _mm512_add_ps(a, b);
        fn sub(a: __m512, b: __m512) -> __m512 = _mm512_sub_ps(a, b);
        fn mul(a: __m512, b: __m512) -> __m512 = _mm512_mul_ps(a, b);
        fn div(a: __m512, b: __m512) -> __m512 = _mm512_div_ps(a, b);
        fn mul_add(a: __m512, b: __m512, c: __m512) -> __m512 = _mm512_fmadd_ps(a, b, c);
        fn max(a: __m512, b: __m512) -> __m512 = _mm512_max_ps(a, b);
        fn min(a: __m512, b: __m512) -> __m512 = _mm512_min_ps(a, b);
        fn scale_by_power(a: __m512, n: __m512) -> __m512 = _mm512_scalef_ps(a, n);
        fn splat(x: f32) -> __m512 = _mm512_set1_ps(x);
        unsafe fn load_ptr(from: *const f32) -> __m512 = _mm512_loadu_ps(from);
        unsafe fn load_masked(from: *const f32, mask: __mmask16) -> __m512 = _mm512_maskz_loadu_ps(mask, from);
        unsafe fn store_ptr(to: *mut f32, v: __m512) = _mm512_storeu_ps(to, v);
        unsafe fn store_masked(to: *mut f32, v: __m512, mask: __mmask16) = _mm512_mask_storeu_ps(to, mask, v);
        unsafe fn load_f16_ptr(from: *const u16) -> __m512 = _mm512_cvtph_ps(_mm256_loadu_si256(from.cast()));
    }
    #[inline(always)]
    unsafe fn load_f16_partial(self, from: *const u16, n: usize) -> __m512 {
        // SAFETY: the caller's promise; lanes outside the mask are not read.
        unsafe { _mm512_cvtph_ps(_mm256_maskz_loadu_epi16(self.first(n), from.cast())) }
    }
    #[inline(always)]
    unsafe fn store_f16_ptr(self, to: *mut u16, v: __m512) {
        // SAFETY: the caller's promise; `self` is proof of the instruction set.
        unsafe {
            _mm256_storeu_si256(
                to.cast(),
                _mm512_cvtps_ph::<{ _MM_FROUND_TO_NEAREST_INT | _MM_FROUND_NO_EXC }>(v),
            )
        }
    }
    #[inline(always)]
    fn first(self, n: usize) -> __mmask16 {
        if n >= 16 { !0 } else { (1u16 << n) - 1 }
    }
    #[inline(always)]
    fn larger_magnitude(self, a: __m512, b: __m512) -> __m512 {
        // SAFETY: `self` is proof of the instruction set. Without signs, numbers are ordered as their bits are.
        unsafe {
            let bits = _mm512_and_si512(_mm512_castps_si512(b), _mm512_set1_epi32(i32::MAX));
            _mm512_castsi512_ps(_mm512_max_epi32(_mm512_castps_si512(a), bits))
        }
    }
    intrinsics! {
        fn largest_magnitude(a: __m512) -> f32 =
            f32::from_bits(_mm512_reduce_max_epi32(_mm512_castps_si512(a)) as u32);
        fn round(a: __m512) -> __m512 =
            _mm512_roundscale_ps::<{ _MM_FROUND_TO_NEAREST_INT | _MM_FROUND_NO_EXC }>(a);
    }
    #[inline(always)]
    fn split_negative(self, a: __m512) -> (__m512, __m512) {
        // Scaling rounds exponents down by itself. SAFETY: `self` is proof of the instruction set.
        (a, unsafe { _mm512_reduce_ps::<{ _MM_FROUND_TO_NEG_INF | _MM_FROUND_NO_EXC }>(a) })
    }
    #[inline(always)]
    fn split_exponent(self, a: __m512) -> (__m512, __m512) {
        // SAFETY: `self` is proof of the instruction set.
        unsafe {
            let bits = _mm512_castps_si512(a);
            let exponent =
                _mm512_srai_epi32::<23>(_mm512_sub_epi32(bits, _mm512_set1_epi32(ROOT_BITS as i32)));
            let mantissa = _mm512_sub_epi32(bits, _mm512_slli_epi32::<23>(exponent));
            (_mm512_castsi512_ps(mantissa), _mm512_cvtepi32_ps(exponent))
        }
    }
    intrinsics! {
        fn select(mask: __mmask16, a: __m512, b: __m512) -> __m512 = _mm512_mask_blend_ps(mask, b, a);
        fn greater(a: __m512, b: __m512) -> __mmask16 = _mm512_cmp_ps_mask::<_CMP_GT_OQ>(a, b);
        fn any_greater(a: __m512, b: __m512) -> bool = _mm512_cmp_ps_mask::<_CMP_GT_OQ>(a, b) != 0;
    }
    #[inline(always)]
    unsafe fn store_lowest_bytes_ptr(self, to: *mut u8, v: [__m512; 4]) {
        // SAFETY: the caller's promise; `self` is proof of the instruction set. Masks select the second, third
        // and fourth byte of each lane.
        unsafe {
            let [a, b, c, d] = v.map(|v| _mm512_castps_si512(v));
            let ab = _mm512_mask_mov_epi8(a, 0x2222_2222_2222_2222, _mm512_slli_epi32::<8>(b));
            let abc = _mm512_mask_mov_epi8(ab, 0x4444_4444_4444_4444, _mm512_slli_epi32::<16>(c));
            let abcd = _mm512_mask_mov_epi8(abc, 0x8888_8888_8888_8888, _mm512_slli_epi32::<24>(d));
            _mm512_storeu_si512(to.cast(), abcd);
        }
    }
    #[inline(always)]
    unsafe fn store_bytes_ptr(self, to: *mut u8, v: __m512, n: usize) {
        // SAFETY: the caller's promise; `self` is proof of the instruction set. Masked bytes are not written.
        unsafe {
            let bytes = _mm512_cvtepi32_epi8(_mm512_castps_si512(v));
            if n >= 16 {
                _mm_storeu_si128(to.cast(), bytes);
            } else {
                _mm_mask_storeu_epi8(to.cast(), self.first(n), bytes);
            }
        }
    }
    #[inline(always)]
    unsafe fn transpose_square(self, from: *const f32, from_stride: usize, to: *mut f32, to_stride: usize) {
        // SAFETY: the caller's promise; `self` is proof of the instruction set.
        unsafe {
            // Quarters of four rows at a time are loaded into one register, so that two rounds of shuffles
            // within quarters finish the square: rows r, r + 4, r + 8 and r + 12 at columns 4 q on.
            let mut v = [_mm512_setzero_ps(); 16];
            for q in 0..4 {
                for r in 0..4 {
                    let part = |k: usize| _mm_loadu_ps(from.add((r + 4 * k) * from_stride + 4 * q));
                    let low = _mm512_insertf32x4::<1>(_mm512_castps128_ps512(part(0)), part(1));
                    let low = _mm512_insertf32x4::<2>(low, part(2));
                    v[4 * q + r] = _mm512_insertf32x4::<3>(low, part(3));
                }
            }
            for q in 0..4 {
                let rows = &v[4 * q..][..4];
                let (a, b) = (_mm512_unpacklo_ps(rows[0], rows[1]), _mm512_unpackhi_ps(rows[0], rows[1]));
                let (c, d) = (_mm512_unpacklo_ps(rows[2], rows[3]), _mm512_unpackhi_ps(rows[2], rows[3]));
                let [a, b, c, d] = [a, b, c, d].map(|x| _mm512_castps_pd(x));
                let columns = [
                    _mm512_unpacklo_pd(a, c),
                    _mm512_unpackhi_pd(a, c),
                    _mm512_unpacklo_pd(b, d),
                    _mm512_unpackhi_pd(b, d),
                ];
                for (r, &column) in columns.iter().enumerate() {
                    _mm512_storeu_ps(to.add((4 * q + r) * to_stride), _mm512_castpd_ps(column));
                }
            }
        }
    }
    #[inline(always)]
    fn look_up(self, table: &[f32; 256], index: __m512) -> __m512 {
        // SAFETY: `self` is proof of the instruction set; a byte is an index into the table.
        unsafe {
            let index = _mm512_and_si512(_mm512_cvtps_epi32(index), _mm512_set1_epi32(255));
            _mm512_i32gather_ps::<4>(index, table.as_ptr().cast())
        }
    }
    intrinsics! {
        fn sum(a: __m512) -> f32 = _mm512_reduce_add_ps(a);
        fn max_lane(a: __m512) -> f32 = _mm512_reduce_max_ps(a);
    }
}
