//! Matrix products `out = activation(rows · weightsᵀ + bias)` with weights packed once at load.
//!
//! What every product here guarantees:
//! - A row's result does not depend on how many rows are in the call, nor on its place among them: each
//!   output is summed over the inputs in one running order, whatever the tile. Bit-exact within one
//!   instruction set.
//! - No allocation; rows may overlap in the input ([`Rows`](crate::rows::Rows)), never in the output.
//!
//! All precisions share one packed geometry, *panels* of [`PANEL`] outputs, one driver (blocking and
//! remainders) and one epilogue; they differ only in the inner product of a tile.

mod drive;
mod epilogue;
pub mod f32;
mod lanes;

pub use epilogue::{Activation, Epilogue};

/// Outputs in one panel of packed weights. One cache line of f32, one AVX-512 register. The same for every
/// instruction set, so that a packed file can be mapped on any of them.
pub const PANEL: usize = 16;

/// The products of one instruction set.
#[derive(Clone, Copy)]
pub struct Functions {
    /// See [`f32::gemm`].
    pub f32: f32::Function,
}

pub(crate) const SCALAR: Functions = Functions { f32: f32::SCALAR };
#[cfg(target_arch = "x86_64")]
pub(crate) const AVX2: Functions = Functions { f32: f32::AVX2 };
#[cfg(target_arch = "x86_64")]
pub(crate) const AVX512: Functions = Functions { f32: f32::AVX512 };
#[cfg(target_arch = "aarch64")]
pub(crate) const NEON: Functions = Functions { f32: f32::NEON };
