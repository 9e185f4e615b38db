//! Emformer transducers: checkpoint, tokens, statistics and configuration of torchaudio's `RNNT`.

#[cfg(all(feature = "fetch", feature = "tokenizer-json"))]
pub mod commands;
#[cfg(all(feature = "fetch", feature = "tokenizer-json"))]
mod family;
mod import;
mod network;
pub mod packed;
#[cfg(feature = "tokenizer-json")]
pub mod prepare;

#[cfg(all(feature = "fetch", feature = "tokenizer-json"))]
pub use family::{EmformerRnnt, FILES};
pub use import::from_state_dict;
pub use network::Emformer;
