//! The Silero voice activity detector, as ONNX.

mod import;

pub use import::{import, load};
