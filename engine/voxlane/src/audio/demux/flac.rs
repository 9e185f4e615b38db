//! FLAC without a container (RFC 9639), one stream or several joined end to end.

use symphonia::core::codecs::audio::AudioCodecParameters;
use symphonia::core::codecs::audio::well_known::CODEC_ID_FLAC;

use super::flac_frame::FrameEnd;
use super::flac_header::{FrameHeader, MAGIC, MAX_HEADER_BYTES, STREAM_INFO_BYTES, StreamInfo};
use super::{Demuxer, Packet, Stream, Unit, tags};
use crate::audio::error::{Place, PlacedProblem, Problem, malformed};
use crate::audio::input::Input;
use crate::audio::warning::Oddity;

/// The longest gap that is filled with silence, in seconds: its length is only what a frame says.
const MAX_SILENCE_S: u64 = 3600;

/// The most sample frames of silence that are given at once.
const SILENCE_FRAMES: u64 = 1 << 14;

/// A FLAC file.
pub(crate) struct Flac {
    input: Input,
    ready: Vec<Unit>,
    stream: Option<State>,
    is_end: bool,
}

/// Where the walk through a stream is.
struct State {
    info: StreamInfo,
    end: FrameEnd,
    /// The number that the next frame has if none is missing.
    next: Option<u64>,
    /// The most sample frames that a frame had.
    block: u64,
    /// Sample frames so far.
    samples: u64,
    /// Where bytes that are no whole frame began, if they did, and whether a frame was among them.
    skipped_from: Option<u64>,
    is_frame_broken: bool,
}

impl Flac {
    pub fn new(input: Input) -> Self {
        Flac { input, ready: Vec::new(), stream: None, is_end: false }
    }

    fn step(&mut self) -> Result<(), PlacedProblem> {
        tags::skip(&mut self.input)?;
        let head = self.input.peek(MAX_HEADER_BYTES)?;
        let is_end = head.is_empty();
        if is_end || head.starts_with(MAGIC) {
            self.end_stream();
            self.is_end = is_end;
            return if is_end { Ok(()) } else { self.begin_stream() };
        }
        let Some(stream) = &mut self.stream else { return Err(malformed(self.input.at(), "no FLAC stream")) };
        if let Some(header) = FrameHeader::parse(head, &stream.info) {
            if let Some(length) = stream.end.find(&mut self.input, &header, &stream.info)? {
                return self.frame(header, length);
            }
            stream.is_frame_broken = true;
        }
        stream.skipped_from.get_or_insert(self.input.at());
        skip_to_candidate(&mut self.input)
    }

    fn begin_stream(&mut self) -> Result<(), PlacedProblem> {
        let at = self.input.at();
        self.input.skip(MAGIC.len() as u64)?;
        let mut bytes = None;
        loop {
            let head: [u8; 4] = self.input.array("a metadata block")?;
            let length = u64::from(u32::from_be_bytes([0, head[1], head[2], head[3]]));
            if head[0] & 0x7F == 0 && bytes.is_none() && length >= STREAM_INFO_BYTES as u64 {
                bytes = Some(self.input.array::<STREAM_INFO_BYTES>("STREAMINFO")?);
                self.input.skip(length - STREAM_INFO_BYTES as u64)?;
            } else if self.input.skip(length)? < length {
                let what = "the file ends in its metadata, before any audio";
                return Err((Problem::Truncated(what.into()), Place::Byte(self.input.at())));
            }
            if head[0] & 0x80 != 0 {
                break;
            }
        }
        let Some(bytes) = bytes else { return Err(malformed(at, "no STREAMINFO")) };
        let info = StreamInfo::parse(&bytes);
        let mut parameters = AudioCodecParameters::new();
        parameters.for_codec(CODEC_ID_FLAC).with_extra_data(StreamInfo::permissive(&bytes).into());
        let promised = Some(info.total).filter(|&total| total > 0);
        let end = FrameEnd::new(&parameters, at)?;
        self.ready.push(Unit::Stream(Stream { promised, ..Stream::new(parameters) }));
        let (next, block, samples, skipped_from, is_frame_broken) = (None, 0, 0, None, false);
        self.stream = Some(State { info, end, next, block, samples, skipped_from, is_frame_broken });
        Ok(())
    }

    /// Takes the frame that comes next.
    fn frame(&mut self, header: FrameHeader, length: usize) -> Result<(), PlacedProblem> {
        let Some(stream) = &mut self.stream else { return Ok(()) };
        let skipped = stream.skipped_from.take().map(|from| (self.input.at() - from, Place::Byte(from)));
        let step = if header.is_variable { header.samples } else { 1 };
        // The last frame is shorter than the others.
        stream.block = stream.block.max(header.samples);
        let gap = stream.next.map_or(0, |next| header.number.saturating_sub(next));
        let missing = if header.is_variable { gap } else { gap.saturating_mul(stream.block) };
        if missing > 0 || stream.is_frame_broken {
            stream.samples = stream.samples.saturating_add(missing);
            let seconds = missing as f64 / f64::from(stream.info.sample_rate);
            let what = format!("{seconds:.3} s of audio are damaged or missing");
            self.ready.push(Unit::Missing(Problem::Malformed(what)));
            let mut silence = missing.min(MAX_SILENCE_S * u64::from(stream.info.sample_rate));
            while silence > 0 {
                let frames = silence.min(SILENCE_FRAMES);
                self.ready.push(Unit::Silence(frames));
                silence -= frames;
            }
        } else if let Some((bytes, place)) = skipped {
            self.ready.push(Unit::Odd(Oddity::SkippedBytes(bytes), place));
        }
        stream.is_frame_broken = false;
        stream.next = Some(header.number + step);
        stream.samples += header.samples;
        let data = Box::from(self.input.peek(length)?);
        self.input.skip(length as u64)?;
        self.ready.push(Unit::Packet(Packet { data, ..Packet::default() }));
        Ok(())
    }

    fn end_stream(&mut self) {
        let Some(stream) = self.stream.take() else { return };
        let is_whole = stream.info.total > 0 && stream.samples >= stream.info.total;
        if stream.is_frame_broken && !is_whole {
            let what = "the file ends in the middle of a frame";
            self.ready.push(Unit::Missing(Problem::Truncated(what.into())));
        } else if let Some(from) = stream.skipped_from {
            self.ready.push(Unit::Odd(Oddity::SkippedBytes(self.input.at() - from), Place::Byte(from)));
        }
    }
}

impl Demuxer for Flac {
    fn next(&mut self) -> Result<Option<Unit>, PlacedProblem> {
        while self.ready.is_empty() && !self.is_end {
            self.step()?;
        }
        Ok((!self.ready.is_empty()).then(|| self.ready.remove(0)))
    }
}

/// Skips a byte, and all behind it that cannot begin a frame, a stream or a tag.
fn skip_to_candidate(input: &mut Input) -> Result<(), PlacedProblem> {
    const STEP: usize = 4096;
    let bytes = input.peek(STEP)?;
    let is_candidate = |byte: &u8| matches!(byte, 0xFF | b'f' | b'T' | b'A' | b'I' | b'L' | b'3');
    let next = bytes.iter().skip(1).position(is_candidate).map_or(bytes.len(), |next| next + 1);
    input.skip(next as u64).map(|_| ())
}
