//! Smart Turn 3, the end-of-turn network, as ONNX.

mod import;
mod quantized;

pub use import::{import, load};
