//! MPEG audio, layers 1 to 3: MP3 files and what people make of them. Files joined end to end, with or without
//! tags between them, are one recording; mono may become stereo, and the sample rate may change.

use std::collections::VecDeque;

use symphonia::core::audio::layouts::{CHANNEL_LAYOUT_MONO, CHANNEL_LAYOUT_STEREO};
use symphonia::core::codecs::audio::AudioCodecParameters;
use symphonia::core::codecs::audio::well_known::{CODEC_ID_MP1, CODEC_ID_MP2, CODEC_ID_MP3};

use super::frames::{Found, FrameHeader, Frames};
use super::mpeg_header::{Layer, MpegHeader, is_free_format};
use super::mpeg_info::Info;
use super::{Demuxer, Packet, Stream, Unit, tags};
use crate::audio::error::{Place, PlacedProblem, Problem};
use crate::audio::input::Input;
use crate::audio::warning::Oddity;

/// Frames that are held back, so that padding can be cut off their ends: 4,095 sample frames at the most.
const HELD_FRAMES: usize = 8;

/// The frames of a file of MPEG audio.
pub(crate) struct Mpeg {
    frames: Frames<MpegHeader>,
    /// Units that are ready.
    ready: VecDeque<Unit>,
    /// The last frames, whose padding is not known yet.
    held: VecDeque<(MpegHeader, Packet)>,
    part: Option<Part>,
    /// Whether it begins with a header that states no bit rate.
    is_free_format: bool,
    is_end: bool,
}

/// What an encoder made in one go: a file, or one of several that were joined.
struct Part {
    /// The header of its last frame.
    header: MpegHeader,
    info: Info,
    /// Frames of audio so far.
    count: u64,
    /// Where it begins in the file.
    start: u64,
}

impl Mpeg {
    /// The frames of `input`.
    ///
    /// # Errors
    /// As for [`Input::peek`].
    pub fn new(mut input: Input) -> Result<Self, PlacedProblem> {
        tags::skip(&mut input)?;
        let is_free_format = is_free_format(input.peek(MpegHeader::BYTES)?);
        let (ready, held) = (VecDeque::new(), VecDeque::new());
        Ok(Mpeg { frames: Frames::new(input), ready, held, part: None, is_free_format, is_end: false })
    }

    /// Whether a file of no known kind is MPEG audio behind something else.
    ///
    /// # Errors
    /// As for [`Input::peek`].
    pub fn is_in(input: &mut Input) -> Result<bool, PlacedProblem> {
        Frames::<MpegHeader>::are_in(input)
    }

    /// Whether such frames run from somewhere in `head` to its end.
    pub fn run_to_end(head: &[u8]) -> bool {
        Frames::<MpegHeader>::run_to_end(head)
    }

    fn step(&mut self) -> Result<(), PlacedProblem> {
        let start = self.frames.at();
        match self.frames.next()? {
            Found::Frame(header, data) => self.frame(header, data, start),
            Found::Garbage(bytes, place) => {
                self.ready.push_back(Unit::Odd(Oddity::SkippedBytes(bytes), place));
            }
            Found::Cut(place) => self.ready.push_back(Unit::Odd(Oddity::CutFrame, place)),
            Found::End => self.end()?,
        }
        Ok(())
    }

    fn frame(&mut self, header: MpegHeader, data: Box<[u8]>, start: u64) {
        let info = Info::parse(&header, &data);
        if info.is_some() || self.part.is_none() {
            self.end_part(start);
            self.part = Some(Part { header, info: info.unwrap_or_default(), count: 0, start });
            self.begin_stream(&header, info.unwrap_or_default().delay);
        }
        if info.is_some() {
            return;
        }
        if let Some(part) = &mut self.part {
            part.count += 1;
            if !is_same_stream(&std::mem::replace(&mut part.header, header), &header) {
                self.release(self.held.len());
                self.begin_stream(&header, 0);
            }
        }
        let packet = Packet { data, stand_in: header.samples(), ..Packet::default() };
        self.held.push_back((header, packet));
        if self.held.len() > HELD_FRAMES {
            self.release(1);
        }
    }

    fn begin_stream(&mut self, header: &MpegHeader, delay: u64) {
        let parameters = parameters(header);
        self.ready.push_back(Unit::Stream(Stream { delay, ..Stream::new(parameters) }));
    }

    /// Cuts the padding off the frames that are held, as far as the counts bear it out.
    fn end_part(&mut self, end: u64) {
        let Some(part) = self.part.take() else { return };
        let Info { frames, bytes, padding, .. } = part.info;
        let missing = frames.saturating_sub(part.count);
        if part.count <= frames {
            let mut padding = padding.saturating_sub(missing * part.header.samples());
            for (header, packet) in self.held.iter_mut().rev() {
                packet.padding = padding.min(header.samples());
                padding -= packet.padding;
            }
        }
        self.release(self.held.len());
        let found = part.count;
        if missing > 1 && bytes > end - part.start {
            // Two counts say that the file was longer.
            let seconds = (missing * part.header.samples()) as f64 / f64::from(part.header.sample_rate);
            let what = format!(
                "the header gives {frames} frames, the file holds {found}: {seconds:.3} s are missing"
            );
            self.ready.push_back(Unit::Missing(Problem::Truncated(what)));
        } else if frames != found && part.info != Info::default() {
            let oddity = Oddity::WrongCount { claimed: frames, found, unit: "frames" };
            self.ready.push_back(Unit::Odd(oddity, Place::Byte(part.start)));
        }
    }

    /// Hands on the oldest `count` frames that are held.
    fn release(&mut self, count: usize) {
        self.ready.extend(self.held.drain(..count).map(|(_, packet)| Unit::Packet(packet)));
    }

    fn end(&mut self) -> Result<(), PlacedProblem> {
        if self.part.is_none() {
            let problem = match self.is_free_format {
                true => Problem::Unsupported("MPEG audio in free format".into()),
                false => Problem::Malformed("no frame of MPEG audio near the start".into()),
            };
            return Err((problem, Place::File));
        }
        self.end_part(self.frames.at());
        self.is_end = true;
        Ok(())
    }
}

impl Demuxer for Mpeg {
    fn next(&mut self) -> Result<Option<Unit>, PlacedProblem> {
        while self.ready.is_empty() && !self.is_end {
            self.step()?;
        }
        Ok(self.ready.pop_front())
    }
}

/// Whether one decoder decodes frames with both headers.
fn is_same_stream(one: &MpegHeader, other: &MpegHeader) -> bool {
    one.is_like(other) && one.channels == other.channels
}

fn parameters(header: &MpegHeader) -> AudioCodecParameters {
    let mut parameters = AudioCodecParameters::new();
    let codec = match header.layer {
        Layer::One => CODEC_ID_MP1,
        Layer::Two => CODEC_ID_MP2,
        Layer::Three => CODEC_ID_MP3,
    };
    let channels = if header.channels == 1 { CHANNEL_LAYOUT_MONO } else { CHANNEL_LAYOUT_STEREO };
    parameters.for_codec(codec).with_sample_rate(header.sample_rate).with_channels(channels);
    parameters
}
