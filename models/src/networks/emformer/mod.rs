//! Emformer RNN-T: a streaming network, compatible with torchaudio's.
//!
//! The encoder (Emformer: Efficient Memory Transformer Based Acoustic Model, arXiv 2010.10759) sees a segment, some
//! frames after it, and what it remembers of those before; a transducer (Graves 2012, arXiv 1211.3711) turns each of
//! its frames into tokens at once.

mod check;
pub mod config;
pub mod span;
pub mod weights;

pub use check::ConfigFault;
