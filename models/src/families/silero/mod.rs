//! The Silero voice activity detector, as ONNX.

#[cfg(all(feature = "fetch", feature = "tokenizer-json"))]
mod family;
mod import;

#[cfg(all(feature = "fetch", feature = "tokenizer-json"))]
pub use family::SileroVad;
pub use import::{import, load};
