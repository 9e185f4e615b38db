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

pub mod bf16;
mod call;
mod drive;
mod epilogue;
pub mod f32;
mod float;
pub mod i4;
pub mod i6;
pub mod i8;
pub mod integer;
pub(crate) mod lanes;
pub(crate) mod quantize;

pub use epilogue::{Activation, Epilogue};

/// Outputs in one panel of packed weights. One cache line of f32, one AVX-512 register. The same for every
/// instruction set, so that a packed file can be mapped on any of them.
pub const PANEL: usize = 16;

/// The products of one instruction set.
#[derive(Clone, Copy)]
pub struct Functions {
    f32: f32::Function,
    bf16: bf16::Function,
    i8: i8::Function,
    i6: i6::Function,
    i4: i4::Function,
    quantize: quantize::Function,
}

macro_rules! functions {
    ($name:ident, $set:ident, $dots:ident) => {
        pub(crate) const $name: Functions = Functions {
            f32: f32::$name,
            bf16: bf16::$name,
            i8: i8::$dots,
            i6: i6::$dots,
            i4: i4::$name,
            quantize: quantize::$set::quantize,
        };
    };
}
functions!(SCALAR, scalar, SCALAR);
#[cfg(target_arch = "x86_64")]
functions!(AVX2, avx2, BEST_AVX2);
#[cfg(target_arch = "x86_64")]
functions!(AVX512, avx512, AVX512);
#[cfg(target_arch = "aarch64")]
functions!(NEON, neon, BEST_NEON);
