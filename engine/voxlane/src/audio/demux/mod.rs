//! From the bytes of a file to packets of coded audio.
//!
//! MPEG audio, AAC in ADTS, FLAC and Ogg are walked here frame by frame: joined, cut, damaged and mislabeled
//! files are common, and a header's counts are hints. For MP4 and Matroska see `container`.

pub(crate) mod aac;
mod adts;
mod flac;
mod flac_frame;
mod flac_header;
mod frames;
mod mpeg;
mod mpeg_header;
mod mpeg_info;
mod ogg;
mod ogg_page;
mod ogg_stream;
pub(crate) mod tags;

use symphonia::core::codecs::audio::AudioCodecParameters;

use super::error::{Place, PlacedProblem, Problem};
use super::warning::Oddity;

pub(crate) use adts::{Adts, AdtsHeader};
pub(crate) use flac::Flac;
pub(crate) use frames::FrameHeader;
pub(crate) use mpeg::Mpeg;
pub(crate) use mpeg_header::MpegHeader;
pub(crate) use ogg::Ogg;

/// What comes next in a file.
pub(crate) enum Unit {
    /// A stream of audio begins; the packets that follow belong to it.
    Stream(Stream),
    /// The next packet of the stream.
    Packet(Packet),
    /// Something odd that cost no audio.
    Odd(Oddity, Place),
    /// Audio is missing here.
    Missing(Problem),
    /// So many sample frames of silence, in the place of audio that is missing.
    Silence(u64),
}

/// What a decoder must know about a stream of audio.
pub(crate) struct Stream {
    pub parameters: AudioCodecParameters,
    /// Sample frames at the start that are no part of the recording: the encoder's delay.
    pub delay: u64,
    /// Sample frames that a header promises.
    pub promised: Option<u64>,
}

impl Stream {
    /// A stream of which nothing is promised.
    pub fn new(parameters: AudioCodecParameters) -> Self {
        Stream { parameters, delay: 0, promised: None }
    }
}

/// One packet of coded audio.
#[derive(Debug, Default)]
pub(crate) struct Packet {
    pub data: Box<[u8]>,
    /// Sample frames at its end that are padding.
    pub padding: u64,
    /// Sample frames of silence to put in its place if it cannot be decoded; 0: its audio is then missing.
    pub stand_in: u64,
    /// Where its last sample lies in the stream, if the container says so.
    pub end: Option<End>,
    /// Where its first sample lies in the recording, in seconds, if the container says so.
    pub start: Option<f64>,
}

/// A position in a stream, stated by its container.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct End {
    /// In sample frames.
    pub position: u64,
    /// Whether the stream ends there.
    pub is_last: bool,
}

/// A file as a sequence of units.
pub(crate) trait Demuxer: Send {
    /// The next unit; `None` at the end of the file.
    ///
    /// # Errors
    /// What makes reading on impossible. Audio that was lost on the way is a [`Unit::Missing`].
    fn next(&mut self) -> Result<Option<Unit>, PlacedProblem>;
}
