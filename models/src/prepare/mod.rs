//! From the model manager's files to a network that is ready to run, by way of a packed file.

mod packing;

pub use packing::{damaged, mend, moonshine, pack, packed_file, prepare, verify};

use crate::checkpoint::{CheckpointError, SentencePiece};
use crate::decode::DecodeStrategy;
use crate::emformer::{self, Emformer};
use crate::linear::Precision;
use crate::manager::ModelFiles;
use crate::moonshine::import::{ImportError, import};
use crate::moonshine::weights::MoonshineWeights;
use crate::moonshine::{self, Moonshine};
use crate::packed::{Origin, PackedError, PackedFile};
use crate::tokenizer::{Tokenizer, TokenizerError};
use std::path::Path;
use thiserror::Error;

/// Why a model is not ready.
#[derive(Debug, Error)]
pub enum PrepareError {
    /// It is not a model of this kind.
    #[error("the model {model} has no packed form")]
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

    /// Maps it from a packed file.
    ///
    /// # Errors
    /// [`PackedError`].
    fn open(file: &PackedFile, origin: &Origin) -> Result<Self, PackedError>;
}

impl<S: DecodeStrategy> Prepared for (Moonshine<S>, Tokenizer) {
    fn import(files: &ModelFiles, precision: Precision) -> Result<Self, PrepareError> {
        let (weights, tokenizer) = import_moonshine(files)?;
        Ok((Moonshine::new(&weights, precision), tokenizer))
    }

    fn write(&self, file: &Path, origin: &Origin) -> Result<(), PackedError> {
        moonshine::packed::write(file, origin, &self.0, &self.1)
    }

    fn open(file: &PackedFile, origin: &Origin) -> Result<Self, PackedError> {
        moonshine::packed::load(file, origin)
    }
}

impl<S> Prepared for (Emformer<S>, SentencePiece) {
    fn import(files: &ModelFiles, precision: Precision) -> Result<Self, PrepareError> {
        let not_packable = || PrepareError::NotPackable { model: files.model().to_owned() };
        let source = emformer_source(files).ok_or_else(not_packable)?;
        let (weights, tokens) = emformer::prepare::read(&source)?;
        Ok((Emformer::new(&weights, precision), tokens))
    }

    fn write(&self, file: &Path, origin: &Origin) -> Result<(), PackedError> {
        emformer::packed::write(file, origin, &self.0, &self.1)
    }

    fn open(file: &PackedFile, origin: &Origin) -> Result<Self, PackedError> {
        emformer::packed::load(file, origin)
    }
}

/// What the files of an Emformer are called in the cache: checkpoint, tokens, statistics, configuration.
pub const EMFORMER_FILES: [&str; 4] = ["checkpoint.pt", "tokens.model", "statistics.json", "config.json"];

/// Where an Emformer's files are; `None` if it is not one.
fn emformer_source(files: &ModelFiles) -> Option<emformer::prepare::Source> {
    let [checkpoint, tokens, statistics, config] =
        EMFORMER_FILES.map(|name| files.get(name).map(Path::to_path_buf));
    Some(emformer::prepare::Source { checkpoint: checkpoint?, tokens: tokens?, statistics, config })
}

/// The weights and the vocabulary of a Moonshine's `files`, for any backend.
///
/// # Errors
/// [`PrepareError`].
pub fn import_moonshine(files: &ModelFiles) -> Result<(MoonshineWeights, Tokenizer), PrepareError> {
    let [Some(encoder), Some(decoder), Some(tokenizer)] =
        ["encoder_model.onnx", "decoder_model_merged.onnx", "tokenizer.json"].map(|file| files.get(file))
    else {
        return Err(PrepareError::NotPackable { model: files.model().to_owned() });
    };
    let weights = import(encoder, decoder)?;
    let tokenizer = Tokenizer::from_json_file(tokenizer)?;
    Ok((weights, tokenizer))
}
