//! Smart Turn 3, the end-of-turn network, as ONNX.

#[cfg(all(feature = "fetch", feature = "tokenizer-json"))]
mod family;
mod import;
mod quantized;

#[cfg(all(feature = "fetch", feature = "tokenizer-json"))]
pub use family::SmartTurnFamily;
pub use import::{import, load};
