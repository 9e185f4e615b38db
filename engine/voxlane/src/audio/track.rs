//! One stream of compressed audio: its packets decoded, without the encoder's delay and padding.

use std::ops::Range;

use super::block::Block;
use super::decoder::CodecDecoder;
use super::demux::{End, Packet, Stream};
use super::error::Problem;
use super::source::{Part, Shape};

/// A stream that is being decoded.
pub(super) struct Track {
    decoder: CodecDecoder,
    /// That of the packet that was decoded last.
    shape: Option<Shape>,
    /// Sample frames so far, with those that are trimmed.
    decoded: u64,
    /// Sample frames that are still to be dropped at the start.
    delay: u64,
    promised: Option<u64>,
    /// The container's position of the first sample.
    base: Option<u64>,
    /// The sample frames of the last packet that belong to the recording.
    kept: Range<usize>,
    /// Sample frames of silence in front of the last packet, by its timestamp, and of those in front of that.
    gap: u64,
    filled: u64,
}

/// The greatest part of a second by which timestamps may be off: they are rounded, and some are those of a clock.
const JITTER: f64 = 0.1;

impl Track {
    /// Begins a stream.
    ///
    /// # Errors
    /// As for [`CodecDecoder::new`].
    pub fn new(stream: Stream) -> Result<Self, Problem> {
        let decoder = CodecDecoder::new(&stream.parameters)?;
        // MP4 states the delay of Opus twice.
        let delay = stream.delay.max(decoder.delay());
        let promised = stream.promised;
        Ok(Track {
            decoder,
            shape: None,
            decoded: 0,
            delay,
            promised,
            base: None,
            kept: 0..0,
            gap: 0,
            filled: 0,
        })
    }

    /// The rate and channels of the last packet.
    pub fn shape(&self) -> Option<Shape> {
        self.shape
    }

    /// Decodes a packet.
    ///
    /// # Errors
    /// What is wrong with the packet.
    pub fn decode(&mut self, packet: &Packet) -> Result<(), String> {
        self.kept = 0..0;
        let shape = self.decoder.decode(&packet.data)?;
        let frames = self.decoder.samples().len() / shape.channels.max(1);
        if frames > 0 {
            self.shape = Some(shape);
        }
        self.trim(packet, frames);
        Ok(())
    }

    /// Counts the sample frames of a packet and leaves out those that are no part of the recording.
    fn trim(&mut self, packet: &Packet, frames: usize) {
        self.gap = self.gap_before(packet);
        self.decoded += frames as u64;
        let start = self.delay.min(frames as u64);
        self.delay -= start;
        let surplus = packet.end.map_or(0, |end| self.surplus(end));
        let padding = packet.padding.max(surplus).min(frames as u64);
        let (start, end) = (start as usize, frames - padding as usize);
        self.kept = start.min(end)..end;
    }

    /// Sample frames by which a packet lies behind all that came before it.
    fn gap_before(&self, packet: &Packet) -> u64 {
        let (Some(start), Some(shape)) = (packet.start, self.shape) else { return 0 };
        let rate = f64::from(shape.sample_rate);
        let gap = ((start * rate) as u64).saturating_sub(self.decoded + self.filled);
        if gap as f64 > JITTER * rate { gap } else { 0 }
    }

    /// Takes the silence that belongs in front of what the last packet brought, in sample frames.
    pub fn take_gap(&mut self) -> u64 {
        let gap = std::mem::take(&mut self.gap);
        self.filled += gap;
        gap
    }

    /// Sample frames that were decoded beyond the end that the container states.
    fn surplus(&mut self, end: End) -> u64 {
        // A stream of one page is trimmed at its end; another may begin at any position.
        let first = if end.is_last { 0 } else { end.position.saturating_sub(self.decoded) };
        let base = *self.base.get_or_insert(first);
        if end.is_last { self.decoded.saturating_sub(end.position.saturating_sub(base)) } else { 0 }
    }

    /// What the last packet brought, if it brought anything.
    pub fn part(&self) -> Option<Part<'_>> {
        let channels = self.shape?.channels;
        let range = self.kept.start * channels..self.kept.end * channels;
        let samples = match self.decoder.samples() {
            Block::I16(samples) => Block::I16(samples.get(range)?),
            Block::F32(samples) => Block::F32(samples.get(range)?),
        };
        (!samples.is_empty()).then_some(Part { channels, samples })
    }

    /// Puts `frames` of silence in the place of a packet that cannot be decoded.
    pub fn stand_in(&mut self, packet: &Packet, frames: u64) {
        if let Some(shape) = self.shape {
            self.decoder.give_silence(frames as usize * shape.channels);
            self.trim(packet, frames as usize);
        }
    }

    /// Whether the checksum of the decoded audio holds; `None` if there is none.
    pub fn verify(&mut self) -> Option<bool> {
        self.decoder.verify()
    }

    /// The sample frames that the header promises and those that there are, where they differ.
    pub fn imbalance(&self) -> Option<(u64, u64)> {
        self.promised.filter(|&promised| promised != self.decoded).map(|promised| (promised, self.decoded))
    }
}
