//! A production server around Voxlane's lanes.
//!
//! The hot path stays on the lanes' pinned threads; the network lives on tokio's threads on other cores, and the two meet only
//! in the library's session API. From the bottom up:
//!
//! - [`config`], [`metrics`]: settings, and what is counted.
//! - [`access`]: who a client is and what it may do.
//! - [`audio`]: samples without a header, in messages of any length.
//! - [`admission`]: who gets a slot of the engine, and when.
//! - [`session`]: a client's stream as every protocol has it.

#![forbid(unsafe_code)]

pub mod access;
pub mod admission;
pub mod audio;
pub mod close_code;
pub mod config;
pub mod lifecycle;
pub mod metrics;
pub mod network;
pub mod services;
pub mod session;
