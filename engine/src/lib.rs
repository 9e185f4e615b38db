//! The engine.

pub mod audio;
#[cfg(feature = "cli")]
pub mod cli;
pub mod host;
