//! Sums of 8-bit products in one 512-bit register.

use super::Avx512;
use crate::arch::dots::Dots;
use crate::arch::panel::{LINE, PANEL, STEP, TileShape};
use crate::arch::six_bits::GROUP_BYTES;
use crate::arch::target::intrinsics;
use std::arch::x86_64::*;

impl Dots for Avx512 {
    type Simd = Self;
    type Sums = __m512i;
    type Weights = __m512i;
    type Inputs = __m512i;
    const TILE: TileShape = TileShape { rows: 8, panels: 3, panels_of_few: 6 };
    const ROWS_OF_CHAINS: usize = 2;

    intrinsics! {
        fn start(corrections: &[i32; PANEL]) -> __m512i = _mm512_loadu_si512(corrections.as_ptr().cast());
        fn weights(step: &[i8; LINE]) -> __m512i = _mm512_loadu_si512(step.as_ptr().cast());
        fn inputs(a: [u8; STEP]) -> __m512i = _mm512_set1_epi32(i32::from_ne_bytes(a));
        fn add(sums: __m512i, a: __m512i, w: __m512i) -> __m512i = _mm512_dpbusd_epi32(sums, a, w);
        fn join(a: __m512i, b: __m512i) -> __m512i = _mm512_add_epi32(a, b);
        fn finish(sums: __m512i) -> [__m512; 1] = [_mm512_cvtepi32_ps(sums)];
    }
    fn simd(self) -> Self {
        self
    }
    #[inline(always)]
    fn six_bit_weights(self, group: &[u8; GROUP_BYTES]) -> [__m512i; 4] {
        // SAFETY: `self` is proof of the instruction set; a group is three times 64 bytes. Shifts move bits into
        // neighboring bytes only where they are then left out.
        unsafe {
            let [first, second, upper] =
                [0, 64, 128].map(|at| _mm512_loadu_si512(group.as_ptr().add(at).cast()));
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
}
