//! The model `commands`, which is in the binary: spoken coffee orders, digits, letters and six wake phrases, English.
//!
//! A small Emformer RNN-T that this project trained; `models/assets/commands.md` says on what, how well it does and
//! what it is not good for.

use super::Emformer;
use super::family::recognizer;
use super::prepare::{Content, Contents, parse};
use crate::families::load::{LoadError, LoadOptions, Recognizer};
use crate::formats::checkpoint::CheckpointError;
use crate::layers::linear::Precision;
use crate::tokenizers::SentencePiece;
use std::path::Path;

/// What it is called on the command line and in configurations.
pub const NAME: &str = crate::manager::BUILT_IN;
/// One line for people.
pub const DESCRIPTION: &str = "Coffee orders, digits, letters, wake phrases; streaming, 1.7 M parameters";
/// The license of its weights, as an SPDX expression.
pub const LICENSE: &str = "Apache-2.0";

/// A file of the model, by its ending.
macro_rules! file {
    ($ending:literal) => {
        Content {
            name: Path::new(concat!("commands.", $ending)),
            bytes: include_bytes!(concat!("../../../assets/commands.", $ending)),
        }
    };
}

fn contents() -> Contents<'static> {
    Contents {
        checkpoint: file!("pt"),
        tokens: file!("model"),
        statistics: Some(file!("stats.json")),
        config: Some(file!("config.json")),
    }
}

/// How many bytes of the binary it is.
pub fn bytes() -> usize {
    let Contents { checkpoint, tokens, statistics, config } = contents();
    let files = [Some(checkpoint), Some(tokens), statistics, config];
    files.iter().flatten().map(|file| file.bytes.len()).sum()
}

/// The network, its weights in `precision`, and its vocabulary. Takes milliseconds.
///
/// # Errors
/// [`CheckpointError`], which a test rules out for what is shipped.
pub fn load<S>(precision: Precision) -> Result<(Emformer<S>, SentencePiece), CheckpointError> {
    let (weights, tokens) = parse(&contents())?;
    Ok((Emformer::new(&weights, precision), tokens))
}

/// The network, decoded as `options` say.
///
/// # Errors
/// [`LoadError`].
pub fn recognize(options: &LoadOptions) -> Result<Recognizer, LoadError> {
    options.on_processor()?;
    let (model, tokens) = load(options.precision).map_err(|error| LoadError::Model(Box::new(error)))?;
    recognizer(&model, tokens, options)
}
