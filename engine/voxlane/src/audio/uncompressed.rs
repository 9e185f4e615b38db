//! The samples of WAV, RF64, BW64, W64, AIFF and CAF files, read for what is there: these are the formats in which
//! headers commonly lie, because a writer fills in the lengths when it is done, if it ever is.
//!
//! A length that was never filled in, or beyond which the samples go on, means to the end of the file. A length
//! beyond the end of the file means that audio is missing, unless the rest of the header shows that it was never
//! filled in. All chunks of samples count, in order, and so do those of files that are joined end to end.

use std::io::Read;

use super::chunk::{Chunk, Dialect};
use super::error::{Place, PlacedProblem, Problem, malformed};
use super::header::{FILE_START_BYTES, Header, begins_file, read_format};
use super::input::Input;
use super::raw_encoding::RawEncoding;
use super::sample::{Decoded, is_audio};
use super::source::{Part, Shape, Source};
use super::warning::{Oddity, Warnings};

/// The most bytes of samples read at once.
const BLOCK_BYTES: usize = 1 << 15;

/// How many bytes behind the samples are judged.
const BEHIND_BYTES: usize = 1 << 16;

/// How tags begin that other programs put behind any audio file.
const TAGS: [&[u8]; 4] = [b"TAG", b"ID3", b"APETAGEX", b"LYRICSBEGIN"];

/// An uncompressed file, its header read.
pub(super) struct Uncompressed {
    input: Input,
    header: Header,
    run: Run,
    /// Bytes as they were read. The first `held` belong to a frame that is not yet whole.
    bytes: Vec<u8>,
    held: usize,
    decoded: Decoded,
}

/// Samples that follow each other.
struct Run {
    chunk: Chunk,
    /// Where the samples begin.
    start: u64,
    /// How many bytes of samples there are, by the header.
    claimed: u64,
    /// Bytes of samples still to come; `None`: until the file ends.
    left: Option<u64>,
}

impl Uncompressed {
    /// Reads the header up to the first sample.
    pub(super) fn open(mut input: Input, warnings: &mut Warnings) -> Result<Self, PlacedProblem> {
        let (header, chunk) = Header::read(&mut input, warnings)?;
        let frame = header.format.frame_bytes();
        let run = Run::begin(&mut input, &header, chunk, warnings)?;
        let bytes = vec![0; (BLOCK_BYTES / frame).max(1) * frame];
        Ok(Uncompressed { input, header, run, bytes, held: 0, decoded: Decoded::default() })
    }

    /// Drops what is there of a frame that ends the samples at byte `end`.
    fn drop_partial_frame(&mut self, end: u64, warnings: &mut Warnings) {
        if self.held > 0 {
            let (found, expected) = (self.held as u64, self.header.format.frame_bytes() as u64);
            warnings.push(Oddity::PartialFrame { found, expected }, Place::Byte(end - found));
            self.held = 0;
        }
    }

    /// Behind the last sample of a chunk: finds more samples, if there are any.
    fn next_run(&mut self, warnings: &mut Warnings) -> Result<bool, PlacedProblem> {
        let dialect = self.header.dialect;
        let end = self.find_end()?;
        let mut size = self.run.chunk_size(dialect);
        let mut is_right_behind = true;
        loop {
            if self.next_file(dialect.padding(size), warnings)? {
                return Ok(true);
            }
            let Some(chunk) = dialect.next_plausible(&mut self.input, size, end)? else { break };
            self.drop_partial_frame(chunk.at, warnings);
            (size, is_right_behind) = (chunk.size, false);
            if &chunk.id == dialect.data_id() {
                if self.run.claimed > 0 {
                    warnings.push(Oddity::SeveralChunks(chunk.name()), Place::Byte(chunk.at));
                }
                // RF64's long length is that of the first.
                self.header.data_size = None;
                self.run = Run::begin(&mut self.input, &self.header, chunk, warnings)?;
                return Ok(true);
            }
            if &chunk.id == dialect.format_id() {
                if read_format(&mut self.input, dialect, chunk)? != self.header.format {
                    return Err(malformed(chunk.at, "the format changes between two chunks of samples"));
                }
                size = 0;
            } else if self.input.skip(size)? < size {
                let what = format!("the file ends in its {} chunk, behind the audio", chunk.name());
                warnings.push(Oddity::Irregular(what), Place::Byte(chunk.at));
            }
        }
        self.judge_rest(is_right_behind, warnings)
    }

    /// Reads the header of another file that is joined to this one, here or behind `padding` bytes, if one is.
    fn next_file(&mut self, padding: usize, warnings: &mut Warnings) -> Result<bool, PlacedProblem> {
        let ahead = self.input.peek(padding + FILE_START_BYTES)?;
        let is_here = |skipped: &usize| ahead.get(*skipped..).is_some_and(begins_file);
        let Some(skipped) = [padding, 0].into_iter().find(is_here) else { return Ok(false) };
        self.input.skip(skipped as u64)?;
        let at = self.input.at();
        self.drop_partial_frame(at, warnings);
        let (header, chunk) = Header::read(&mut self.input, warnings)?;
        if header.format != self.header.format {
            return Err(malformed(at, "another file follows, and its samples have another format"));
        }
        let what = format!("another {} file follows the first; read as well", header.outer.name);
        warnings.push(Oddity::Irregular(what), Place::Byte(at));
        self.run = Run::begin(&mut self.input, &header, chunk, warnings)?;
        self.header = header;
        Ok(true)
    }

    /// Where the file ends, as far as that is known: of a pipe, if little is left, else by its header.
    fn find_end(&mut self) -> Result<u64, PlacedProblem> {
        let here = self.input.at();
        Ok(match (self.input.length(), self.input.peek(BEHIND_BYTES)?.len()) {
            (Some(length), _) => length,
            (None, left) if left < BEHIND_BYTES => here + left as u64,
            (None, _) => self.header.outer.end.unwrap_or_default(),
        })
    }

    /// Whether what follows, which is no chunk, is more audio.
    fn judge_rest(&mut self, is_right_behind: bool, warnings: &mut Warnings) -> Result<bool, PlacedProblem> {
        let (here, format) = (self.input.at(), self.header.format);
        let rest = self.input.peek(BEHIND_BYTES)?;
        let is_padding = rest.len() < BEHIND_BYTES && rest.iter().all(|&byte| byte == 0);
        let is_tag = TAGS.iter().any(|tag| rest.starts_with(tag));
        // A wrong length may end within a frame.
        let frame = format.frame_bytes();
        let frames = rest.get((frame - self.held) % frame..).unwrap_or_default();
        let is_more = !is_padding
            && !is_tag
            && is_right_behind
            && is_audio(
                &frames[..frames.len() - frames.len() % frame],
                format.encoding,
                format.shape.channels,
            );
        if is_more {
            warnings.push(Oddity::GoesOn { claimed: self.run.claimed }, Place::Byte(here));
            self.run.left = None;
            return Ok(true);
        }
        if !is_padding && !is_tag {
            warnings.push(Oddity::BytesBehind, Place::Byte(here));
        }
        self.drop_partial_frame(here, warnings);
        Ok(false)
    }

    /// At the end of the file: whether samples are missing.
    fn check_end(&self, warnings: &mut Warnings) -> Result<(), PlacedProblem> {
        let Some(left) = self.run.left else { return Ok(()) };
        let (run, format, place) = (&self.run, self.header.format, Place::Byte(self.run.chunk.at));
        let (claimed, found) = (run.claimed, run.claimed - left);
        let is_whole = |end: u64| end == self.input.at() || end == self.input.at() + 1;
        match self.header.outer.end {
            _ if left < format.frame_bytes() as u64 => {}
            Some(end) if end <= run.start => warnings.push(self.header.no_length(run.chunk), place),
            Some(end) if is_whole(end) => warnings.push(Oddity::WrongLength { claimed, found }, place),
            _ => {
                let rate = format.frame_bytes() as f64 * f64::from(format.shape.sample_rate);
                let what = format!(
                    "the header promises {claimed} bytes of samples ({:.3} s), the file holds {found} ({:.3} s)",
                    claimed as f64 / rate,
                    found as f64 / rate
                );
                return Err((Problem::Truncated(what), place));
            }
        }
        Ok(())
    }
}

impl Source for Uncompressed {
    fn shape(&self) -> Shape {
        self.header.format.shape
    }

    fn encoding(&self) -> Option<RawEncoding> {
        RawEncoding::of(self.header.format.encoding)
    }

    fn next_part(&mut self, warnings: &mut Warnings) -> Result<Option<Part<'_>>, PlacedProblem> {
        let format = self.header.format;
        loop {
            if self.run.left == Some(0) {
                if !self.next_run(warnings)? {
                    return Ok(None);
                }
                continue;
            }
            let left = self.run.left.map_or(usize::MAX, |left| usize::try_from(left).unwrap_or(usize::MAX));
            let end = self.bytes.len().min(self.held.saturating_add(left));
            // A pipe may be live: whatever it has is taken at once.
            let read = self.input.read(&mut self.bytes[self.held..end]);
            let count = read.map_err(|error| (Problem::Io(error), Place::Byte(self.input.at())))?;
            if count == 0 {
                self.drop_partial_frame(self.input.at(), warnings);
                return self.check_end(warnings).map(|()| None);
            }
            self.run.left = self.run.left.map(|left| left - count as u64);
            let filled = self.held + count;
            self.held = filled % format.frame_bytes();
            let whole = filled - self.held;
            if whole == 0 {
                continue;
            }
            let samples = self.decoded.decode(&self.bytes[..whole], format.encoding);
            self.bytes.copy_within(whole..filled, 0);
            return Ok(Some(Part { channels: format.shape.channels, samples }));
        }
    }
}

impl Run {
    /// The bytes of the whole chunk behind its head.
    fn chunk_size(&self, dialect: Dialect) -> u64 {
        (self.start - self.chunk.at - dialect.head_bytes() as u64).saturating_add(self.claimed)
    }

    /// Reads what stands in front of the samples of a chunk, and finds out how long to read.
    fn begin(
        input: &mut Input,
        header: &Header,
        chunk: Chunk,
        warnings: &mut Warnings,
    ) -> Result<Run, PlacedProblem> {
        let claimed = header.dialect.skip_to_samples(input, chunk.size)?;
        let start = input.at();
        let claimed = match header.data_size {
            Some(size) if claimed == 0 || claimed == u64::from(u32::MAX) => size,
            _ => claimed,
        };
        let frame = header.format.frame_bytes() as u64;
        let holds = input.length().is_some_and(|length| length.saturating_sub(start) >= claimed);
        let is_open = if claimed == 0 {
            let ahead = input.peek(FILE_START_BYTES)?;
            !ahead.is_empty() && !header.dialect.is_known(ahead) && !begins_file(ahead)
        } else {
            is_placeholder(claimed) && !(holds && claimed % frame == 0)
        };
        if is_open {
            warnings.push(header.no_length(chunk), Place::Byte(chunk.at));
        }
        Ok(Run { chunk, start, claimed, left: (!is_open).then_some(claimed) })
    }
}

impl Header {
    fn no_length(&self, chunk: Chunk) -> Oddity {
        let (name, size) = (chunk.name(), chunk.size as i64);
        Oddity::NoLength(match self.outer.end {
            Some(_) => format!("{name} size {size}, {} size {}", self.outer.name, self.outer.size),
            None => format!("{name} size {size}"),
        })
    }
}

/// Whether a length is one that writers put down who do not know it: just about the largest that 32 or 64 bits
/// hold, with or without a sign.
fn is_placeholder(size: u64) -> bool {
    const SLACK: u64 = 1 << 16;
    let is_near = |bits: u32| {
        (size.saturating_add(SLACK) >> bits > 0) && (size >> bits == 0 || size - (1 << bits) < SLACK)
    };
    is_near(31) || is_near(32) || size >= 1 << 62
}
