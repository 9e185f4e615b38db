//! An attention decoder, with its key and value caches.

pub mod batch;
pub mod decoder;
mod layer;
