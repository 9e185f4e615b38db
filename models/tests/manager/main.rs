//! The model manager against a local hub, stand-ins for npm and pip, damaged files and rivals.
#![cfg(all(feature = "fetch", unix))]

mod cache;
mod certificates;
mod hub;
mod leftovers;
mod packages;
mod real;
mod server;
mod toy;
