//! An Emformer in a packed file, with its vocabulary: all that is needed to turn audio into text.

use super::Emformer;
use crate::formats::packed::{self, Origin, Packed, PackedError, PackedFile};
use crate::tokenizers::SentencePiece;
use std::path::Path;

/// Writes `model` and `tokens` to `file`, whole or not at all. Takes twice the file's size in memory.
///
/// # Errors
/// [`PackedError::Io`].
pub fn write<S>(
    file: &Path,
    origin: &Origin,
    model: &Emformer<S>,
    tokens: &SentencePiece,
) -> Result<(), PackedError> {
    packed::write(file, origin, |writer| {
        model.save(writer);
        tokens.save(writer);
    })
}

/// The network and the vocabulary in `file`, which must have been made from `origin`. The weights are read
/// into memory at once.
///
/// # Errors
/// [`PackedError::Origin`], or [`PackedError::Fields`] if the file holds something else.
pub fn load<S>(file: &PackedFile, origin: &Origin) -> Result<(Emformer<S>, SentencePiece), PackedError> {
    file.content(origin, |reader| Ok((Packed::load(reader)?, Packed::load(reader)?)))
}
