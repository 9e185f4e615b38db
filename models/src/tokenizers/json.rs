//! `tokenizer.json`, as the `tokenizers` library writes it → the table.

use super::{PieceKind, Tokenizer};
use crate::regular;
use serde::Deserialize;
use serde_json::{Value, json};
use std::collections::HashMap;
use std::path::{Path, PathBuf};
use thiserror::Error;

/// Why a `tokenizer.json` was not understood.
#[derive(Debug, Error)]
pub enum TokenizerError {
    /// The file system refused.
    #[error("{}: cannot be read: {source}", file.display())]
    Read {
        /// The file.
        file: PathBuf,
        /// What the file system said.
        source: std::io::Error,
    },
    /// Not JSON, or without vocabulary.
    #[error("{}: not a tokenizer: {source}", file.display())]
    Damaged {
        /// The file.
        file: PathBuf,
        /// Where and what.
        source: serde_json::Error,
    },
    /// Pieces are joined by other rules than this module's.
    #[error("{}: pieces are joined by rules that are not supported: {found}", file.display())]
    Rules {
        /// The file.
        file: PathBuf,
        /// The rules in the file.
        found: String,
    },
    /// Ids are not the numbers from 0 on, each once.
    #[error("{}: the id {id} of the piece '{piece}' is taken or leaves a gap", file.display())]
    Id {
        /// The file.
        file: PathBuf,
        /// The piece.
        piece: String,
        /// Its id.
        id: u32,
    },
    /// The pieces together are too long.
    #[error("{}: more than 4 GiB of pieces", file.display())]
    TooLarge {
        /// The file.
        file: PathBuf,
    },
}

#[derive(Deserialize)]
struct File {
    added_tokens: Vec<AddedToken>,
    decoder: Value,
    model: Model,
}

/// A piece that is listed apart.
#[derive(Deserialize)]
pub(super) struct AddedToken {
    pub(super) id: u32,
    pub(super) content: String,
    pub(super) special: bool,
}

#[derive(Deserialize)]
struct Model {
    vocab: HashMap<String, u32>,
}

/// More than any vocabulary takes.
const MAX_FILE_BYTES: u64 = 64 << 20;
/// Stands for a space within pieces, since spaces separate words in the files that vocabularies are learned from.
const SPACE_MARK: &str = "\u{2581}";

/// The bytes of a `tokenizer.json`.
pub(super) fn read_file(file: &Path) -> Result<Vec<u8>, TokenizerError> {
    let failed = |source| TokenizerError::Read { file: file.to_path_buf(), source };
    regular::read(file, MAX_FILE_BYTES).map_err(failed)
}

impl Tokenizer {
    /// Reads a `tokenizer.json`.
    ///
    /// # Errors
    /// Where the file cannot be read, is no tokenizer, or joins pieces by other rules than
    /// [the module's](super).
    pub fn from_json_file(file: &Path) -> Result<Self, TokenizerError> {
        Tokenizer::from_json(file, &read_file(file)?)
    }

    /// Reads what is already in memory; `file` is for messages.
    ///
    /// # Errors
    /// As [`Tokenizer::from_json_file`].
    pub fn from_json(file: &Path, json: &[u8]) -> Result<Self, TokenizerError> {
        let damaged = |source| TokenizerError::Damaged { file: file.to_path_buf(), source };
        let source: File = serde_json::from_slice(json).map_err(damaged)?;
        if source.decoder != rules() {
            let found = source.decoder.to_string();
            return Err(TokenizerError::Rules { file: file.to_path_buf(), found });
        }
        // A piece may be listed twice: in the vocabulary and, as special, among the added tokens.
        let mut pieces = source.model.vocab;
        let mut specials = Vec::new();
        for token in source.added_tokens {
            specials.extend(token.special.then_some(token.id));
            pieces.insert(token.content, token.id);
        }
        let mut table = vec![None; pieces.len()];
        for (piece, &id) in &pieces {
            match table.get_mut(id as usize) {
                Some(place @ None) => *place = Some((kind(piece), text(piece))),
                _ => return Err(TokenizerError::Id { file: file.to_path_buf(), piece: piece.clone(), id }),
            }
        }
        for special in specials {
            if let Some(Some(piece)) = table.get_mut(special as usize) {
                piece.0 = PieceKind::Special;
            }
        }
        // As many ids as places, none taken twice: no place is left empty.
        let pieces = table.iter().flatten().map(|(kind, bytes)| (*kind, &bytes[..]));
        Tokenizer::from_pieces(pieces).ok_or_else(|| TokenizerError::TooLarge { file: file.to_path_buf() })
    }
}

/// The rules of this module in the library's words.
fn rules() -> Value {
    json!({
        "type": "Sequence",
        "decoders": [
            { "type": "Replace", "pattern": { "String": SPACE_MARK }, "content": " " },
            { "type": "ByteFallback" },
            { "type": "Fuse" },
            { "type": "Strip", "content": " ", "start": 1, "stop": 0 },
        ],
    })
}

/// The byte that a piece such as `<0x0A>` stands for.
fn byte(piece: &str) -> Option<u8> {
    let digits = piece.strip_prefix("<0x")?.strip_suffix('>')?;
    let is_hex = digits.len() == 2 && digits.bytes().all(|digit| digit.is_ascii_hexdigit());
    is_hex.then(|| u8::from_str_radix(digits, 16).ok())?
}

fn kind(piece: &str) -> PieceKind {
    if byte(piece).is_some() { PieceKind::Byte } else { PieceKind::Text }
}

fn text(piece: &str) -> Vec<u8> {
    byte(piece).map_or_else(|| piece.replace(SPACE_MARK, " ").into_bytes(), |byte| vec![byte])
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(edit: impl Fn(&mut Value)) -> Result<Tokenizer, TokenizerError> {
        let mut file = json!({
            "added_tokens": [{ "id": 0, "content": "<s>", "special": true }],
            "decoder": rules(),
            "model": { "vocab": { "<s>": 0, "\u{2581}so": 1, "<0x41>": 2, "<0xG1>": 3 }, "merges": [] },
        });
        edit(&mut file);
        Tokenizer::from_json(Path::new("t.json"), file.to_string().as_bytes())
    }

    #[test]
    fn a_small_vocabulary_is_read() {
        let tokenizer = read(|_| {}).unwrap();
        let pieces = tokenizer.pieces().collect::<Vec<_>>();
        assert_eq!(
            pieces,
            [
                (PieceKind::Special, &b"<s>"[..]),
                (PieceKind::Text, &b" so"[..]),
                (PieceKind::Byte, &b"A"[..]),
                (PieceKind::Text, &b"<0xG1>"[..])
            ]
        );
    }

    #[test]
    fn other_files_are_refused() {
        let error = |edit: fn(&mut Value)| read(edit).unwrap_err().to_string();
        let rules = error(|file| file["decoder"]["decoders"][3]["start"] = json!(0));
        assert!(rules.starts_with("t.json: pieces are joined by rules"), "{rules}");
        let gap = error(|file| file["model"]["vocab"]["<0xG1>"] = json!(4_000_000_000u32));
        assert_eq!(gap, "t.json: the id 4000000000 of the piece '<0xG1>' is taken or leaves a gap");
        assert!(error(|file| file["model"]["vocab"]["<0xG1>"] = json!(2)).contains("the id 2"));
        assert!(error(|file| file["model"] = json!({})).contains("vocab"));
        let absent = Tokenizer::from_json_file(Path::new("absent.json")).unwrap_err().to_string();
        assert!(absent.starts_with("absent.json: cannot be read"), "{absent}");
    }
}
