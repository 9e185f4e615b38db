//! SentencePiece models (Kudo and Richardson 2018): the pieces, and how text is cut into them.
//!
//! Of the model's normalization only the treatment of spaces is done: they are joined, and each word begins with
//! one. The other rules fold characters that no spoken phrase is written with.

use super::{PieceKind, Tokenizer};
use crate::formats::checkpoint::{CheckpointError, MAX_COMPANION_BYTES, Problem, content, shown};
use crate::formats::packed::{Packed, PackedError, Reader, Writer};
use prost::Message;
use std::collections::HashMap;
use std::path::Path;

/// What stands for a space in a piece.
const SPACE: char = '\u{2581}';
/// Added to the score of an unknown character, below all others.
const UNKNOWN_PENALTY: f32 = 10.0;

/// How a model cuts text.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PieceModel {
    /// The pieces whose scores add up to the most.
    Unigram,
    /// Pairs are joined, the best one first.
    BytePair,
}

/// The pieces of a model with their scores.
#[derive(Clone, Debug, PartialEq)]
pub struct SentencePiece {
    tokenizer: Tokenizer,
    model: PieceModel,
    scores: Vec<f32>,
    unknown: u32,
    /// The ids of text pieces, with spaces as they are.
    ids: HashMap<String, u32>,
}

/// Messages of `sentencepiece_model.proto`, as far as they are read.
mod proto {
    #[derive(Clone, PartialEq, prost::Message)]
    pub(super) struct Model {
        #[prost(message, repeated, tag = "1")]
        pub pieces: Vec<Piece>,
        #[prost(message, optional, tag = "2")]
        pub trainer: Option<Trainer>,
    }

    #[derive(Clone, PartialEq, prost::Message)]
    pub(super) struct Piece {
        #[prost(string, tag = "1")]
        pub text: String,
        #[prost(float, tag = "2")]
        pub score: f32,
        #[prost(int32, optional, tag = "3")]
        pub kind: Option<i32>,
    }

    #[derive(Clone, PartialEq, prost::Message)]
    pub(super) struct Trainer {
        #[prost(int32, optional, tag = "3")]
        pub model: Option<i32>,
    }

    /// Values of `Piece::kind`; absent means the first.
    pub(super) const NORMAL: i32 = 1;
    pub(super) const UNKNOWN: i32 = 2;
    pub(super) const CONTROL: i32 = 3;
    pub(super) const USER_DEFINED: i32 = 4;
    pub(super) const BYTE: i32 = 6;
    /// Values of `Trainer::model`; absent means the first.
    pub(super) const UNIGRAM: i32 = 1;
    pub(super) const BPE: i32 = 2;
}

impl SentencePiece {
    /// Reads a `.model` file.
    ///
    /// # Errors
    /// [`CheckpointError`] where the file cannot be read, is damaged, or cuts text by words or characters.
    pub fn read(file: &Path) -> Result<Self, CheckpointError> {
        Self::from_bytes(&content(file, MAX_COMPANION_BYTES)?, file)
    }

    /// As [`read`](Self::read), of the content of a file that errors call `file`.
    ///
    /// # Errors
    /// As [`read`](Self::read).
    pub fn from_bytes(bytes: &[u8], file: &Path) -> Result<Self, CheckpointError> {
        Self::parse(bytes).map_err(|problem| problem.within(file))
    }

    fn parse(bytes: &[u8]) -> Result<Self, Problem> {
        let model = proto::Model::decode(bytes)
            .map_err(|error| Problem::damaged(format!("not a SentencePiece model, or damaged: {error}")))?;
        let kind = model.trainer.as_ref().and_then(|trainer| trainer.model).unwrap_or(proto::UNIGRAM);
        let kind = match kind {
            proto::UNIGRAM => PieceModel::Unigram,
            proto::BPE => PieceModel::BytePair,
            other => return Err(Problem::unsupported(format!("a SentencePiece model of type {other}"))),
        };
        if model.pieces.is_empty() {
            return Err(Problem::damaged("not a SentencePiece model: it has no pieces"));
        }
        let pieces: Vec<(PieceKind, Vec<u8>)> =
            model.pieces.iter().map(piece).collect::<Result<_, Problem>>()?;
        let unknown = model.pieces.iter().position(|piece| piece.kind == Some(proto::UNKNOWN)).unwrap_or(0);
        let scores = model.pieces.iter().map(|piece| piece.score).collect();
        Self::new(pieces, kind, scores, unknown)
            .ok_or_else(|| Problem::damaged("its pieces are no vocabulary"))
    }

    fn new(
        pieces: Vec<(PieceKind, Vec<u8>)>,
        model: PieceModel,
        scores: Vec<f32>,
        unknown: usize,
    ) -> Option<Self> {
        let tokenizer = Tokenizer::from_pieces(pieces.iter().map(|(kind, bytes)| (*kind, &bytes[..])))?;
        let texts = pieces.into_iter().enumerate().filter(|(_, (kind, _))| *kind == PieceKind::Text);
        let ids = texts
            .map(|(id, (_, bytes))| Some((String::from_utf8(bytes).ok()?, u32::try_from(id).ok()?)))
            .collect::<Option<_>>()?;
        let is_sound = scores.len() == tokenizer.len() && unknown < scores.len();
        is_sound.then_some(SentencePiece { tokenizer, model, scores, unknown: unknown as u32, ids })
    }

    /// The pieces as a vocabulary.
    pub fn tokenizer(&self) -> &Tokenizer {
        &self.tokenizer
    }

    /// How the model cuts text.
    pub fn model(&self) -> PieceModel {
        self.model
    }

    /// The ids of `text`. `None` where it has a character that no piece holds. Allocates; not for a lane.
    pub fn encode(&self, text: &str) -> Option<Vec<u32>> {
        let mut spaced = String::new();
        for word in text.split_whitespace() {
            spaced.push(' ');
            spaced.push_str(word);
        }
        let ids = match self.model {
            PieceModel::Unigram => self.best_path(&spaced),
            PieceModel::BytePair => self.merged(&spaced),
        };
        (!ids.contains(&self.unknown)).then_some(ids)
    }

    /// The path through the text with the largest sum of scores (Viterbi).
    fn best_path(&self, text: &str) -> Vec<u32> {
        let longest = self.ids.keys().map(String::len).max().unwrap_or(0);
        let lowest = self.scores.iter().copied().fold(0.0, f32::min);
        // For each end: score, start and id of the last piece.
        let mut best: Vec<Option<(f32, usize, u32)>> = vec![None; text.len() + 1];
        best[0] = Some((0.0, 0, self.unknown));
        let boundaries: Vec<usize> = text.char_indices().map(|(at, _)| at).chain([text.len()]).collect();
        for (i, &start) in boundaries.iter().enumerate() {
            let Some((score, ..)) = best[start] else { continue };
            for (j, &end) in
                boundaries[i + 1..].iter().enumerate().take_while(|(_, end)| *end - start <= longest.max(4))
            {
                let step = match self.ids.get(&text[start..end]) {
                    Some(&id) => (score + self.scores[id as usize], start, id),
                    None if j == 0 => (score + lowest - UNKNOWN_PENALTY, start, self.unknown),
                    None => continue,
                };
                if best[end].is_none_or(|(known, ..)| step.0 > known) {
                    best[end] = Some(step);
                }
            }
        }
        let (mut ids, mut end) = (Vec::new(), text.len());
        while let Some((_, start, id)) = best[end].filter(|_| end > 0) {
            ids.push(id);
            end = start;
        }
        ids.reverse();
        ids
    }

    /// Characters, joined pair by pair, the pair with the best score first, of equal ones the leftmost.
    fn merged(&self, text: &str) -> Vec<u32> {
        let mut parts: Vec<&str> = text.char_indices().map(|(at, c)| &text[at..at + c.len_utf8()]).collect();
        // Where each part starts, so that two neighbors are one slice.
        let mut starts: Vec<usize> = text.char_indices().map(|(at, _)| at).collect();
        loop {
            let pairs = (1..parts.len()).filter_map(|i| {
                let joined = &text[starts[i - 1]..starts[i] + parts[i].len()];
                self.ids.get(joined).map(|&id| (self.scores[id as usize], i, joined))
            });
            let best =
                pairs.fold(
                    None,
                    |best: Option<(f32, usize, &str)>, pair| {
                        if best.is_none_or(|best| pair.0 > best.0) { Some(pair) } else { best }
                    },
                );
            let Some((_, i, joined)) = best else { break };
            parts[i - 1] = joined;
            parts.remove(i);
            starts.remove(i);
        }
        parts.iter().map(|part| self.ids.get(*part).copied().unwrap_or(self.unknown)).collect()
    }
}

/// Kind and bytes, a space for what stands for it.
fn piece(piece: &proto::Piece) -> Result<(PieceKind, Vec<u8>), Problem> {
    let text = || piece.text.replace(SPACE, " ").into_bytes();
    match piece.kind.unwrap_or(proto::NORMAL) {
        proto::NORMAL | proto::USER_DEFINED => Ok((PieceKind::Text, text())),
        proto::BYTE => {
            let byte = piece.text.strip_prefix("<0x").and_then(|rest| rest.strip_suffix('>'));
            let byte = byte.and_then(|hex| u8::from_str_radix(hex, 16).ok());
            let byte =
                byte.ok_or_else(|| Problem::damaged(format!("the piece {} is no byte", shown(&piece.text))))?;
            Ok((PieceKind::Byte, vec![byte]))
        }
        proto::UNKNOWN | proto::CONTROL => Ok((PieceKind::Special, text())),
        // Pieces that the model no longer uses.
        _ => Ok((PieceKind::Special, text())),
    }
}

impl Packed for SentencePiece {
    fn save(&self, writer: &mut Writer) {
        self.tokenizer.save(writer);
        u8::from(self.model == PieceModel::BytePair).save(writer);
        self.scores.save(writer);
        (self.unknown as usize).save(writer);
    }

    fn load(reader: &mut Reader<'_>) -> Result<Self, PackedError> {
        let tokenizer = Tokenizer::load(reader)?;
        let model = match u8::load(reader)? {
            0 => PieceModel::Unigram,
            1 => PieceModel::BytePair,
            _ => return Err(PackedError::Fields("a vocabulary has no known model")),
        };
        let (scores, unknown) = (Packed::load(reader)?, usize::load(reader)?);
        let pieces = tokenizer.pieces().map(|(kind, bytes)| (kind, bytes.to_vec())).collect();
        SentencePiece::new(pieces, model, scores, unknown)
            .ok_or(PackedError::Fields("a vocabulary's scores do not fit its pieces"))
    }
}
