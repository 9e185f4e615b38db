//! Reading what PyTorch leaves behind: checkpoints and statistics in JSON.
//!
//! A checkpoint is read as data, never run: of pickle's language only what a dictionary of tensors needs is
//! understood, everything else is an error that names it.

mod archive;
mod content;
mod error;
mod pickle;
mod state_dict;
#[cfg(feature = "tokenizer-json")]
mod statistics;

#[cfg(feature = "tokenizer-json")]
pub(crate) use content::MAX_CHECKPOINT_BYTES;
pub(crate) use content::{MAX_COMPANION_BYTES, content, shown};
pub use error::CheckpointError;
pub(crate) use error::Problem;
pub use state_dict::{from_bytes, read};
#[cfg(feature = "tokenizer-json")]
pub use statistics::Statistics;
