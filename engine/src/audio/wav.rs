//! WAV files, checked against what is really there: the one format in which headers commonly lie, and the one
//! whose 16-bit samples must come through bit-exact.
//!
//! Layout after Microsoft's “Multimedia Programming Interface and Data Specifications 1.0” (RIFF, WAVE) and
//! its `WAVEFORMATEXTENSIBLE`; A-law and µ-law after ITU-T G.711.

use std::io::Read;

use super::error::{Fault, Place, Problem, malformed};
use super::file::{Block, Shape};
use super::pcm;

/// How a WAV file begins.
pub(super) const MAGIC: &[u8; 4] = b"RIFF";

/// The most bytes of samples read at once.
const BLOCK_BYTES: usize = 1 << 15;

/// Writers that cannot go back to fill in the length leave this, or something near `i32::MAX`, or 0.
const LENGTH_UNKNOWN: u32 = u32::MAX;

/// How one sample is stored.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Encoding {
    U8,
    S16,
    S24,
    S32,
    F32,
    F64,
    ALaw,
    MuLaw,
}

impl Encoding {
    fn bytes(self) -> usize {
        match self {
            Encoding::U8 | Encoding::ALaw | Encoding::MuLaw => 1,
            Encoding::S16 => 2,
            Encoding::S24 => 3,
            Encoding::S32 | Encoding::F32 => 4,
            Encoding::F64 => 8,
        }
    }

    /// A sample that fits 16 bits, exactly.
    fn exact(self, b: &[u8]) -> Option<i16> {
        match self {
            Encoding::U8 => Some((i16::from(b[0]) - 128) << 8),
            Encoding::S16 => Some(i16::from_le_bytes([b[0], b[1]])),
            Encoding::ALaw => Some(a_law(b[0])),
            Encoding::MuLaw => Some(mu_law(b[0])),
            _ => None,
        }
    }

    /// A sample with full scale ±1.0.
    fn float(self, b: &[u8]) -> f32 {
        const I32_SCALE: f32 = 2_147_483_648.0;
        match (self, self.exact(b)) {
            (_, Some(sample)) => f32::from(sample) / pcm::I16_SCALE,
            (Encoding::S24, _) => i32::from_le_bytes([0, b[0], b[1], b[2]]) as f32 / I32_SCALE,
            (Encoding::S32, _) => i32::from_le_bytes([b[0], b[1], b[2], b[3]]) as f32 / I32_SCALE,
            (Encoding::F64, _) => f64::from_le_bytes([b[0], b[1], b[2], b[3], b[4], b[5], b[6], b[7]]) as f32,
            _ => f32::from_le_bytes([b[0], b[1], b[2], b[3]]),
        }
    }
}

/// A WAV file, its header read.
pub(super) struct Wav<R> {
    input: Counted<R>,
    shape: Shape,
    encoding: Encoding,
    /// Bytes of samples still to come; `None`: until the file ends.
    left: Option<u64>,
    bytes: Vec<u8>,
    exact: Vec<i16>,
    float: Vec<f32>,
}

impl<R: Read> Wav<R> {
    /// Reads the header, from behind [`MAGIC`] to the first sample. `length` is the file's, if known.
    pub(super) fn open(input: R, length: Option<u64>) -> Result<Self, Fault> {
        let mut input = Counted { input, at: MAGIC.len() as u64 };
        let riff_length = input.u32("the RIFF header")?;
        if &input.array::<4>("the RIFF header")? != b"WAVE" {
            return Err((Problem::Unsupported("RIFF without WAVE".into()), Place::Byte(8)));
        }
        let mut format = None;
        loop {
            let at = input.at;
            let id = input.array::<4>("a chunk header; there is no data chunk")?;
            let size = input.u32("a chunk header")?;
            match &id {
                b"fmt " if format.is_some() => return Err(malformed(at, "a second fmt chunk")),
                b"fmt " => format = Some(read_format(&mut input, size)?),
                b"data" => {
                    let Some((shape, encoding)) = format else {
                        return Err(malformed(at, "the data chunk comes before the fmt chunk"));
                    };
                    let frame = shape.channels * encoding.bytes();
                    let there = length.map(|length| length.saturating_sub(input.at));
                    let left = data_length(size, riff_length, there, frame, shape.sample_rate)
                        .map_err(|problem| (problem, Place::Byte(at)))?;
                    let bytes = vec![0; (BLOCK_BYTES / frame).max(1) * frame];
                    let (exact, float) = (Vec::new(), Vec::new());
                    return Ok(Wav { input, shape, encoding, left, bytes, exact, float });
                }
                _ => input.skip(padded(size), &id)?,
            }
        }
    }

    pub(super) fn shape(&self) -> Shape {
        self.shape
    }

    /// The next samples; `None` at the end of the audio.
    pub(super) fn next_block(&mut self) -> Result<Option<Block<'_>>, Fault> {
        let start = self.input.at;
        let left = self.left.map_or(usize::MAX, |left| usize::try_from(left).unwrap_or(usize::MAX));
        let wanted = self.bytes.len().min(left);
        let count = self.input.fill(&mut self.bytes[..wanted])?;
        let frame = self.shape.channels * self.encoding.bytes();
        match &mut self.left {
            Some(0) => return self.input.check_end().map(|()| None),
            Some(_) if count < wanted => {
                let what = format!("the header promises {} more bytes of samples", left - count);
                return Err((Problem::Truncated(what), Place::Byte(start + count as u64)));
            }
            Some(left) => *left -= count as u64,
            None if count == 0 => return Ok(None),
            None if count % frame != 0 => {
                let what = format!("the last sample frame has {} of {frame} bytes", count % frame);
                return Err((Problem::Truncated(what), Place::Byte(start + count as u64)));
            }
            None => {}
        }
        let (encoding, size) = (self.encoding, self.encoding.bytes());
        let samples = self.bytes[..count].chunks_exact(size);
        if self.shape.channels == 1 {
            self.exact.clear();
            self.exact.extend(samples.clone().map_while(|bytes| encoding.exact(bytes)));
            if !self.exact.is_empty() {
                return Ok(Some(Block::I16(&self.exact)));
            }
        }
        self.float.clear();
        self.float.extend(samples.map(|bytes| encoding.float(bytes)));
        mix_down(&mut self.float, self.shape.channels)?;
        Ok(Some(Block::F32(&self.float)))
    }
}

/// Interleaved samples → the mean of their channels, in place. Every sample is checked before channels can
/// cancel; a bad one is counted in frames.
pub(super) fn mix_down(samples: &mut Vec<f32>, channels: usize) -> Result<(), Fault> {
    use pcm::PcmError::{NotFinite, TooLoud};
    pcm::check(samples).map_err(|error| {
        let error = match error {
            NotFinite { index, value } => NotFinite { index: index / channels, value },
            TooLoud { index, value } => TooLoud { index: index / channels, value },
        };
        (error.into(), Place::File)
    })?;
    if channels > 1 {
        let frames = samples.len() / channels;
        for i in 0..frames {
            samples[i] = samples[i * channels..][..channels].iter().sum::<f32>() / channels as f32;
        }
        samples.truncate(frames);
    }
    Ok(())
}

/// Parses a fmt chunk of `size` bytes.
fn read_format<R: Read>(input: &mut Counted<R>, size: u32) -> Result<(Shape, Encoding), Fault> {
    let at = input.at;
    if !(16..=1024).contains(&size) {
        return Err(malformed(at, format!("a fmt chunk of {size} bytes")));
    }
    let mut chunk = vec![0; size as usize];
    if input.fill(&mut chunk)? < chunk.len() {
        return Err((Problem::Truncated("the file ends in the fmt chunk".into()), Place::Byte(input.at)));
    }
    input.skip(u64::from(size % 2), b"fmt ")?;
    let u16_at = |i: usize| u16::from_le_bytes([chunk[i], chunk[i + 1]]);
    let sample_rate = u32::from_le_bytes([chunk[4], chunk[5], chunk[6], chunk[7]]);
    let shape = Shape { sample_rate, channels: usize::from(u16_at(2)) }.check(Place::Byte(at))?;
    let (mut tag, bits) = (u16_at(0), u16_at(14));
    if tag == 0xFFFE {
        // The real tag is the start of a GUID, whose rest says that it is one.
        const GUID_REST: [u8; 14] = [0, 0, 0, 0, 0x10, 0, 0x80, 0, 0, 0xAA, 0, 0x38, 0x9B, 0x71];
        if chunk.len() < 40 || chunk[26..40] != GUID_REST {
            return Err(malformed(at, "an extensible format without a known sub-format"));
        }
        tag = u16_at(24);
    }
    let encoding = match (tag, bits) {
        (1, 8) => Encoding::U8,
        (1, 16) => Encoding::S16,
        (1, 24) => Encoding::S24,
        (1, 32) => Encoding::S32,
        (3, 32) => Encoding::F32,
        (3, 64) => Encoding::F64,
        (6, 8) => Encoding::ALaw,
        (7, 8) => Encoding::MuLaw,
        _ => {
            let name = match tag {
                1 => "PCM",
                2 | 0x11 => "ADPCM",
                3 => "float PCM",
                0x31 => "GSM",
                0x55 => "MP3 inside WAV",
                _ => "WAV format",
            };
            let what = format!("{name} of {bits} bits (format tag {tag:#06x})");
            return Err((Problem::Unsupported(what), Place::Byte(at)));
        }
    };
    let frame = shape.channels * encoding.bytes();
    if usize::from(u16_at(12)) != frame {
        let what = format!(
            "the header says {} bytes per sample frame, but {} channels of {bits} bits make {frame}",
            u16_at(12),
            shape.channels
        );
        return Err(malformed(at + 12, what));
    }
    Ok((shape, encoding))
}

/// How many bytes of samples follow, given what the header claims and what is `there`.
fn data_length(
    claimed: u32,
    riff_length: u32,
    there: Option<u64>,
    frame: usize,
    rate: u32,
) -> Result<Option<u64>, Problem> {
    let seconds = |bytes: u64| bytes as f64 / frame as f64 / f64::from(rate);
    let more_than_there = there.is_none_or(|there| u64::from(claimed) > there);
    // A length that was never filled in: the writer was a pipe, or was stopped.
    let near_max = claimed >= 0x7FFF_0000 && riff_length >= 0x7FFF_0000 && more_than_there;
    let zero = claimed == 0 && matches!(riff_length, 0 | 36 | LENGTH_UNKNOWN) && there != Some(0);
    if claimed == LENGTH_UNKNOWN || near_max || zero {
        return match there {
            Some(there) if there % frame as u64 != 0 => Err(Problem::Truncated(format!(
                "{there} bytes of samples are no whole number of {frame}-byte frames"
            ))),
            there => Ok(there),
        };
    }
    let claimed = u64::from(claimed);
    match there {
        Some(there) if claimed > there => Err(Problem::Truncated(format!(
            "the header promises {claimed} bytes of samples ({:.3} s), the file holds {there} ({:.3} s)",
            seconds(claimed),
            seconds(there)
        ))),
        _ if claimed % frame as u64 != 0 => Err(Problem::Malformed(format!(
            "{claimed} bytes of samples are no whole number of {frame}-byte frames"
        ))),
        _ => Ok(Some(claimed)),
    }
}

/// Chunks begin at even offsets.
fn padded(size: u32) -> u64 {
    u64::from(size) + u64::from(size % 2)
}

/// A reader that knows where it is.
struct Counted<R> {
    input: R,
    at: u64,
}

impl<R: Read> Counted<R> {
    /// Fills `out` as far as the file goes.
    fn fill(&mut self, out: &mut [u8]) -> Result<usize, Fault> {
        let mut filled = 0;
        while filled < out.len() {
            match self.input.read(&mut out[filled..]) {
                Ok(0) => break,
                Ok(count) => filled += count,
                Err(error) if error.kind() == std::io::ErrorKind::Interrupted => {}
                Err(error) => return Err((Problem::Io(error), Place::Byte(self.at + filled as u64))),
            }
        }
        self.at += filled as u64;
        Ok(filled)
    }

    fn array<const N: usize>(&mut self, within: &str) -> Result<[u8; N], Fault> {
        let mut bytes = [0; N];
        if self.fill(&mut bytes)? < N {
            let what = format!("the file ends where it should have {within}");
            return Err((Problem::Truncated(what), Place::Byte(self.at)));
        }
        Ok(bytes)
    }

    fn u32(&mut self, within: &str) -> Result<u32, Fault> {
        self.array(within).map(u32::from_le_bytes)
    }

    fn skip(&mut self, count: u64, id: &[u8; 4]) -> Result<(), Fault> {
        let mut left = count;
        let mut scratch = [0; 4096];
        while left > 0 {
            let wanted = usize::try_from(left).unwrap_or(usize::MAX).min(scratch.len());
            if self.fill(&mut scratch[..wanted])? < wanted {
                let what = format!(
                    "the file ends in its {:?} chunk, before any audio",
                    id.escape_ascii().to_string()
                );
                return Err((Problem::Truncated(what), Place::Byte(self.at)));
            }
            left -= wanted as u64;
        }
        Ok(())
    }

    /// Behind the samples only other chunks may follow (or zeros, or an MP3-style tag): anything else is audio
    /// that the header's length hides.
    fn check_end(&mut self) -> Result<(), Fault> {
        let start = self.at;
        let mut head = [0; 512];
        let count = self.fill(&mut head)?;
        let tail = &head[..count];
        let is_chunk =
            |bytes: &[u8]| bytes.len() >= 8 && bytes[..4].iter().all(|b| (b' '..=b'~').contains(b));
        let is_tag = tail.starts_with(b"TAG") || tail.starts_with(b"ID3");
        if tail.iter().all(|&b| b == 0) || is_chunk(tail) || is_chunk(&tail[1.min(count)..]) || is_tag {
            return Ok(());
        }
        Err(malformed(start, "the samples go on behind the end that the header gives"))
    }
}

/// ITU-T G.711 A-law → linear, scaled to 16 bits.
fn a_law(code: u8) -> i16 {
    let code = code ^ 0x55;
    let (exponent, mantissa) = ((code >> 4) & 7, i16::from(code & 15));
    let magnitude = match exponent {
        0 => (mantissa << 4) + 8,
        _ => ((mantissa << 4) + 0x108) << (exponent - 1),
    };
    if code & 0x80 != 0 { magnitude } else { -magnitude }
}

/// ITU-T G.711 µ-law → linear, scaled to 16 bits.
fn mu_law(code: u8) -> i16 {
    let code = !code;
    let (exponent, mantissa) = ((code >> 4) & 7, i16::from(code & 15));
    let magnitude = (((mantissa << 3) + 0x84) << exponent) - 0x84;
    if code & 0x80 != 0 { -magnitude } else { magnitude }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn g711_tables_have_the_values_of_the_standard() {
        // Ends of the segments, scaled from 13 and 14 bits to 16.
        for (code, linear) in [(0xD5, 8), (0x55, -8), (0x80, 5504), (0xAA, 32_256), (0x2A, -32_256)] {
            assert_eq!(a_law(code), linear, "A-law {code:#04x}");
        }
        for (code, linear) in [(0xFF, 0), (0x7F, 0), (0x80, 32_124), (0x00, -32_124), (0xFE, 8), (0xEF, 132)]
        {
            assert_eq!(mu_law(code), linear, "µ-law {code:#04x}");
        }
    }
}
