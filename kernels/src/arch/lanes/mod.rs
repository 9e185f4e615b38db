//! Sixteen f32 values side by side: the one type that the tiles are written in.

#[cfg(target_arch = "x86_64")]
mod avx2;
#[cfg(target_arch = "x86_64")]
mod avx512;
#[cfg(target_arch = "aarch64")]
mod neon;
mod scalar;

#[cfg(target_arch = "x86_64")]
pub(crate) use avx2::{Avx2, AvxVnni};
#[cfg(target_arch = "x86_64")]
pub(crate) use avx512::Avx512;
#[cfg(target_arch = "aarch64")]
pub(crate) use neon::{Neon, NeonDot};
pub(crate) use scalar::Scalar;

mod sixes;

/// Outputs in one panel of packed weights. One cache line of f32, one AVX-512 register. The same for every
/// instruction set, so that a packed file fits all of them.
pub const PANEL: usize = 16;

pub(crate) use sixes::{GROUP_BYTES, LINE, STEPS, unpack};

/// Something to run with an instruction set enabled. Its `run` must be inlined, to be compiled for it.
pub(crate) trait Task {
    /// Runs it.
    ///
    /// # Safety
    /// As the task says.
    unsafe fn run(self);
}

/// Sixteen f32 lanes of one instruction set.
///
/// # Safety of its functions
/// All but `enter` are inlined into a function that enables the instruction set; calling one on a machine
/// without it is undefined behaviour. Pointers must be good for the values named; alignment is never needed.
pub(crate) trait Lanes: Copy {
    /// Rows of the tile that fills this instruction set's registers.
    const TILE_ROWS: usize;
    /// Panels of that tile.
    const TILE_PANELS: usize;
    /// Panels of a tile of one or two rows.
    const TILE_PANELS_OF_FEW: usize;

    /// Runs a task with the instruction set enabled.
    unsafe fn enter(task: impl Task);
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
    /// Asks for the cache line at `p`, which may be any address, in the second-level cache.
    unsafe fn prefetch<T>(p: *const T);
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
pub(crate) trait Dots {
    /// Lanes that the sums become.
    type Lanes: Lanes;
    /// The sums of one row and one panel.
    type Sums: Copy;
    /// One step of one panel: four weights for each of sixteen outputs.
    type Weights: Copy;
    /// One step of one row: four inputs.
    type Inputs: Copy;
    /// Rows of the tile that fills the registers.
    const TILE_ROWS: usize;
    /// Panels of that tile.
    const TILE_PANELS: usize;
    /// Panels of a tile of one or two rows.
    const TILE_PANELS_OF_FEW: usize;
    /// Rows for which eight sums of each output fit into the registers.
    const ROWS_OF_CHAINS: usize;
    /// The input whose products with weights, where sums start without corrections, are the weights themselves: other
    /// than 1 only where instructions take the inputs as they are meant.
    const ONE: u8 = 1;

    /// Runs a task with the instruction set enabled.
    unsafe fn enter(task: impl Task);
    /// The sums of no products at all. `corrections` are sixteen values of -128 times the sum of an output's
    /// weights, for instruction sets that take the inputs as they are stored (128 too large).
    unsafe fn start(corrections: *const i32) -> Self::Sums;
    /// 64 weights from `p`.
    unsafe fn weights(p: *const i8) -> Self::Weights;
    /// The weights of four steps, each four times its value, from the bytes at `p`, as [`unpack`] takes them.
    #[inline(always)]
    unsafe fn sixes(p: *const u8) -> [Self::Weights; 4] {
        // SAFETY: the trait's contract: a whole group.
        let steps = unpack(unsafe { &*p.cast() });
        // SAFETY: 64 weights; the result holds copies.
        std::array::from_fn(|step| unsafe { Self::weights(steps[step].as_ptr()) })
    }
    /// Four inputs from `p`, each stored 128 too large.
    unsafe fn inputs(p: *const u8) -> Self::Inputs;
    /// Adds the products of four inputs with the weights of each output.
    unsafe fn add(sums: Self::Sums, a: Self::Inputs, w: Self::Weights) -> Self::Sums;
    /// The sums of both.
    unsafe fn join(a: Self::Sums, b: Self::Sums) -> Self::Sums;
    /// The sums, converted (rounded to the nearest where they exceed 24 bits).
    unsafe fn finish(sums: Self::Sums) -> Self::Lanes;
}
