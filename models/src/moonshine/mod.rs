//! Moonshine: an encoder–decoder for English speech on raw samples.
//!
//! The network (Moonshine: Speech Recognition for Live Transcription and Voice Commands, arXiv 2410.15608)
//! has a convolutional [`stem`], an [`encoder`] and a [`decoder`], each behind its trait of
//! [`crate::model`]; [`Moonshine`] is the whole, prepared for the CPU.

mod alignment;
mod balance;
mod block;
mod cache;
mod check;
pub mod config;
pub mod decoder;
mod decoder_layer;
pub mod encoder;
mod encoder_cache;
pub mod import;
mod memory;
mod network;
pub mod offline;
mod output;
pub mod packed;
mod rotary;
pub mod span;
pub mod stem;
pub mod weights;

pub use network::Moonshine;
pub use offline::transcribe_tokens;
