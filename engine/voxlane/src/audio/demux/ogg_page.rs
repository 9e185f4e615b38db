//! Pages of Ogg (RFC 3533): found by their capture pattern, proved by their checksum.

use symphonia::core::checksum::Crc32;
use symphonia::core::io::Monitor;

use crate::audio::error::PlacedProblem;
use crate::audio::input::Input;

/// How every page begins.
pub(crate) const MAGIC: &[u8; 4] = b"OggS";

/// Bytes of a header before its table of segments.
const HEADER_BYTES: usize = 27;

/// A whole page.
#[derive(Debug)]
pub(super) struct Page {
    pub is_continued: bool,
    pub is_first: bool,
    pub is_last: bool,
    /// Where the last packet that ends in it ends, in units of its codec; `None` if none does.
    pub position: Option<u64>,
    /// The stream that it belongs to.
    pub serial: u32,
    /// Its number in the stream.
    pub number: u32,
    /// The lengths of its segments.
    table: Vec<u8>,
    body: Vec<u8>,
}

/// A part of a page: one packet or a piece of one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Piece<'a> {
    pub bytes: &'a [u8],
    /// Whether the packet ends with it.
    pub is_end: bool,
}

impl Page {
    /// The packets of the page, of which the first may be the rest of one and the last the start of one.
    pub fn pieces(&self) -> impl Iterator<Item = Piece<'_>> {
        let mut rest = &self.body[..];
        self.table.chunk_by(|&segment, _| segment == 255).map(move |segments| {
            let length = segments.iter().map(|&segment| usize::from(segment)).sum();
            let (bytes, behind) = rest.split_at(length);
            rest = behind;
            Piece { bytes, is_end: segments.last().is_some_and(|&segment| segment < 255) }
        })
    }
}

/// What lies at a place in the file.
#[derive(Debug)]
pub(super) enum Found {
    Page(Page),
    /// Bytes that are no whole page; they were skipped.
    Garbage,
    /// The file ends inside a page.
    Cut,
    End,
}

/// Takes what comes next.
///
/// # Errors
/// As for [`Input::peek`].
pub(super) fn next(input: &mut Input) -> Result<Found, PlacedProblem> {
    let head = input.peek(HEADER_BYTES + 255)?;
    if head.is_empty() {
        return Ok(Found::End);
    }
    if !head.starts_with(MAGIC) {
        return skip_to_candidate(input);
    }
    let table_end = head.get(26).map(|&segments| HEADER_BYTES + usize::from(segments));
    let Some(table) = table_end.and_then(|end| head.get(HEADER_BYTES..end)) else {
        input.skip(MAGIC.len() as u64)?;
        return Ok(Found::Cut);
    };
    let table = table.to_vec();
    let start = HEADER_BYTES + table.len();
    let length = start + table.iter().map(|&segment| usize::from(segment)).sum::<usize>();
    let bytes = input.peek(length)?;
    let is_cut = bytes.len() < length;
    if is_cut || !is_whole(bytes) {
        // What looks like a page may be part of one: the search goes on inside.
        input.skip(1)?;
        return Ok(if is_cut { Found::Cut } else { Found::Garbage });
    }
    let number_at = |at: usize| u32::from_le_bytes([bytes[at], bytes[at + 1], bytes[at + 2], bytes[at + 3]]);
    let position = u64::from(number_at(6)) | u64::from(number_at(10)) << 32;
    let flags = bytes[5];
    let page = Page {
        is_continued: flags & 1 != 0,
        is_first: flags & 2 != 0,
        is_last: flags & 4 != 0,
        position: Some(position).filter(|&position| position != u64::MAX),
        serial: number_at(14),
        number: number_at(18),
        table,
        body: bytes[start..].to_vec(),
    };
    input.skip(length as u64)?;
    Ok(Found::Page(page))
}

/// Whether the version and the checksum of a page hold.
fn is_whole(bytes: &[u8]) -> bool {
    let mut checksum = Crc32::new(0);
    checksum.process_buf_bytes(&bytes[..22]);
    checksum.process_buf_bytes(&[0; 4]);
    checksum.process_buf_bytes(&bytes[26..]);
    bytes[4] == 0 && checksum.crc().to_le_bytes() == bytes[22..26]
}

/// Skips a byte, and all behind it that cannot begin a page.
fn skip_to_candidate(input: &mut Input) -> Result<Found, PlacedProblem> {
    const STEP: usize = 4096;
    let bytes = input.peek(STEP)?;
    let next = bytes.iter().skip(1).position(|&byte| byte == MAGIC[0]).map_or(bytes.len(), |next| next + 1);
    input.skip(next as u64)?;
    Ok(Found::Garbage)
}
