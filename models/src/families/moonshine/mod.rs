//! Moonshine: encoder and decoder as ONNX, and the tokenizer.

#[cfg(all(
    feature = "fetch",
    feature = "tokenizer-json",
    any(feature = "cuda", feature = "flex", feature = "wgpu")
))]
mod device;
#[cfg(all(feature = "fetch", feature = "tokenizer-json"))]
mod family;
#[cfg(all(feature = "fetch", feature = "tokenizer-json"))]
mod files;
pub mod import;
mod network;
pub mod packed;

#[cfg(all(feature = "fetch", feature = "tokenizer-json"))]
pub use family::{MoonshineFamily, prepare_moonshine};
#[cfg(all(feature = "fetch", feature = "tokenizer-json"))]
pub use files::import_moonshine;
pub use network::Moonshine;
