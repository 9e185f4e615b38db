//! From the files that torchaudio publishes or a training leaves behind to a packed file.

use super::config::{Config, HOP_SAMPLES, SAMPLE_RATE_HZ, WINDOW_SAMPLES};
use super::weights::EmformerWeights;
use super::{Emformer, from_state_dict, packed};
use crate::checkpoint::{self, CheckpointError, SentencePiece, Statistics};
use crate::decode::TransducerGreedy;
use crate::linear::Precision;
use crate::packed::{Origin, PackedError, PackedFile};
use serde_json::{Map, Value};
use sha2::{Digest, Sha256};
use std::path::{Path, PathBuf};
use thiserror::Error;

/// What a network is made from.
#[derive(Clone, Debug)]
pub struct Source {
    /// A PyTorch archive with a state dict of `torchaudio.models.RNNT`.
    pub checkpoint: PathBuf,
    /// A SentencePiece model.
    pub tokens: PathBuf,
    /// Mean and inverse standard deviation of the features, as JSON; without, features stay as they are.
    pub statistics: Option<PathBuf>,
    /// [`Config`] as JSON; without, `emformer_rnnt_base` as `EMFORMER_RNNT_BASE_LIBRISPEECH` has it.
    pub config: Option<PathBuf>,
}

/// Why a network was not made.
#[derive(Debug, Error)]
pub enum ImportError {
    /// A file cannot be read or does not fit the others.
    #[error(transparent)]
    Checkpoint(#[from] CheckpointError),
    /// The packed file cannot be written or read.
    #[error(transparent)]
    Packed(#[from] PackedError),
}

/// Reads `source`, packs it in `precision` and writes it to `file` under the model's `name`. What is returned is
/// mapped from that file.
///
/// # Errors
/// [`ImportError`].
pub fn import(
    source: &Source,
    precision: Precision,
    name: &str,
    file: &Path,
) -> Result<(Emformer, SentencePiece), ImportError> {
    let (weights, tokens) = read(source)?;
    let origin = origin(source, precision, name)?;
    let model: Emformer<TransducerGreedy> = Emformer::new(&weights, precision);
    drop(weights);
    packed::write(file, &origin, &model, &tokens)?;
    drop(model);
    let packed = PackedFile::open(file)?;
    packed.verify()?;
    Ok(packed::load(&packed, &origin)?)
}

/// The weights and the vocabulary of `source`, for any backend.
///
/// # Errors
/// [`CheckpointError`].
pub fn read(source: &Source) -> Result<(EmformerWeights, SentencePiece), CheckpointError> {
    let config = source.config.as_deref().map_or_else(|| Ok(Config::default()), config)?;
    let statistics = source.statistics.as_deref().map(Statistics::read).transpose()?;
    let statistics = statistics.map(|Statistics { mean, invstddev }| (mean, invstddev));
    let tokens = SentencePiece::read(&source.tokens)?;
    let (pieces, symbols) = (tokens.tokenizer().len(), config.num_symbols);
    // Symbols are the pieces and the blank, which may be one of the pieces.
    if pieces != symbols && pieces + 1 != symbols {
        let (file, what) = (source.tokens.clone(), "the number of pieces and a blank");
        return Err(CheckpointError::Size { file, what, expected: symbols, found: pieces + 1 });
    }
    let tensors = checkpoint::read(&source.checkpoint)?;
    Ok((from_state_dict(tensors, config, statistics, &source.checkpoint)?, tokens))
}

/// What a packed file of `source` was made from: the SHA-256 of the contents of its files.
fn origin(source: &Source, precision: Precision, name: &str) -> Result<Origin, CheckpointError> {
    let mut hash = Sha256::new();
    let files =
        [Some(&source.checkpoint), Some(&source.tokens), source.statistics.as_ref(), source.config.as_ref()];
    for file in files.into_iter().flatten() {
        let failed = |error| CheckpointError::Read { file: file.clone(), source: error };
        hash.update(Sha256::digest(std::fs::read(file).map_err(failed)?));
    }
    let sources = hash.finalize().iter().map(|byte| format!("{byte:02x}")).collect();
    Ok(Origin { model: name.to_owned(), precision: precision.name().to_owned(), sources })
}

/// Reads a configuration. Besides the fields of [`Config`] it may state what this network always has, such as the
/// sample rate; a statement to the contrary is an error, as is an unknown key.
///
/// # Errors
/// [`CheckpointError`].
pub fn config(file: &Path) -> Result<Config, CheckpointError> {
    let unsound = |problem: String| CheckpointError::Damaged { file: file.to_path_buf(), problem };
    let failed = |source| CheckpointError::Read { file: file.to_path_buf(), source };
    let text = std::fs::read(file).map_err(failed)?;
    let mut fields: Map<String, Value> =
        serde_json::from_slice(&text).map_err(|error| unsound(format!("no configuration: {error}")))?;
    let mut stated = Vec::new();
    for key in ["arch", "sample_rate", "n_fft", "hop_length", "transformer_input_dim", "num_heads", "ctc"] {
        stated.extend(fields.remove(key).map(|value| (key, value)));
    }
    let config: Config = serde_json::from_value(Value::Object(fields))
        .map_err(|error| unsound(format!("no configuration of an Emformer: {error}")))?;
    config.check().map_err(|problem| unsound(problem.to_owned()))?;
    for (key, value) in stated {
        let expected: Value = match key {
            "arch" => "emformer-rnnt".into(),
            "sample_rate" => SAMPLE_RATE_HZ.into(),
            "n_fft" => WINDOW_SAMPLES.into(),
            "hop_length" => HOP_SAMPLES.into(),
            "transformer_input_dim" => config.width().into(),
            "num_heads" => config.transformer_num_heads.into(),
            // Whether there is a CTC head is seen in the checkpoint.
            _ => continue,
        };
        if value != expected {
            return Err(unsound(format!("{key} is {value}, not {expected}")));
        }
    }
    Ok(config)
}
