//! Moonshine: an encoder–decoder for English speech on raw samples.

pub mod weights;
