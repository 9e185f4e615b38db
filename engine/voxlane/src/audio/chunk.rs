//! The chunks that WAV and its relatives are made of: an identifier, a length, and so many bytes.
//!
//! RIFF after Microsoft's “Multimedia Programming Interface and Data Specifications 1.0”, W64 after Sony's “Wave64
//! Specification”, AIFF after Apple's “Audio Interchange File Format 1.3”, CAF after “Apple Core Audio Format
//! Specification 1.0”.

use super::error::PlacedProblem;
use super::input::Input;

/// How a kind of file writes its chunks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Dialect {
    /// RIFF, RF64 and BW64.
    Riff,
    /// RIFF with the most significant byte first.
    Rifx,
    W64,
    Aiff,
    Caf,
}

/// The head of a chunk.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Chunk {
    /// Of W64, the first four bytes of the identifier: the others follow from them.
    pub id: [u8; 4],
    /// Where the chunk begins.
    pub at: u64,
    /// The bytes behind the head, as the file claims.
    pub size: u64,
}

/// Chunks that are known to stand behind audio, or between two parts of it.
const KNOWN: [&[u8; 4]; 48] = [
    b"data", b"fmt ", b"LIST", b"list", b"JUNK", b"junk", b"FLLR", b"PAD ", b"bext", b"fact", b"cue ",
    b"smpl", b"inst", b"plst", b"id3 ", b"ID3 ", b"iXML", b"_PMX", b"PEAK", b"levl", b"axml", b"chna",
    b"cart", b"acid", b"afsp", b"minf", b"umid", b"regn", b"SSND", b"COMM", b"FVER", b"MARK", b"INST",
    b"NAME", b"AUTH", b"(c) ", b"ANNO", b"COMT", b"APPL", b"CHAN", b"free", b"chan", b"info", b"uuid",
    b"strg", b"peak", b"ovvw", b"DISP",
];

/// The end of W64's identifiers: of `riff` and `list`, and of the others.
const W64_GROUP: &[u8] = b"\x2E\x91\xCF\x11\xA5\xD6\x28\xDB\x04\xC1\0\0";
const W64_CHUNK: &[u8] = b"\xF3\xAC\xD3\x11\x8C\xD1\0\xC0\x4F\x8E\xDB\x8A";

impl Dialect {
    /// Bytes of a chunk's head.
    pub(super) fn head_bytes(self) -> usize {
        match self {
            Dialect::Riff | Dialect::Rifx | Dialect::Aiff => 8,
            Dialect::Caf => 12,
            Dialect::W64 => 24,
        }
    }

    /// Whether the most significant byte of a length comes first.
    pub(super) fn is_big_endian(self) -> bool {
        matches!(self, Dialect::Rifx | Dialect::Aiff | Dialect::Caf)
    }

    /// The identifier of the chunk that describes the format.
    pub(super) fn format_id(self) -> &'static [u8; 4] {
        match self {
            Dialect::Riff | Dialect::Rifx | Dialect::W64 => b"fmt ",
            Dialect::Aiff => b"COMM",
            Dialect::Caf => b"desc",
        }
    }

    /// The identifier of the chunks that hold samples.
    pub(super) fn data_id(self) -> &'static [u8; 4] {
        if self == Dialect::Aiff { b"SSND" } else { b"data" }
    }

    /// Reads past what stands in front of the samples of a chunk of `size` bytes; how many bytes of samples that
    /// leaves.
    pub(super) fn skip_to_samples(self, input: &mut Input, size: u64) -> Result<u64, PlacedProblem> {
        const AIFF_BYTES: u64 = 8;
        const CAF_BYTES: u64 = 4;
        let bytes = match self {
            Dialect::Riff | Dialect::Rifx | Dialect::W64 => return Ok(size),
            // Counts edits.
            Dialect::Caf => CAF_BYTES,
            // An offset and the size of blocks, both of which may be 0.
            Dialect::Aiff => {
                let offset = input.peek(4)?.first_chunk().map_or(0, |bytes| u32::from_be_bytes(*bytes));
                // An offset out of the chunk was never filled in.
                AIFF_BYTES + if u64::from(offset) < size { u64::from(offset) } else { 0 }
            }
        };
        input.skip(bytes)?;
        // Placeholders stay what they are.
        Ok(if size >= 1 << 62 { size } else { size.saturating_sub(bytes) })
    }

    /// Bytes that fill up a chunk of `size`, so that the next begins at an even offset.
    pub(super) fn padding(self, size: u64) -> usize {
        match self {
            Dialect::Riff | Dialect::Rifx | Dialect::Aiff => (size % 2) as usize,
            Dialect::W64 => ((8 - size % 8) % 8) as usize,
            Dialect::Caf => 0,
        }
    }

    fn parse(self, head: &[u8], at: u64) -> Option<Chunk> {
        let id = *head.first_chunk::<4>()?;
        let size = match self {
            Dialect::Riff => u64::from(u32::from_le_bytes(*head.get(4..)?.first_chunk()?)),
            Dialect::Rifx | Dialect::Aiff => u64::from(u32::from_be_bytes(*head.get(4..)?.first_chunk()?)),
            Dialect::Caf => u64::from_be_bytes(*head.get(4..)?.first_chunk()?),
            // Counts its head.
            Dialect::W64 => {
                u64::from_le_bytes(*head.get(16..)?.first_chunk()?).saturating_sub(self.head_bytes() as u64)
            }
        };
        Some(Chunk { id, at, size })
    }

    /// Whether `head` is the head of a chunk that is known.
    pub(super) fn is_known(self, head: &[u8]) -> bool {
        match self {
            Dialect::W64 => head.get(4..16).is_some_and(|id| id == W64_GROUP || id == W64_CHUNK),
            _ => head.len() >= self.head_bytes() && KNOWN.iter().any(|id| head.starts_with(&id[..])),
        }
    }

    /// Whether `head` is known, or may be the head of a chunk that is not, which then ends by `end`.
    fn is_plausible(self, head: &[u8], at: u64, end: u64) -> bool {
        let is_word = head.iter().take(4).all(|b| (b' '..=b'~').contains(b));
        let fits = |chunk: Chunk| {
            // One byte of padding may be missing.
            at.saturating_add(self.head_bytes() as u64).saturating_add(chunk.size) <= end.saturating_add(1)
        };
        self.is_known(head) || is_word && self != Dialect::W64 && self.parse(head, at).is_some_and(fits)
    }

    /// Reads past what fills up a chunk of `size` bytes, if it is there: not all writers do it.
    pub(super) fn skip_padding(self, input: &mut Input, size: u64) -> Result<(), PlacedProblem> {
        let padding = self.padding(size);
        let ahead = input.peek(padding + self.head_bytes())?;
        let is_unpadded = self.is_known(ahead) && !self.is_known(&ahead[ahead.len().min(padding)..]);
        input.skip(if is_unpadded { 0 } else { padding as u64 }).map(drop)
    }

    /// Reads the head of a chunk. `None` at the end of the file.
    pub(super) fn next(self, input: &mut Input) -> Result<Option<Chunk>, PlacedProblem> {
        let at = input.at();
        let chunk = self.parse(input.peek(self.head_bytes())?, at);
        if chunk.is_some() {
            input.skip(self.head_bytes() as u64)?;
        }
        Ok(chunk)
    }

    /// Reads the head of the chunk behind one of `size` bytes, if that is what comes and it ends by `end`. Otherwise
    /// nothing is read.
    pub(super) fn next_plausible(
        self,
        input: &mut Input,
        size: u64,
        end: u64,
    ) -> Result<Option<Chunk>, PlacedProblem> {
        let (at, padding) = (input.at(), self.padding(size));
        let ahead = input.peek(padding + self.head_bytes())?;
        let is_padded = self.is_plausible(&ahead[ahead.len().min(padding)..], at + padding as u64, end);
        if !is_padded && !self.is_plausible(&ahead[..ahead.len().min(self.head_bytes())], at, end) {
            return Ok(None);
        }
        input.skip(if is_padded { padding as u64 } else { 0 })?;
        self.next(input)
    }
}

impl Chunk {
    /// The identifier for messages.
    pub(super) fn name(&self) -> String {
        name(&self.id)
    }
}

/// An identifier for messages.
pub(super) fn name(id: &[u8; 4]) -> String {
    id.escape_ascii().to_string().trim_end().to_owned()
}
