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
pub mod given;
pub mod i6;
pub mod i8;
pub mod integer;
pub(crate) mod quantize;

pub use epilogue::{Activation, Epilogue};

pub use crate::arch::panel::PANEL;
