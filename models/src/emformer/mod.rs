//! Emformer RNN-T: a streaming network, compatible with torchaudio's.
//!
//! The encoder (Emformer: Efficient Memory Transformer Based Acoustic Model, arXiv 2010.10759) sees a segment, some
//! frames after it, and what it remembers of those before; a transducer (Graves 2012, arXiv 1211.3711) turns each of
//! its frames into tokens at once. [`weights`] describes the network apart from its execution; [`Emformer`] is the
//! whole, prepared for the CPU.

mod cache;
mod check;
pub mod config;
pub mod decoder;
pub mod encoder;
pub mod front_end;
pub mod heads;
mod import;
mod layer;
mod network;
mod norm;
pub mod packed;
#[cfg(feature = "tokenizer-json")]
pub mod prepare;
pub mod span;
pub mod weights;

pub use check::ConfigFault;
pub use import::from_state_dict;
pub use network::Emformer;
