//! A production server around Voxlane's lanes.
//!
//! The hot path stays on the lanes' pinned threads; the network lives on tokio's threads on other cores, and the two meet only
//! in the library's session API. [`Server::start`] shows the main flow. From the bottom up:
//!
//! - [`config`], [`metrics`]: settings, and what is counted.
//! - [`tls`]: the certificate.
//! - [`access`]: who a client is and what it may do.
//! - [`audio`]: samples without a header, in messages of any length.
//! - [`admission`]: who gets a slot of the engine, and when.
//! - [`session`]: a client's stream as every protocol has it.
//! - [`services`]: all of these, put together.
//! - [`recording`]: files that clients upload.
//! - [`network`]: threads, connections, and what all requests have in common.
//! - [`protocols`]: what clients speak.
//! - [`operation`]: what an operator sees and says.
//! - [`page`]: what a person sees in a browser.
//!
//! # What a client can count on
//! - Nothing that was accepted is lost without being told: audio that was taken gets its final, or an error says so.
//! - Who is refused is told why, and when trying again may help.
//! - Nothing grows: every line is bounded, and who does not read is disconnected.
//! - Neither keys nor what is said is ever logged.

#![forbid(unsafe_code)]

pub mod access;
pub mod admission;
pub mod audio;
pub mod close_code;
pub mod config;
mod error;
pub mod lifecycle;
pub mod metrics;
pub mod network;
pub mod operation;
pub mod page;
pub mod protocols;
pub mod recording;
mod server;
pub mod services;
pub mod session;
pub mod tls;

pub use error::ServerError;
pub use server::{DrainReport, Server};
