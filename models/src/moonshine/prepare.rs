//! From the model manager's files to a network that is ready to run, by way of a packed file.

use super::import::{ImportError, import};
use super::weights::MoonshineWeights;
use super::{Moonshine, packed};
use crate::decode::{AttentionGreedy, DecodeStrategy};
use crate::linear::Precision;
use crate::manager::ModelFiles;
use crate::packed::{Origin, PackedError, PackedFile};
use crate::tokenizer::{Tokenizer, TokenizerError};
use std::io;
use std::path::PathBuf;
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
    /// The vocabulary cannot be read.
    #[error(transparent)]
    Vocabulary(#[from] TokenizerError),
    /// The packed file cannot be written or read.
    #[error(transparent)]
    Packed(#[from] PackedError),
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

/// Packs a model anew and says where: `files` are imported, packed in `precision` and written.
///
/// # Errors
/// [`PrepareError`].
pub fn pack(files: &ModelFiles, precision: Precision) -> Result<PathBuf, PrepareError> {
    let (file, origin) = packed_file(files, precision);
    let (model, tokenizer) = imported::<AttentionGreedy>(files, precision)?;
    packed::write(&file, &origin, &model, &tokenizer)?;
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
        packed::load::<AttentionGreedy>(&packed, &origin)?;
        verified.push(file);
    }
    Ok(verified)
}

/// The network of `files` in `precision`, mapped from its packed file. Where there is none, or one of another
/// version, origin or content, the model is packed first, and `note` is told. Where the file cannot be written
/// `note` is told too, and the network is used from memory.
///
/// # Errors
/// [`PrepareError`].
pub fn prepare<S: DecodeStrategy>(
    files: &ModelFiles,
    precision: Precision,
    note: &mut dyn FnMut(&str),
) -> Result<(Moonshine<S>, Tokenizer), PrepareError> {
    let (file, origin) = packed_file(files, precision);
    let open = || PackedFile::open(&file).and_then(|file| packed::load(&file, &origin));
    match open() {
        Ok(ready) => return Ok(ready),
        Err(PackedError::Io { source, .. }) if source.kind() == io::ErrorKind::NotFound => {
            note(&format!("packing {} in {precision}, once, into {}", origin.model, file.display()));
        }
        Err(error) => note(&format!("{error}; packing it anew")),
    }
    let (model, tokenizer) = imported(files, precision)?;
    if let Err(error) = packed::write(&file, &origin, &model, &tokenizer) {
        note(&format!("{error}; running without it, which takes longer to start and more memory"));
        return Ok((model, tokenizer));
    }
    drop((model, tokenizer));
    Ok(open()?)
}

fn imported<S: DecodeStrategy>(
    files: &ModelFiles,
    precision: Precision,
) -> Result<(Moonshine<S>, Tokenizer), PrepareError> {
    let (weights, tokenizer) = import_files(files)?;
    Ok((Moonshine::new(&weights, precision), tokenizer))
}

/// The weights and the vocabulary of `files`, for any backend.
///
/// # Errors
/// [`PrepareError`].
pub fn import_files(files: &ModelFiles) -> Result<(MoonshineWeights, Tokenizer), PrepareError> {
    let [Some(encoder), Some(decoder), Some(tokenizer)] =
        ["encoder_model.onnx", "decoder_model_merged.onnx", "tokenizer.json"].map(|file| files.get(file))
    else {
        return Err(PrepareError::NotPackable { model: files.model().to_owned() });
    };
    let weights = import(encoder, decoder)?;
    let tokenizer = Tokenizer::from_json_file(tokenizer)?;
    Ok((weights, tokenizer))
}
