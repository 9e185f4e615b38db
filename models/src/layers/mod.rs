//! What networks are made of, packed for the kernels.

pub(crate) mod check;
pub mod conv;
mod integers;
pub(crate) mod kv_cache;
pub mod linear;
pub(crate) mod matrix;
pub mod norm;
pub mod precision;
pub(crate) mod rotary;
pub(crate) mod smooth_quant;
pub mod static_grid;
