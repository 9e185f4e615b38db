//! Sums of products of bytes, for a panel of weights.

use super::panel::{LINE, PANEL, Panels, STEP, TileShape};
use super::six_bits::{GROUP_BYTES, STEPS, unpack};
use super::target::Target;

/// The panel that the sums of an instruction set become.
pub(crate) type PanelOf<D> = <<D as Dots>::Simd as Panels>::Panel;

/// Sixteen exact i32 sums of 8-bit products, for one panel of weights laid out as `[inputs / 4][16][4]`.
pub(crate) trait Dots: Target {
    /// Vectors of f32 on the same machine.
    type Simd: Panels;
    /// The sums of one row and one panel.
    type Sums: Copy;
    /// One step of one panel: four weights for each of sixteen outputs.
    type Weights: Copy;
    /// One step of one row: four inputs.
    type Inputs: Copy;
    /// What the registers hold.
    const TILE: TileShape;
    /// Rows for which eight sums of each output fit into the registers.
    const ROWS_OF_CHAINS: usize;
    /// The input whose products with weights, where sums start without corrections, are the weights themselves: other
    /// than 1 only where instructions take the inputs as they are meant.
    const ONE: u8 = 1;

    /// The target of the vectors.
    fn simd(self) -> Self::Simd;
    /// The sums of no products at all. `corrections` are -128 times the sum of an output's weights, for instruction sets
    /// that take the inputs as they are stored (128 too large).
    fn start(self, corrections: &[i32; PANEL]) -> Self::Sums;
    /// Sums that start as they are given, whichever way the inputs are taken.
    #[inline(always)]
    fn start_with(self, sums: &[i32; PANEL]) -> Self::Sums {
        self.start(sums)
    }
    /// One step's weights.
    fn weights(self, step: &[i8; LINE]) -> Self::Weights;
    /// The weights of four steps, each four times its value, as [`unpack`] takes them.
    #[inline(always)]
    fn six_bit_weights(self, group: &[u8; GROUP_BYTES]) -> [Self::Weights; STEPS] {
        let steps = unpack(group);
        std::array::from_fn(|step| self.weights(&steps[step]))
    }
    /// Four inputs, each stored 128 too large.
    fn inputs(self, a: [u8; STEP]) -> Self::Inputs;
    /// Adds the products of four inputs with the weights of each output.
    fn add(self, sums: Self::Sums, a: Self::Inputs, w: Self::Weights) -> Self::Sums;
    /// The sums of both.
    fn join(self, a: Self::Sums, b: Self::Sums) -> Self::Sums;
    /// The sums, converted (rounded to the nearest where they exceed 24 bits).
    fn finish(self, sums: Self::Sums) -> PanelOf<Self>;
}
