//! Token ids → text.
//!
//! A [`Tokenizer`] is a table with one piece for each id, and fixed rules to join them:
//!
//! 1. special pieces and ids without a piece give nothing;
//! 2. the pieces' bytes are joined;
//! 3. a run of single-byte pieces is text if it is valid UTF-8; otherwise each of its bytes becomes U+FFFD;
//! 4. one leading space is dropped: pieces carry the space before their word.
//!
//! These are the rules of byte-pair vocabularies with byte fallback as SentencePiece makes them and Moonshine
//! uses them. The table can be stored anywhere ([`Tokenizer::pieces`], [`Tokenizer::from_pieces`]); reading it
//! from a `tokenizer.json` is apart (feature `tokenizer-json`), so that a program need not carry a JSON reader.

#[cfg(feature = "tokenizer-json")]
mod byte_level;
#[cfg(feature = "tokenizer-json")]
mod json;
mod sentencepiece;
pub mod vocabulary;

#[cfg(feature = "tokenizer-json")]
pub use byte_level::ByteLevel;
#[cfg(feature = "tokenizer-json")]
pub use json::TokenizerError;
pub use sentencepiece::{PieceModel, SentencePiece};

use crate::formats::packed::{Packed, PackedError, Reader, Writer};

/// What a piece stands for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PieceKind {
    /// Text in UTF-8.
    Text,
    /// One byte of a character that has no piece of its own.
    Byte,
    /// A marker that gives no text.
    Special,
}

/// The pieces of a vocabulary.
#[derive(Clone, Debug, PartialEq)]
pub struct Tokenizer {
    bytes: Vec<u8>,
    /// Where each piece ends in `bytes`; it begins where the one before ends.
    ends: Vec<u32>,
    kinds: Vec<PieceKind>,
}

impl Tokenizer {
    /// From pieces in the order of their ids. `None` where a text is not UTF-8, a byte is not one byte long, or
    /// all together are longer than 4 GiB.
    pub fn from_pieces<'p>(pieces: impl IntoIterator<Item = (PieceKind, &'p [u8])>) -> Option<Self> {
        let mut table = Tokenizer { bytes: Vec::new(), ends: Vec::new(), kinds: Vec::new() };
        for (kind, bytes) in pieces {
            let is_sound = match kind {
                PieceKind::Text | PieceKind::Special => std::str::from_utf8(bytes).is_ok(),
                PieceKind::Byte => bytes.len() == 1,
            };
            if !is_sound {
                return None;
            }
            table.bytes.extend_from_slice(bytes);
            table.ends.push(u32::try_from(table.bytes.len()).ok()?);
            table.kinds.push(kind);
        }
        Some(table)
    }

    /// How many ids there are.
    pub fn len(&self) -> usize {
        self.ends.len()
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.ends.is_empty()
    }

    /// The piece of `id`: its kind and its bytes.
    pub fn piece(&self, id: u32) -> Option<(PieceKind, &[u8])> {
        let index = id as usize;
        let end = *self.ends.get(index)?;
        let start = if index == 0 { 0 } else { self.ends[index - 1] };
        Some((self.kinds[index], &self.bytes[start as usize..end as usize]))
    }

    /// All pieces in the order of their ids.
    pub fn pieces(&self) -> impl Iterator<Item = (PieceKind, &[u8])> {
        (0..self.len() as u32).filter_map(|id| self.piece(id))
    }

    /// Whether a new word begins with `id`.
    pub fn begins_word(&self, id: u32) -> bool {
        matches!(self.piece(id), Some((PieceKind::Text, [b' ', ..])))
    }

    /// The text of `ids`. Allocates the text and nothing else.
    pub fn decode(&self, ids: impl IntoIterator<Item = u32>) -> String {
        let mut text = Vec::new();
        let mut run_start = None;
        for (kind, bytes) in ids.into_iter().filter_map(|id| self.piece(id)) {
            match kind {
                PieceKind::Special => continue,
                PieceKind::Byte => run_start = run_start.or(Some(text.len())),
                PieceKind::Text => close_run(&mut text, &mut run_start),
            }
            text.extend_from_slice(bytes);
        }
        close_run(&mut text, &mut run_start);
        if text.first() == Some(&b' ') {
            text.remove(0);
        }
        // Texts are UTF-8, and so are closed runs: nothing is replaced here.
        String::from_utf8(text).unwrap_or_else(|error| String::from_utf8_lossy(error.as_bytes()).into_owned())
    }
}

impl Packed for Tokenizer {
    fn save(&self, writer: &mut Writer) {
        self.len().save(writer);
        for (kind, bytes) in self.pieces() {
            let kind = match kind {
                PieceKind::Text => 0u8,
                PieceKind::Byte => 1,
                PieceKind::Special => 2,
            };
            kind.save(writer);
            bytes.len().save(writer);
            writer.field(bytes);
        }
    }

    fn load(reader: &mut Reader<'_>) -> Result<Self, PackedError> {
        let piece = |reader: &mut Reader<'_>| {
            let kind = match u8::load(reader)? {
                0 => PieceKind::Text,
                1 => PieceKind::Byte,
                2 => PieceKind::Special,
                _ => return Err(PackedError::Fields("a piece is of no known kind")),
            };
            let len = usize::load(reader)?;
            Ok((kind, reader.bytes(len)?.to_vec()))
        };
        let pieces: Vec<_> =
            (0..usize::load(reader)?).map(|_| piece(reader)).collect::<Result<_, PackedError>>()?;
        let pieces = pieces.iter().map(|(kind, bytes)| (*kind, &bytes[..]));
        Tokenizer::from_pieces(pieces).ok_or(PackedError::Fields("the pieces are not sound"))
    }
}

/// Ends a run of single bytes that began at `run_start`.
fn close_run(text: &mut Vec<u8>, run_start: &mut Option<usize>) {
    let Some(start) = run_start.take() else { return };
    if std::str::from_utf8(&text[start..]).is_err() {
        let bytes = text.len() - start;
        text.truncate(start);
        text.extend("\u{FFFD}".repeat(bytes).bytes());
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tokenizer() -> Tokenizer {
        let pieces: [(PieceKind, &[u8]); 7] = [
            (PieceKind::Special, b"<s>"),
            (PieceKind::Text, b" so"),
            (PieceKind::Text, "me\u{e9}".as_bytes()),
            (PieceKind::Byte, &[0xc3]),
            (PieceKind::Byte, &[0xa9]),
            (PieceKind::Text, b" "),
            (PieceKind::Byte, b" "),
        ];
        Tokenizer::from_pieces(pieces).unwrap()
    }

    #[test]
    fn pieces_are_joined_by_the_rules() {
        let decode = |ids: &[u32]| tokenizer().decode(ids.iter().copied());
        assert_eq!(decode(&[]), "");
        assert_eq!(decode(&[0, 1, 2, 1, 0, 99]), "some\u{e9} so");
        assert_eq!(decode(&[5, 5, 1]), "  so", "one space goes, others stay");
        assert_eq!(decode(&[6, 1]), " so", "a leading space that was written as a byte goes too");
        assert_eq!(decode(&[1, 3, 4, 1]), "so\u{e9} so");
        assert_eq!(decode(&[3, 0, 4]), "\u{e9}", "a special piece does not end a run");
        assert_eq!(decode(&[3, 1, 4]), "\u{fffd} so\u{fffd}");
        assert_eq!(decode(&[3, 4, 3]), "\u{fffd}".repeat(3), "a run is valid as a whole or not at all");
    }

    #[test]
    fn words_begin_at_spaces() {
        let begins = (0..8).map(|id| tokenizer().begins_word(id)).collect::<Vec<_>>();
        assert_eq!(begins, [false, true, false, false, false, true, false, false]);
    }

    #[test]
    fn a_table_gives_itself_back_and_must_be_sound() {
        assert_eq!(Tokenizer::from_pieces(tokenizer().pieces()).unwrap(), tokenizer());
        assert!(Tokenizer::from_pieces([(PieceKind::Text, &[0xc3][..])]).is_none());
        assert!(Tokenizer::from_pieces([(PieceKind::Byte, &b"ab"[..])]).is_none());
    }
}
