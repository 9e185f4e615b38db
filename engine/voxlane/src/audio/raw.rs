//! Samples without a header, in a format that somebody has to know.

use std::io::Read;

use super::block::Block;
use super::error::{Place, PlacedProblem, Problem};
use super::input::Input;
use super::pcm;
use super::raw_encoding::RawEncoding;
use super::resemblance::{Judge, Resemblance};
use super::sample::{Decoded, Encoding};
use super::source::{Part, Shape, Source};
use super::warning::{Oddity, Warnings};

/// The most bytes of samples read at once.
const BLOCK_BYTES: usize = 1 << 14;

/// The format of samples without a header.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RawFormat {
    /// The encoding of each sample.
    pub encoding: RawEncoding,
    /// The sample rate in Hz.
    pub sample_rate: u32,
    /// The number of channels, which are interleaved.
    pub channels: usize,
}

impl RawEncoding {
    /// What the bytes should resemble.
    fn resemblance(self) -> Resemblance {
        match self {
            RawEncoding::S16Le => Resemblance::S16Le,
            RawEncoding::F32Le => Resemblance::F32Le,
            RawEncoding::MuLaw => Resemblance::MuLaw,
            RawEncoding::ALaw => Resemblance::ALaw,
        }
    }
}

/// Bytes that are read as samples.
pub(super) struct Raw {
    input: Input,
    format: RawFormat,
    bytes: Vec<u8>,
    /// The first bytes of `bytes` that belong to a frame that is not yet whole.
    held: usize,
    decoded: Decoded,
    judge: Judge,
}

impl Raw {
    /// Takes everything in `input` for samples.
    pub(super) fn open(input: Input, format: RawFormat) -> Result<Self, PlacedProblem> {
        shape(format).check(Place::File)?;
        let frame = format.encoding.number().bytes() * format.channels;
        let bytes = vec![0; (BLOCK_BYTES / frame).max(1) * frame];
        let judge = Judge::new(format.encoding.resemblance(), format.channels);
        Ok(Raw { input, format, bytes, held: 0, decoded: Decoded::default(), judge })
    }

    fn warn(&self, found: Option<Resemblance>, warnings: &mut Warnings) {
        if let Some(found) = found {
            let expected = self.format.encoding.resemblance();
            let problem = Oddity::Resembles { found: found.name(), expected: expected.name() };
            warnings.push(problem, Place::Byte(0));
        }
    }
}

impl Source for Raw {
    fn shape(&self) -> Shape {
        shape(self.format)
    }

    fn encoding(&self) -> Option<RawEncoding> {
        Some(self.format.encoding)
    }

    fn next_part(&mut self, warnings: &mut Warnings) -> Result<Option<Part<'_>>, PlacedProblem> {
        let number = self.format.encoding.number();
        let frame = number.bytes() * self.format.channels;
        loop {
            // A pipe may be live: whatever it has is taken at once.
            let read = self.input.read(&mut self.bytes[self.held..]);
            let count = read.map_err(|error| (Problem::Io(error), Place::Byte(self.input.at())))?;
            if count == 0 {
                if self.held > 0 {
                    let (found, expected) = (self.held as u64, frame as u64);
                    let at = Place::Byte(self.input.at() - found);
                    warnings.push(Oddity::PartialFrame { found, expected }, at);
                }
                let found = self.judge.finish();
                self.warn(found, warnings);
                return Ok(None);
            }
            let found = self.judge.push(&self.bytes[self.held..self.held + count]);
            self.warn(found, warnings);
            let filled = self.held + count;
            self.held = filled % frame;
            let whole = filled - self.held;
            if whole == 0 {
                continue;
            }
            let encoding = Encoding { number, is_big_endian: false };
            let samples = self.decoded.decode(&self.bytes[..whole], encoding);
            if matches!(samples, Block::F32(samples) if pcm::check(samples).is_err()) {
                // The reader refuses them: say at least what they may be.
                let found = self.judge.finish();
                self.warn(found, warnings);
            }
            let samples = self.decoded.decode(&self.bytes[..whole], encoding);
            self.bytes.copy_within(whole..filled, 0);
            return Ok(Some(Part { channels: self.format.channels, samples }));
        }
    }
}

fn shape(format: RawFormat) -> Shape {
    Shape { sample_rate: format.sample_rate, channels: format.channels }
}
