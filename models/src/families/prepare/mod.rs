//! From the model manager's files to a network that is ready to run, by way of a packed file.

mod packing;

pub(crate) use packing::{Check, is_absent, open};
pub use packing::{pack, packed_file, prepare};

use crate::families::onnx_layers::ImportError;
use crate::formats::checkpoint::CheckpointError;
use crate::formats::packed::{Origin, PackedError, PackedFile};
use crate::layers::linear::Precision;
use crate::manager::ModelFiles;
use crate::tokenizers::TokenizerError;
use std::path::Path;
use thiserror::Error;

/// Why a model is not ready.
#[derive(Debug, Error)]
pub enum PrepareError {
    /// Models of its family are not packed.
    #[error("model {model}: has no packed form")]
    NotPackable {
        /// Its name.
        model: String,
    },
    /// The weights cannot be read.
    #[error(transparent)]
    Weights(#[from] ImportError),
    /// The checkpoint or what belongs to it cannot be read.
    #[error(transparent)]
    Checkpoint(#[from] CheckpointError),
    /// The vocabulary cannot be read.
    #[error(transparent)]
    Vocabulary(#[from] TokenizerError),
    /// The packed file cannot be written or read.
    #[error(transparent)]
    Packed(#[from] PackedError),
}

/// A network with its vocabulary, as it is packed.
pub trait Prepared: Sized {
    /// Makes it from a model's files.
    ///
    /// # Errors
    /// [`PrepareError`].
    fn import(files: &ModelFiles, precision: Precision) -> Result<Self, PrepareError>;

    /// Writes it into a packed file.
    ///
    /// # Errors
    /// [`PackedError::Io`].
    fn write(&self, file: &Path, origin: &Origin) -> Result<(), PackedError>;

    /// Reads it from a packed file.
    ///
    /// # Errors
    /// [`PackedError`].
    fn open(file: &PackedFile, origin: &Origin) -> Result<Self, PackedError>;
}
