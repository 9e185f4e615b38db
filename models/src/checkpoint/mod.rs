//! Reading what PyTorch leaves behind: checkpoints, SentencePiece models and statistics in JSON.
//!
//! A checkpoint is read as data, never run: of pickle's language only what a dictionary of tensors needs is
//! understood, everything else is an error that names it.

mod archive;
mod error;
mod pickle;
mod sentencepiece;
mod state_dict;
#[cfg(feature = "tokenizer-json")]
mod statistics;

pub use error::CheckpointError;
pub(crate) use error::content;
pub use sentencepiece::{PieceModel, SentencePiece};
pub use state_dict::{from_bytes, read};
#[cfg(feature = "tokenizer-json")]
pub use statistics::Statistics;
