//! Audio before it enters a stream: sample formats, resampling to the engine's rate, and reading files.
//!
//! Everything here runs on the caller's thread. Nothing trusts a header: what can be decoded is, and warnings and
//! errors say what is wrong and where.

#[cfg(feature = "files")]
mod aiff;
#[cfg(feature = "files")]
mod block;
#[cfg(feature = "files")]
mod caf;
#[cfg(feature = "files")]
mod chunk;
#[cfg(feature = "files")]
mod codec;
#[cfg(feature = "files")]
mod container;
#[cfg(feature = "files")]
mod decoder;
#[cfg(feature = "files")]
mod demux;
#[cfg(feature = "files")]
mod downmix;
#[cfg(feature = "files")]
mod error;
#[cfg(feature = "files")]
pub mod file;
#[cfg(feature = "files")]
mod format;
#[cfg(feature = "files")]
mod framing;
#[cfg(feature = "files")]
mod g711;
#[cfg(feature = "files")]
mod header;
#[cfg(feature = "files")]
mod input;
#[cfg(feature = "files")]
mod kind;
#[cfg(feature = "files")]
mod mix;
#[cfg(feature = "files")]
mod open;
#[cfg(feature = "files")]
mod opus;
pub mod pcm;
#[cfg(feature = "files")]
mod pieces;
#[cfg(feature = "files")]
mod rate;
#[cfg(feature = "files")]
mod raw;
#[cfg(feature = "files")]
mod raw_encoding;
#[cfg(feature = "files")]
mod reader;
pub mod resample;
#[cfg(feature = "files")]
mod resemblance;
#[cfg(feature = "files")]
mod sample;
#[cfg(feature = "files")]
mod source;
#[cfg(feature = "files")]
mod track;
#[cfg(feature = "files")]
mod uncompressed;
#[cfg(feature = "files")]
mod warning;
#[cfg(feature = "files")]
mod wav;

/// The rate of all audio inside the engine, in Hz.
pub const ENGINE_RATE_HZ: u32 = 16_000;

/// The lowest sample rate that is taken, in Hz.
pub const MIN_RATE_HZ: u32 = 4_000;

/// The highest sample rate that is taken, in Hz.
pub const MAX_RATE_HZ: u32 = 192_000;
