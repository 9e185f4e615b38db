//! AAC in ADTS frames (ISO/IEC 13818-7, annex A): `.aac` files and recordings of radio.

use symphonia::core::codecs::audio::AudioCodecParameters;
use symphonia::core::codecs::audio::well_known::CODEC_ID_AAC;

use super::frames::{Found, FrameHeader, Frames};
use super::{Demuxer, Packet, Stream, Unit, aac};
use crate::audio::error::{Place, PlacedProblem, Problem};
use crate::audio::input::Input;
use crate::audio::warning::Oddity;

/// What the fixed and the variable header of a frame say.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct AdtsHeader {
    /// MPEG-4 audio object type.
    object: u8,
    rate_index: u8,
    /// 0: stated inside the frame.
    channel_configuration: u8,
    /// Of the frame, in bytes.
    length: usize,
    /// Bytes before the coded audio.
    header_length: usize,
    /// Blocks of coded audio in the frame.
    blocks: u8,
}

impl FrameHeader for AdtsHeader {
    const BYTES: usize = 7;

    fn parse(bytes: &[u8]) -> Option<Self> {
        let &[0xFF, b1, b2, b3, b4, b5, b6] = bytes.get(..Self::BYTES)? else { return None };
        let rate_index = b2 >> 2 & 15;
        let header_length = if b1 & 1 == 0 { 9 } else { 7 };
        let length = usize::from(b3 & 3) << 11 | usize::from(b4) << 3 | usize::from(b5) >> 5;
        if b1 & 0xF6 != 0xF0 || usize::from(rate_index) >= aac::RATES.len() || length <= header_length {
            return None;
        }
        let (object, channel_configuration) = ((b2 >> 6) + 1, (b2 & 1) << 2 | b3 >> 6);
        Some(AdtsHeader {
            object,
            rate_index,
            channel_configuration,
            length,
            header_length,
            blocks: (b6 & 3) + 1,
        })
    }

    fn length(&self) -> usize {
        self.length
    }

    fn is_like(&self, other: &Self) -> bool {
        let of = |header: &Self| (header.object, header.rate_index, header.channel_configuration);
        of(self) == of(other)
    }
}

/// The frames of a file of AAC.
pub(crate) struct Adts {
    frames: Frames<AdtsHeader>,
    last: Option<AdtsHeader>,
    /// The frame that opened the stream that was just announced.
    next: Option<Packet>,
}

impl Adts {
    pub fn new(input: Input) -> Self {
        Adts { frames: Frames::new(input), last: None, next: None }
    }

    /// Whether the file holds AAC in ADTS frames near its start, without a head that says so.
    ///
    /// # Errors
    /// As for [`Input::peek`].
    pub fn is_in(input: &mut Input) -> Result<bool, PlacedProblem> {
        Frames::<AdtsHeader>::are_in(input)
    }

    /// Whether such frames run from somewhere in `head` to its end.
    pub fn run_to_end(head: &[u8]) -> bool {
        Frames::<AdtsHeader>::run_to_end(head)
    }
}

impl Demuxer for Adts {
    fn next(&mut self) -> Result<Option<Unit>, PlacedProblem> {
        if let Some(packet) = self.next.take() {
            return Ok(Some(Unit::Packet(packet)));
        }
        let at = Place::Byte(self.frames.at());
        Ok(Some(match self.frames.next()? {
            Found::Frame(header, frame) => {
                if header.blocks > 1 {
                    let what = format!("AAC with {} blocks in an ADTS frame", header.blocks);
                    return Err((Problem::Unsupported(what), at));
                }
                let data = frame.get(header.header_length..).unwrap_or_default().into();
                let packet = Packet { data, ..Packet::default() };
                if self.last.is_some_and(|last| last.is_like(&header)) {
                    return Ok(Some(Unit::Packet(packet)));
                }
                (self.last, self.next) = (Some(header), Some(packet));
                Unit::Stream(Stream::new(parameters(&header, at)?))
            }
            Found::Garbage(bytes, place) => Unit::Odd(Oddity::SkippedBytes(bytes), place),
            Found::Cut(place) => Unit::Odd(Oddity::CutFrame, place),
            Found::End if self.last.is_some() => return Ok(None),
            Found::End => {
                return Err((Problem::Malformed("no ADTS frame near the start".into()), Place::File));
            }
        }))
    }
}

fn parameters(header: &AdtsHeader, at: Place) -> Result<AudioCodecParameters, PlacedProblem> {
    let config = aac::Config {
        object: header.object,
        sample_rate: aac::RATES[usize::from(header.rate_index)],
        channel_configuration: header.channel_configuration,
        is_short: false,
    };
    let mut parameters = AudioCodecParameters::new();
    parameters
        .for_codec(CODEC_ID_AAC)
        .with_extra_data(config.low_complexity().map_err(|problem| (problem, at))?);
    Ok(parameters)
}
