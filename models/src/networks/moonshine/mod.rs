//! Moonshine: an encoder–decoder for English speech on raw samples (Moonshine: Speech Recognition for Live
//! Transcription and Voice Commands, arXiv 2410.15608).

mod check;
pub mod config;
mod memory;
pub mod span;
pub mod weights;
