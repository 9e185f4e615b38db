//! Audio before it enters a stream: sample formats, resampling to the engine's rate, and reading files.
//!
//! Everything here runs on the caller's thread. Nothing trusts a header: a file is decoded correctly or
//! refused with an error that says what is wrong and where.

#[cfg(feature = "files")]
mod codec;
#[cfg(feature = "files")]
mod error;
#[cfg(feature = "files")]
pub mod file;
#[cfg(feature = "files")]
mod ogg;
pub mod pcm;
pub mod resample;
#[cfg(feature = "files")]
mod wav;

/// The rate of all audio inside the engine, in Hz.
pub const ENGINE_RATE_HZ: u32 = 16_000;

/// The lowest sample rate that is taken, in Hz.
pub const MIN_RATE_HZ: u32 = 4_000;

/// The highest sample rate that is taken, in Hz.
pub const MAX_RATE_HZ: u32 = 192_000;
