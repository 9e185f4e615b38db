//! Reading the files of a checkpoint into memory.

use super::error::CheckpointError;
use crate::regular;
use std::path::Path;

/// The longest checkpoint: the archive reader finds nothing beyond 4 GiB.
pub(crate) const MAX_CHECKPOINT_BYTES: u64 = 4 << 30;
/// The longest of the files beside it: vocabularies have a few megabytes, the others less.
pub(crate) const MAX_COMPANION_BYTES: u64 = 16 << 20;

/// The content of a file of at most `limit` bytes.
pub(crate) fn content(file: &Path, limit: u64) -> Result<Vec<u8>, CheckpointError> {
    regular::read(file, limit).map_err(|source| CheckpointError::Read { file: file.to_path_buf(), source })
}

/// A name from a file as it may stand in a message: not too long, without control characters.
pub(crate) fn shown(name: &str) -> String {
    const MAX_CHARS: usize = 100;
    let mut chars = name.chars();
    let mut shown: String = chars.by_ref().take(MAX_CHARS).flat_map(char::escape_debug).collect();
    if chars.next().is_some() {
        shown.push('…');
    }
    shown
}

#[cfg(test)]
mod tests {
    use super::shown;

    #[test]
    fn names_in_messages_are_short_and_printable() {
        assert_eq!(shown("transcriber.layer_norm.weight"), "transcriber.layer_norm.weight");
        assert_eq!(shown("a\u{1b}[2Jb"), "a\\u{1b}[2Jb");
        assert_eq!(shown(&"é".repeat(1000)), "é".repeat(100) + "…");
    }
}
