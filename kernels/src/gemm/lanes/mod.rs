//! Sixteen f32 values side by side: the one type that the tiles are written in.

#[cfg(target_arch = "x86_64")]
mod avx2;
#[cfg(target_arch = "x86_64")]
mod avx512;
#[cfg(target_arch = "aarch64")]
mod neon;
mod scalar;

#[cfg(target_arch = "x86_64")]
pub(super) use avx2::Avx2;
#[cfg(target_arch = "x86_64")]
pub(super) use avx512::Avx512;
#[cfg(target_arch = "aarch64")]
pub(super) use neon::Neon;
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
    /// `self + a * b`, fused where the instruction set has it.
    unsafe fn add_product(self, a: Self, b: Self) -> Self;
}
