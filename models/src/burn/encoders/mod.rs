//! Features → hidden frames.

pub mod moonshine;
