//! Features → hidden frames.

pub mod emformer;
pub mod moonshine;
