//! The header of an uncompressed file: from its first byte to its first chunk of samples.

use super::chunk::{Chunk, Dialect, name};
use super::error::{Place, PlacedProblem, Problem, malformed};
use super::format::Format;
use super::input::Input;
use super::warning::{Oddity, Warnings};
use super::{aiff, caf, wav};

/// The most bytes of a chunk that describes the format.
const MAX_FORMAT_BYTES: u64 = 1024;

/// How far behind a chunk with a wrong length the samples are looked for.
const SEARCH_BYTES: usize = 1 << 16;

/// What a header says.
pub(super) struct Header {
    pub dialect: Dialect,
    pub format: Format,
    pub outer: Outer,
    /// The length of the samples from an RF64 file's ds64 chunk.
    pub data_size: Option<u64>,
}

/// The group that all chunks are in.
#[derive(Clone, Debug, Default)]
pub(super) struct Outer {
    pub name: &'static str,
    /// Its length as it was written.
    pub size: u64,
    /// Where it ends by that length; `None` in CAF, which has no such group.
    pub end: Option<u64>,
}

/// The bytes that [`begins_file`] needs.
pub(super) const FILE_START_BYTES: usize = 40;

/// Whether `head` is the start of a whole file of a kind that is read here.
pub(super) fn begins_file(head: &[u8]) -> bool {
    match (head.get(..4), head.get(8..12)) {
        (Some(b"RIFF" | b"RIFX" | b"RF64" | b"BW64"), Some(b"WAVE")) => true,
        (Some(b"FORM"), Some(b"AIFF" | b"AIFC")) => true,
        (Some(b"caff"), Some(b"desc")) => true,
        (Some(b"riff"), _) => head.get(24..28) == Some(b"wave"),
        _ => false,
    }
}

impl Header {
    /// Reads up to the first chunk of samples, and the head of that.
    pub(super) fn read(input: &mut Input, warnings: &mut Warnings) -> Result<(Header, Chunk), PlacedProblem> {
        let (dialect, mut outer) = preamble(input)?;
        let start = input.at();
        let (mut format, mut data_size) = (None, None);
        // AIFF allows the samples to come before their format.
        let mut early: Option<(Chunk, u64)> = None;
        loop {
            if let (Some(format), Some((chunk, samples))) = (format, early) {
                input.go_to(samples)?;
                return Ok((Header { dialect, format, outer, data_size }, chunk));
            }
            let Some(chunk) = dialect.next(input)? else {
                let missing = if format.is_some() { dialect.data_id() } else { dialect.format_id() };
                let what = format!("the file ends before its {} chunk", name(missing));
                return Err((Problem::Truncated(what), Place::Byte(input.at())));
            };
            if &chunk.id == dialect.format_id() {
                let found = read_format(input, dialect, chunk)?;
                if format.is_some_and(|format| format != found) {
                    return Err(malformed(
                        chunk.at,
                        format!("a second {} chunk, unlike the first", chunk.name()),
                    ));
                }
                format = Some(found);
            } else if &chunk.id == dialect.data_id() {
                match format {
                    Some(format) => return Ok((Header { dialect, format, outer, data_size }, chunk)),
                    None if dialect == Dialect::Aiff && input.length().is_some() && early.is_none() => {
                        early = Some((chunk, input.at()));
                        skip(input, dialect, chunk, warnings)?;
                    }
                    None => {
                        let (early, late) = (chunk.name(), name(dialect.format_id()));
                        return Err(malformed(
                            chunk.at,
                            format!("the {early} chunk comes before the {late} chunk"),
                        ));
                    }
                }
            } else if &chunk.id == b"ds64" && dialect == Dialect::Riff && chunk.size >= 16 {
                let sizes = input.array::<16>("its 64-bit lengths")?;
                let [riff, data] =
                    [0, 8].map(|at| sizes[at..].first_chunk().map_or(0, |b| u64::from_le_bytes(*b)));
                outer = Outer { size: riff, end: Some((start - 4).saturating_add(riff)), ..outer };
                data_size = Some(data);
                skip(input, dialect, Chunk { size: chunk.size - 16, ..chunk }, warnings)?;
            } else {
                skip(input, dialect, chunk, warnings)?;
            }
        }
    }
}

/// Reads the body of the chunk that describes the format.
pub(super) fn read_format(
    input: &mut Input,
    dialect: Dialect,
    chunk: Chunk,
) -> Result<Format, PlacedProblem> {
    let at = input.at();
    let size = usize::try_from(chunk.size.min(MAX_FORMAT_BYTES)).unwrap_or_default();
    let mut body = vec![0; size];
    if input.fill(&mut body)? < size {
        let what = format!("the file ends in its {} chunk", chunk.name());
        return Err((Problem::Truncated(what), Place::Byte(input.at())));
    }
    let format = match dialect {
        Dialect::Riff | Dialect::Rifx | Dialect::W64 => wav::parse_format(&body, at, dialect.is_big_endian()),
        Dialect::Aiff => aiff::parse_format(&body, at),
        Dialect::Caf => caf::parse_format(&body, at),
    }?;
    input.skip(chunk.size - size as u64)?;
    dialect.skip_padding(input, chunk.size)?;
    Ok(format)
}

/// Reads what stands in front of all chunks.
fn preamble(input: &mut Input) -> Result<(Dialect, Outer), PlacedProblem> {
    let start = input.at();
    let magic = input.array::<4>("its header")?;
    let (dialect, name) = match &magic {
        b"RIFX" => (Dialect::Rifx, "RIFX"),
        b"RF64" => (Dialect::Riff, "RF64"),
        b"BW64" => (Dialect::Riff, "BW64"),
        b"FORM" => (Dialect::Aiff, "FORM"),
        b"riff" => (Dialect::W64, "riff"),
        b"caff" => {
            input.array::<4>("its header")?;
            return Ok((Dialect::Caf, Outer { name: "CAF", ..Outer::default() }));
        }
        _ => (Dialect::Riff, "RIFF"),
    };
    let (size, form) = if dialect == Dialect::W64 {
        input.array::<12>("its header")?;
        let size = u64::from_le_bytes(input.array("its header")?);
        let form = input.array::<16>("its header")?;
        return match form.starts_with(b"wave") {
            true => Ok((dialect, Outer { name, size, end: Some(start.saturating_add(size)) })),
            false => {
                Err((Problem::Unsupported("Wave64 of another form than wave".into()), Place::Byte(start)))
            }
        };
    } else {
        let size = input.array::<4>("its header")?;
        let size = if dialect.is_big_endian() { u32::from_be_bytes(size) } else { u32::from_le_bytes(size) };
        (u64::from(size), input.array::<4>("its header")?)
    };
    let is_known = match dialect {
        Dialect::Aiff => matches!(&form, b"AIFF" | b"AIFC"),
        _ => &form == b"WAVE",
    };
    if !is_known {
        let what = format!("{name} of the form {:?}", form.escape_ascii().to_string());
        return Err((Problem::Unsupported(what), Place::Byte(start + 8)));
    }
    Ok((dialect, Outer { name, size, end: Some(start + 8 + size) }))
}

/// Reads past a chunk in front of the samples. If its length leads out of the file, the samples are looked for.
fn skip(
    input: &mut Input,
    dialect: Dialect,
    chunk: Chunk,
    warnings: &mut Warnings,
) -> Result<(), PlacedProblem> {
    let left = input.length().map(|length| length.saturating_sub(input.at()));
    if left.is_some_and(|left| chunk.size > left) {
        let id = dialect.data_id();
        if let Some(count) = input.peek(SEARCH_BYTES)?.windows(id.len()).position(|window| window == id) {
            let what = format!(
                "the length of the {} chunk leads out of the file; found the samples without it",
                chunk.name()
            );
            warnings.push(Oddity::Irregular(what), Place::Byte(chunk.at));
            return input.skip(count as u64).map(drop);
        }
    }
    if input.skip(chunk.size)? < chunk.size {
        let what = format!("the file ends in its {} chunk, before any audio", chunk.name());
        return Err((Problem::Truncated(what), Place::Byte(input.at())));
    }
    dialect.skip_padding(input, chunk.size)
}
