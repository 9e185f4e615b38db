//! Byte-pair vocabularies over bytes, as GPT-2 and Whisper have them: any text can be spelled, and any tokens give bytes.
//!
//! Text is cut into words by GPT-2's pattern, and within each word the pair of neighbors that was learned first is joined,
//! until none is left. Tokens give their bytes; what is not UTF-8 becomes U+FFFD. In `tokenizer.json` each byte is written as a
//! printable character (Radford et al. 2019, `bytes_to_unicode`).

use super::json::{AddedToken, TokenizerError, read_file};
use super::vocabulary::Vocabulary;
use regex::Regex;
use serde::Deserialize;
use std::collections::{HashMap, HashSet};
use std::path::Path;

/// GPT-2's words, but for the look ahead behind spaces: see [`words`].
const WORDS: &str = r"'s|'t|'re|'ve|'m|'ll|'d| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+";

/// The pieces of a vocabulary, and how they are joined.
#[derive(Clone, Debug)]
pub struct ByteLevel {
    pieces: Vec<Option<Piece>>,
    /// Two neighbors → when their joining was learned, and the joined piece.
    merges: HashMap<(u32, u32), (u32, u32)>,
    /// The piece of each byte.
    bytes: Vec<u32>,
    words: Regex,
}

#[derive(Clone, Debug)]
struct Piece {
    bytes: Vec<u8>,
    is_special: bool,
}

#[derive(Deserialize)]
struct File {
    added_tokens: Vec<AddedToken>,
    decoder: Kind,
    pre_tokenizer: PreTokenizer,
    model: Model,
}

#[derive(Deserialize)]
struct Kind {
    #[serde(rename = "type")]
    kind: String,
}

#[derive(Deserialize)]
struct PreTokenizer {
    #[serde(rename = "type")]
    kind: String,
    #[serde(default)]
    add_prefix_space: bool,
    #[serde(default = "yes")]
    use_regex: bool,
}

fn yes() -> bool {
    true
}

#[derive(Deserialize)]
struct Model {
    #[serde(rename = "type")]
    kind: String,
    vocab: HashMap<String, u32>,
    merges: Vec<Merge>,
}

/// Older files have both in one string.
#[derive(Deserialize)]
#[serde(untagged)]
enum Merge {
    Joined(String),
    Pair([String; 2]),
}

impl ByteLevel {
    /// Reads a `tokenizer.json`.
    ///
    /// # Errors
    /// Where the file cannot be read, or is no byte-level byte-pair vocabulary.
    pub fn from_json_file(file: &Path) -> Result<Self, TokenizerError> {
        Self::from_json(file, &read_file(file)?)
    }

    /// Reads what is already in memory; `file` is for messages.
    ///
    /// # Errors
    /// As [`ByteLevel::from_json_file`].
    pub fn from_json(file: &Path, json: &[u8]) -> Result<Self, TokenizerError> {
        let damaged = |source| TokenizerError::Damaged { file: file.to_path_buf(), source };
        let rules = |found: String| TokenizerError::Rules { file: file.to_path_buf(), found };
        let File { added_tokens, decoder, pre_tokenizer, model } =
            serde_json::from_slice(json).map_err(damaged)?;
        for (what, kind, expected) in [
            ("decoder", &decoder.kind, "ByteLevel"),
            ("pre_tokenizer", &pre_tokenizer.kind, "ByteLevel"),
            ("model", &model.kind, "BPE"),
        ] {
            if kind != expected {
                return Err(rules(format!("{what} (expected {expected}, found {kind})")));
            }
        }
        if pre_tokenizer.add_prefix_space || !pre_tokenizer.use_regex {
            return Err(rules("pre_tokenizer with a space in front, or without GPT-2's words".to_owned()));
        }
        let unknown = |piece: &str| rules(format!("{piece:?}, which the vocabulary does not have"));
        let characters = characters();
        let mut pieces: Vec<Option<Piece>> = Vec::new();
        let mut place = |piece: &str, id: u32, value: Piece| {
            // Specials lie behind the others; a gap as large as all of them is none of a vocabulary.
            let room = 2 * (model.vocab.len() + added_tokens.len());
            let wrong = || TokenizerError::Id { file: file.to_path_buf(), piece: piece.to_owned(), id };
            let index = usize::try_from(id).ok().filter(|&index| index < room).ok_or_else(wrong)?;
            if pieces.len() <= index {
                pieces.resize(index + 1, None);
            }
            match &mut pieces[index] {
                Some(taken) if !(value.is_special && taken.bytes == value.bytes) => Err(wrong()),
                free => {
                    *free = Some(value);
                    Ok(())
                }
            }
        };
        let added: HashSet<&str> = added_tokens.iter().map(|token| token.content.as_str()).collect();
        for (piece, &id) in &model.vocab {
            if !added.contains(piece.as_str()) {
                let bytes = piece.chars().map(|character| characters.get(&character).copied());
                let bytes = bytes.collect::<Option<Vec<u8>>>().ok_or_else(|| unknown(piece))?;
                place(piece, id, Piece { bytes, is_special: false })?;
            }
        }
        for AddedToken { id, content, special } in &added_tokens {
            place(content, *id, Piece { bytes: content.clone().into_bytes(), is_special: *special })?;
        }
        let id = |piece: &str| model.vocab.get(piece).copied().ok_or_else(|| unknown(piece));
        let mut merges = HashMap::with_capacity(model.merges.len());
        for (rank, merge) in model.merges.iter().enumerate() {
            let (first, second) = match merge {
                Merge::Pair([first, second]) => (first.as_str(), second.as_str()),
                Merge::Joined(pair) => pair.split_once(' ').ok_or_else(|| unknown(pair))?,
            };
            let joined = id(&format!("{first}{second}"))?;
            merges.entry((id(first)?, id(second)?)).or_insert((rank as u32, joined));
        }
        let mut bytes = vec![0; 256];
        for (character, byte) in &characters {
            bytes[usize::from(*byte)] = id(&character.to_string())?;
        }
        let words = Regex::new(WORDS).map_err(|error| rules(error.to_string()))?;
        Ok(ByteLevel { pieces, merges, bytes, words })
    }

    /// The id of a special piece, such as `<|endoftext|>`.
    pub fn special(&self, content: &str) -> Option<u32> {
        let is_it = |piece: &Option<Piece>| {
            piece.as_ref().is_some_and(|piece| piece.is_special && piece.bytes == content.as_bytes())
        };
        self.pieces.iter().position(is_it).map(|index| index as u32)
    }

    /// The tokens that spell `text`. What looks like a special piece is spelled like any other text.
    pub fn encode(&self, text: &str) -> Vec<u32> {
        let mut ids = Vec::new();
        for word in words(&self.words, text) {
            self.spell(word, &mut ids);
        }
        ids
    }

    /// Appends the tokens of a word; takes time with the square of its length.
    fn spell(&self, word: &str, ids: &mut Vec<u32>) {
        let start = ids.len();
        ids.extend(word.bytes().map(|byte| self.bytes[usize::from(byte)]));
        loop {
            let pairs = ids[start..].windows(2).enumerate();
            let known = pairs.filter_map(|(place, pair)| {
                let &(rank, joined) = self.merges.get(&(pair[0], pair[1]))?;
                Some((rank, place, joined))
            });
            let Some((_, place, joined)) = known.min() else { return };
            ids[start + place] = joined;
            ids.remove(start + place + 1);
        }
    }

    fn piece(&self, id: u32) -> Option<&Piece> {
        self.pieces.get(id as usize)?.as_ref()
    }
}

impl Vocabulary for ByteLevel {
    /// As the bytes have it: with the space in front of the first word.
    fn text(&self, ids: &[u32]) -> String {
        let pieces = ids.iter().filter_map(|&id| self.piece(id)).filter(|piece| !piece.is_special);
        let bytes: Vec<u8> = pieces.flat_map(|piece| piece.bytes.iter().copied()).collect();
        String::from_utf8_lossy(&bytes).into_owned()
    }

    fn begins_word(&self, id: u32) -> bool {
        self.piece(id).is_some_and(|piece| !piece.is_special && piece.bytes.first() == Some(&b' '))
    }

    fn encode(&self, text: &str) -> Option<Vec<u32>> {
        Some(ByteLevel::encode(self, text))
    }
}

/// The words of a text. Of several spaces in front of a word the last one belongs to it (the pattern's `\s+(?!\S)`).
fn words<'t>(pattern: &Regex, text: &'t str) -> Vec<&'t str> {
    let (mut words, mut at) = (Vec::new(), 0);
    while let Some(found) = pattern.find_at(text, at) {
        let mut end = found.end();
        let is_space = found.as_str().chars().all(char::is_whitespace);
        if is_space && end < text.len() {
            let last = found.as_str().chars().next_back().map_or(0, char::len_utf8);
            if found.len() > last {
                end -= last;
            }
        }
        words.push(&text[found.start()..end]);
        at = end;
    }
    words
}

/// The character that each byte is written as: itself where it is printable, otherwise one from U+0100 on.
fn characters() -> HashMap<char, u8> {
    let mut next = 0x100;
    let character = |byte: u8| {
        let is_printable = matches!(byte, b'!'..=b'~' | 0xA1..=0xAC | 0xAE..=0xFF);
        if is_printable {
            return (char::from(byte), byte);
        }
        let character = char::from_u32(next).unwrap_or(char::REPLACEMENT_CHARACTER);
        next += 1;
        (character, byte)
    };
    (0..=255).map(character).collect()
}
