//! The engine.

pub mod audio;
