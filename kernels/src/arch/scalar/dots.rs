//! Sums of 8-bit products, one after the other.

use super::Scalar;
use crate::arch::dots::Dots;
use crate::arch::panel::{LINE, PANEL, STEP, TileShape};

impl Dots for Scalar {
    type Simd = Self;
    type Sums = [i32; PANEL];
    type Weights = [i8; LINE];
    type Inputs = [u8; STEP];
    const TILE: TileShape = TileShape { rows: 2, panels: 1, panels_of_few: 1 };
    const ROWS_OF_CHAINS: usize = 0;

    fn simd(self) -> Self {
        self
    }
    #[inline(always)]
    fn start(self, corrections: &[i32; PANEL]) -> [i32; PANEL] {
        *corrections
    }
    #[inline(always)]
    fn weights(self, step: &[i8; LINE]) -> [i8; LINE] {
        *step
    }
    #[inline(always)]
    fn inputs(self, a: [u8; STEP]) -> [u8; STEP] {
        a
    }
    #[inline(always)]
    fn add(self, sums: [i32; PANEL], a: [u8; STEP], w: [i8; LINE]) -> [i32; PANEL] {
        let product = |i: usize, j: usize| i32::from(a[j]) * i32::from(w[STEP * i + j]);
        std::array::from_fn(|i| sums[i] + (0..STEP).map(|j| product(i, j)).sum::<i32>())
    }
    #[inline(always)]
    fn join(self, a: [i32; PANEL], b: [i32; PANEL]) -> [i32; PANEL] {
        std::array::from_fn(|i| a[i] + b[i])
    }
    #[inline(always)]
    fn finish(self, sums: [i32; PANEL]) -> [[f32; 8]; 2] {
        std::array::from_fn(|v| std::array::from_fn(|i| sums[8 * v + i] as f32))
    }
}
