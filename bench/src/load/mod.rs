//! An open-loop load on a server's native WebSocket protocol: what clients see, whatever the server does about it.
//!
//! Every 20 ms of every stream is due at a time that nobody can move: neither a slow connection, nor a slow server, nor another
//! stream. Latencies count from there.

pub mod account;
pub mod arrivals;
pub mod beyond;
pub mod echo;
pub mod feeder;
pub mod idle;
pub mod process;
pub mod run;
pub mod stream;
