//! From the files that torchaudio publishes or a training leaves behind to weights and a vocabulary.

use super::from_state_dict;
use crate::formats::checkpoint::{self, CheckpointError, Statistics};
use crate::formats::checkpoint::{MAX_CHECKPOINT_BYTES, MAX_COMPANION_BYTES};
use crate::networks::emformer::config::{Config, HOP_SAMPLES, SAMPLE_RATE_HZ, WINDOW_SAMPLES};
use crate::networks::emformer::weights::EmformerWeights;
use crate::tokenizers::SentencePiece;
use serde_json::{Map, Value};
use std::path::{Path, PathBuf};

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

/// The content of a file, and what errors call it.
#[derive(Clone, Copy, Debug)]
pub struct Content<'a> {
    /// Its name.
    pub name: &'a Path,
    /// What is in it.
    pub bytes: &'a [u8],
}

/// The contents of the files of a [`Source`].
#[derive(Clone, Copy, Debug)]
pub struct Contents<'a> {
    /// As [`Source::checkpoint`].
    pub checkpoint: Content<'a>,
    /// As [`Source::tokens`].
    pub tokens: Content<'a>,
    /// As [`Source::statistics`].
    pub statistics: Option<Content<'a>>,
    /// As [`Source::config`].
    pub config: Option<Content<'a>>,
}

/// The weights and the vocabulary of `source`, for any backend.
///
/// # Errors
/// [`CheckpointError`].
pub fn read(source: &Source) -> Result<(EmformerWeights, SentencePiece), CheckpointError> {
    let bytes = |file: &PathBuf| checkpoint::content(file, MAX_COMPANION_BYTES);
    let weights = checkpoint::content(&source.checkpoint, MAX_CHECKPOINT_BYTES)?;
    let tokens = bytes(&source.tokens)?;
    let statistics = source.statistics.as_ref().map(bytes).transpose()?;
    let config = source.config.as_ref().map(bytes).transpose()?;
    fn named<'a>(file: &'a Option<PathBuf>, bytes: &'a Option<Vec<u8>>) -> Option<Content<'a>> {
        file.as_ref().zip(bytes.as_ref()).map(|(name, bytes)| Content { name, bytes })
    }
    parse(&Contents {
        checkpoint: Content { name: &source.checkpoint, bytes: &weights },
        tokens: Content { name: &source.tokens, bytes: &tokens },
        statistics: named(&source.statistics, &statistics),
        config: named(&source.config, &config),
    })
}

/// As [`read`], of files that are in memory.
///
/// # Errors
/// [`CheckpointError`].
pub fn parse(contents: &Contents<'_>) -> Result<(EmformerWeights, SentencePiece), CheckpointError> {
    let Contents { checkpoint, tokens, statistics, config } = contents;
    let config = config.map_or_else(|| Ok(Config::default()), parse_config)?;
    let statistics = statistics.map(|file| Statistics::from_bytes(file.bytes, file.name)).transpose()?;
    let statistics = statistics.map(|Statistics { mean, invstddev }| (mean, invstddev));
    let vocabulary = SentencePiece::from_bytes(tokens.bytes, tokens.name)?;
    let (pieces, symbols) = (vocabulary.tokenizer().len(), config.num_symbols);
    // Symbols are the pieces and the blank, which may be one of the pieces.
    if pieces != symbols && pieces + 1 != symbols {
        let (file, what) = (tokens.name.to_path_buf(), "the number of pieces and a blank");
        return Err(CheckpointError::Size { file, what, expected: symbols, found: pieces + 1 });
    }
    let tensors = checkpoint::from_bytes(checkpoint.bytes, checkpoint.name)?;
    Ok((from_state_dict(tensors, config, statistics, checkpoint.name)?, vocabulary))
}

/// Reads a configuration. Besides the fields of [`Config`] it may state what this network always has, such as the
/// sample rate; a statement to the contrary is an error, as is an unknown key.
///
/// # Errors
/// [`CheckpointError`].
pub fn config(file: &Path) -> Result<Config, CheckpointError> {
    parse_config(Content { name: file, bytes: &checkpoint::content(file, MAX_COMPANION_BYTES)? })
}

fn parse_config(file: Content<'_>) -> Result<Config, CheckpointError> {
    let unsound = |problem: String| CheckpointError::Damaged { file: file.name.to_path_buf(), problem };
    let mut fields: Map<String, Value> =
        serde_json::from_slice(file.bytes).map_err(|error| unsound(format!("no configuration: {error}")))?;
    let mut stated = Vec::new();
    for key in ["arch", "sample_rate", "n_fft", "hop_length", "transformer_input_dim", "num_heads", "ctc"] {
        stated.extend(fields.remove(key).map(|value| (key, value)));
    }
    let config: Config = serde_json::from_value(Value::Object(fields))
        .map_err(|error| unsound(format!("no configuration of an Emformer: {error}")))?;
    config.check().map_err(|fault| unsound(fault.to_string()))?;
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
            return Err(unsound(format!("{key}: wrong value (expected {expected}, found {value})")));
        }
    }
    Ok(config)
}
