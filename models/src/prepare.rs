//! From the model manager's files to a network that is ready to run, by way of a packed file.

use crate::checkpoint::{CheckpointError, SentencePiece};
use crate::decode::{AttentionGreedy, DecodeStrategy, TransducerGreedy};
use crate::emformer::{self, Emformer};
use crate::linear::Precision;
use crate::manager::{Architecture, ModelFiles};
use crate::moonshine::import::{ImportError, import};
use crate::moonshine::weights::MoonshineWeights;
use crate::moonshine::{self, Moonshine};
use crate::packed::{Origin, PackedError, PackedFile};
use crate::tokenizer::{Tokenizer, TokenizerError};
use std::io;
use std::path::{Path, PathBuf};
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

/// Where the packed file of a model is, and what it must have been made from.
pub fn packed_file(files: &ModelFiles, precision: Precision) -> (PathBuf, Origin) {
    let origin = Origin {
        model: files.model().to_owned(),
        precision: precision.name().to_owned(),
        sources: files.digest(),
    };
    (files.dir().join(format!("{precision}.packed")), origin)
}

/// The network of `files` in `precision`, mapped from its packed file. Where there is none, or one of another
/// version, origin or content, the model is packed first, and `note` is told. Where the file cannot be written
/// `note` is told too, and the network is used from memory.
///
/// # Errors
/// [`PrepareError`].
pub fn prepare<T: Prepared>(
    files: &ModelFiles,
    precision: Precision,
    note: &mut dyn FnMut(&str),
) -> Result<T, PrepareError> {
    let (file, origin) = packed_file(files, precision);
    let open = || PackedFile::open(&file).and_then(|file| T::open(&file, &origin));
    match open() {
        Ok(ready) => return Ok(ready),
        Err(PackedError::Io { source, .. }) if source.kind() == io::ErrorKind::NotFound => {
            note(&format!("packing {} in {precision}, once, into {}", origin.model, file.display()));
        }
        Err(error) => note(&format!("{error}; packing it anew")),
    }
    let made = T::import(files, precision)?;
    if let Err(error) = made.write(&file, &origin) {
        note(&format!("{error}; running without it, which takes longer to start and more memory"));
        return Ok(made);
    }
    drop(made);
    Ok(open()?)
}

/// [`prepare`] for a Moonshine decoded by `S`.
///
/// # Errors
/// [`PrepareError`].
pub fn moonshine<S: DecodeStrategy>(
    files: &ModelFiles,
    precision: Precision,
    note: &mut dyn FnMut(&str),
) -> Result<(Moonshine<S>, Tokenizer), PrepareError> {
    prepare(files, precision, note)
}

/// Packs a model anew and says where: `files` are imported, packed in `precision` and written.
///
/// # Errors
/// [`PrepareError`].
pub fn pack(files: &ModelFiles, precision: Precision) -> Result<PathBuf, PrepareError> {
    match files.architecture() {
        Architecture::Moonshine => pack_as::<(Moonshine<AttentionGreedy>, Tokenizer)>(files, precision),
        Architecture::EmformerRnnt => {
            pack_as::<(Emformer<TransducerGreedy>, SentencePiece)>(files, precision)
        }
        Architecture::SileroVad => Err(PrepareError::NotPackable { model: files.model().to_owned() }),
    }
}

fn pack_as<T: Prepared>(files: &ModelFiles, precision: Precision) -> Result<PathBuf, PrepareError> {
    let (file, origin) = packed_file(files, precision);
    T::import(files, precision)?.write(&file, &origin)?;
    PackedFile::open(&file)?.verify()?;
    Ok(file)
}

/// Hashes the packed files of a model that there are, and names them.
///
/// # Errors
/// [`PackedError`] for the first that is damaged or was made from other files.
pub fn verify(files: &ModelFiles) -> Result<Vec<PathBuf>, PrepareError> {
    let mut verified = Vec::new();
    for precision in Precision::ALL {
        let (file, origin) = packed_file(files, precision);
        if !file.exists() {
            continue;
        }
        let packed = PackedFile::open(&file)?;
        packed.verify()?;
        match files.architecture() {
            Architecture::Moonshine => {
                <(Moonshine<AttentionGreedy>, Tokenizer)>::open(&packed, &origin).map(drop)?;
            }
            Architecture::EmformerRnnt => {
                <(Emformer<TransducerGreedy>, SentencePiece)>::open(&packed, &origin).map(drop)?;
            }
            Architecture::SileroVad => continue,
        }
        verified.push(file);
    }
    Ok(verified)
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
