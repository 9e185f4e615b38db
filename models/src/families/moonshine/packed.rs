//! Moonshine in a packed file, with its vocabulary: all that is needed to turn audio into text.

use super::Moonshine;
use crate::decode::DecodeStrategy;
use crate::formats::packed::{self, Origin, Packed, PackedError, PackedFile};
use crate::tokenizers::Tokenizer;
use std::path::Path;

/// Writes `model` and `tokenizer` to `file`, whole or not at all. Takes the file's size in memory.
///
/// # Errors
/// [`PackedError::Io`].
pub fn write<S: DecodeStrategy>(
    file: &Path,
    origin: &Origin,
    model: &Moonshine<S>,
    tokenizer: &Tokenizer,
) -> Result<(), PackedError> {
    packed::write(file, origin, |writer| {
        model.save(writer);
        tokenizer.save(writer);
    })
}

/// The network and the vocabulary in `file`, which must have been made from `origin`. The weights are read
/// into memory at once.
///
/// # Errors
/// [`PackedError::Origin`], or [`PackedError::Fields`] if the file holds something else.
pub fn load<S: DecodeStrategy>(
    file: &PackedFile,
    origin: &Origin,
) -> Result<(Moonshine<S>, Tokenizer), PackedError> {
    file.content(origin, |reader| Ok((Packed::load(reader)?, Packed::load(reader)?)))
}
