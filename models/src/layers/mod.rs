//! What networks are made of, packed for the kernels.

mod integers;
pub mod linear;
pub(crate) mod matrix;
pub mod precision;
