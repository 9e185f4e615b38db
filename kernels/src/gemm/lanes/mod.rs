//! Sixteen f32 values side by side: the one type that the tiles are written in.

#[cfg(target_arch = "x86_64")]
mod avx2;
#[cfg(target_arch = "x86_64")]
mod avx512;
#[cfg(target_arch = "aarch64")]
mod neon;
mod scalar;

#[cfg(target_arch = "x86_64")]
pub(super) use avx2::{Avx2, AvxVnni};
#[cfg(target_arch = "x86_64")]
pub(super) use avx512::Avx512;
#[cfg(target_arch = "aarch64")]
pub(super) use neon::{Neon, NeonDot};
pub(super) use scalar::Scalar;

/// Sixteen f32 lanes of one instruction set.
///
/// # Safety of its functions
/// All are inlined into a function that enables the instruction set; calling one on a machine without it is
/// undefined behaviour. Pointers must be good for the values named; alignment is never needed.
pub(super) trait Lanes: Copy {
    /// Rows of the tile that fills this instruction set's registers.
    const TILE_ROWS: usize;
    /// Panels of that tile.
    const TILE_PANELS: usize;

    /// The same value in all lanes.
    unsafe fn splat(value: f32) -> Self;
    /// Sixteen values from `p`.
    unsafe fn load(p: *const f32) -> Self;
    /// The first `n <= 16` values from `p`, zeros behind them; reads nothing else.
    unsafe fn load_first(p: *const f32, n: usize) -> Self;
    /// Sixteen values to `p`.
    unsafe fn store(self, p: *mut f32);
    /// The first `n <= 16` lanes to `p`; writes nothing else.
    unsafe fn store_first(self, p: *mut f32, n: usize);
    /// `self + other`.
    unsafe fn add(self, other: Self) -> Self;
    /// `self * other`.
    unsafe fn mul(self, other: Self) -> Self;
    /// `self + a * b`, fused where the instruction set has it.
    unsafe fn add_product(self, a: Self, b: Self) -> Self;
}

/// Sixteen exact i32 sums of 8-bit products, for one panel of weights laid out as `[inputs / 4][16][4]`.
///
/// # Safety of its functions
/// As for [`Lanes`].
pub(super) trait Dots {
    /// Lanes that the sums become.
    type Lanes: Lanes;
    /// The sums of one row and one panel.
    type Sums: Copy;
    /// One step of one panel: four weights for each of sixteen outputs.
    type Weights: Copy;
    /// Rows of the tile that fills the registers.
    const TILE_ROWS: usize;
    /// Panels of that tile.
    const TILE_PANELS: usize;

    /// The sums of no products at all. `corrections` are sixteen values of -128 times the sum of an output's
    /// weights, for instruction sets that take the inputs as they are stored (128 too large).
    unsafe fn start(corrections: *const i32) -> Self::Sums;
    /// 64 weights from `p`.
    unsafe fn weights(p: *const i8) -> Self::Weights;
    /// Adds the products of four inputs from `a` (each stored 128 too large) with `w`.
    unsafe fn add(sums: Self::Sums, a: *const u8, w: Self::Weights) -> Self::Sums;
    /// The sums, converted (rounded to the nearest where they exceed 24 bits).
    unsafe fn finish(sums: Self::Sums) -> Self::Lanes;
}
