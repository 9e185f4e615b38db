//! The model manager against a local hub, stand-ins for npm and pip, damaged files and rivals.
#![cfg(all(feature = "fetch", unix))]

mod cache;
mod hub;
mod packages;
mod real;
mod server;
mod toy;
