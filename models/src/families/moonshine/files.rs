//! The files of a Moonshine.

use super::import::import;
use crate::families::prepare::PrepareError;
use crate::manager::ModelFiles;
use crate::networks::moonshine::weights::MoonshineWeights;
use crate::tokenizers::Tokenizer;

/// What the files are called in the cache.
const FILES: [&str; 3] = ["encoder_model.onnx", "decoder_model_merged.onnx", "tokenizer.json"];

/// The weights and the vocabulary of a model's `files`, for any backend.
///
/// # Errors
/// [`PrepareError`].
pub fn import_moonshine(files: &ModelFiles) -> Result<(MoonshineWeights, Tokenizer), PrepareError> {
    let [Some(encoder), Some(decoder), Some(tokenizer)] = FILES.map(|file| files.get(file)) else {
        return Err(PrepareError::NotPackable { model: files.model().to_owned() });
    };
    let weights = import(encoder, decoder)?;
    let tokenizer = Tokenizer::from_json_file(tokenizer)?;
    Ok((weights, tokenizer))
}
