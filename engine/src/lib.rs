//! The engine.

pub mod audio;
pub mod cli;
pub mod host;
