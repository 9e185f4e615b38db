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

mod call;
mod drive;
mod epilogue;
pub mod f32;
pub mod i8;
mod lanes;
mod quantize;

pub use epilogue::{Activation, Epilogue};

/// Outputs in one panel of packed weights. One cache line of f32, one AVX-512 register. The same for every
/// instruction set, so that a packed file can be mapped on any of them.
pub const PANEL: usize = 16;

/// The products of one instruction set.
#[derive(Clone, Copy)]
pub struct Functions {
    f32: f32::Function,
    i8: i8::Function,
    quantize: quantize::Function,
}

pub(crate) const SCALAR: Functions =
    Functions { f32: f32::SCALAR, i8: i8::SCALAR, quantize: quantize::SCALAR };
#[cfg(target_arch = "x86_64")]
pub(crate) const AVX2: Functions = Functions { f32: f32::AVX2, i8: i8::BEST_AVX2, quantize: quantize::AVX2 };
#[cfg(target_arch = "x86_64")]
pub(crate) const AVX512: Functions =
    Functions { f32: f32::AVX512, i8: i8::AVX512, quantize: quantize::AVX512 };
#[cfg(target_arch = "aarch64")]
pub(crate) const NEON: Functions = Functions { f32: f32::NEON, i8: i8::BEST_NEON, quantize: quantize::NEON };
