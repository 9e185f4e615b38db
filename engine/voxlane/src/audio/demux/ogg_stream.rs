//! A logical stream of Ogg: packets put together from the pages of one serial number, and the headers that its
//! codec begins with: Vorbis, Opus (RFC 7845), FLAC.

use symphonia::core::codecs::audio::AudioCodecParameters;
use symphonia::core::codecs::audio::well_known::{CODEC_ID_FLAC, CODEC_ID_OPUS, CODEC_ID_VORBIS};

use super::flac_header::{STREAM_INFO_BYTES, StreamInfo};
use super::ogg_page::Page;
use super::{End, Packet, Stream};
use crate::audio::error::Problem;

/// The most bytes of a packet: headers with pictures are this long, audio never is.
const MAX_PACKET_BYTES: usize = 1 << 24;

/// The codec of a stream, and its headers as far as they were read.
#[derive(Debug)]
enum Headers {
    /// The first header of Vorbis; the second is text, the third is wanted.
    Vorbis(Vec<u8>),
    /// OpusHead; OpusTags follows.
    Opus(Vec<u8>),
    /// STREAMINFO; metadata blocks follow until the first frame.
    Flac(Box<[u8; STREAM_INFO_BYTES]>),
}

/// A stream of audio.
#[derive(Debug)]
pub(super) struct LogicalStream {
    pub serial: u32,
    /// `None` once the headers are whole.
    headers: Option<Headers>,
    /// The number that its next page has.
    next_page: u32,
    /// The start of a packet whose end is not there yet.
    open: Vec<u8>,
    /// Whether the start of the open packet is missing.
    is_headless: bool,
    pub is_ended: bool,
}

/// What a page brought.
#[derive(Default)]
pub(super) struct Brought {
    pub stream: Option<Stream>,
    pub packets: Vec<Packet>,
    /// Whether pages are missing before it.
    pub has_gap: bool,
}

impl LogicalStream {
    /// The stream that `page` begins, if it is one of audio that can be read.
    pub fn begin(page: &Page) -> Option<Self> {
        let first = page.pieces().next()?.bytes;
        let headers = if first.starts_with(b"\x01vorbis") {
            Headers::Vorbis(first.to_vec())
        } else if first.starts_with(b"OpusHead") {
            Headers::Opus(first.to_vec())
        } else if first.starts_with(b"\x7FFLAC") {
            // Version, header count and "fLaC", then STREAMINFO behind its block header.
            Headers::Flac(Box::new(first.get(17..17 + STREAM_INFO_BYTES)?.try_into().ok()?))
        } else {
            return None;
        };
        Some(LogicalStream {
            serial: page.serial,
            headers: Some(headers),
            next_page: page.number.wrapping_add(1),
            open: Vec::new(),
            is_headless: false,
            is_ended: page.is_last,
        })
    }

    /// Whether the headers are whole, so that audio can follow.
    pub fn is_open(&self) -> bool {
        self.headers.is_none()
    }

    /// Whether a packet has begun and not ended.
    pub fn has_open_packet(&self) -> bool {
        !self.open.is_empty()
    }

    /// Takes a page of the stream.
    ///
    /// # Errors
    /// If a header is not what it should be.
    pub fn page(&mut self, page: &Page) -> Result<Brought, Problem> {
        let has_gap = page.number != self.next_page;
        let mut brought = Brought { has_gap, ..Brought::default() };
        self.next_page = page.number.wrapping_add(1);
        self.is_ended = page.is_last;
        if has_gap || !page.is_continued {
            self.open.clear();
        }
        self.is_headless = page.is_continued && self.open.is_empty();
        for piece in page.pieces() {
            if self.open.len() + piece.bytes.len() > MAX_PACKET_BYTES {
                return Err(Problem::Malformed("a packet of more than 16 MiB".into()));
            }
            self.open.extend_from_slice(piece.bytes);
            if !piece.is_end {
                break;
            }
            let data = std::mem::take(&mut self.open);
            // Some writers end a stream with an empty packet.
            if !std::mem::take(&mut self.is_headless) && !data.is_empty() {
                self.packet(data, &mut brought)?;
            }
        }
        if let Some(position) = page.position {
            // The end of the stream may lie in front of its last packet.
            let end = Some(End { position, is_last: page.is_last });
            let ended = if page.is_last { 0 } else { brought.packets.len().saturating_sub(1) };
            brought.packets[ended..].iter_mut().for_each(|packet| packet.end = end);
        }
        Ok(brought)
    }

    fn packet(&mut self, data: Vec<u8>, brought: &mut Brought) -> Result<(), Problem> {
        let parameters = match &mut self.headers {
            None => {
                // Headers may come again, and FLAC allows metadata anywhere: neither is audio.
                brought.packets.push(Packet { data: data.into(), ..Packet::default() });
                return Ok(());
            }
            Some(Headers::Vorbis(headers)) if data.starts_with(b"\x05vorbis") => {
                headers.extend_from_slice(&data);
                let mut parameters = AudioCodecParameters::new();
                parameters.for_codec(CODEC_ID_VORBIS).with_extra_data(headers.as_slice().into());
                parameters
            }
            Some(Headers::Vorbis(_)) if data.starts_with(b"\x03vorbis") => return Ok(()),
            Some(Headers::Vorbis(_)) => return Err(Problem::Malformed("Vorbis: a header is missing".into())),
            Some(Headers::Opus(head)) if data.starts_with(b"OpusTags") => {
                let mut parameters = AudioCodecParameters::new();
                parameters.for_codec(CODEC_ID_OPUS).with_extra_data(head.as_slice().into());
                parameters
            }
            Some(Headers::Opus(_)) => return Err(Problem::Malformed("Opus: a header is missing".into())),
            Some(Headers::Flac(info)) if data.first() == Some(&0xFF) => {
                let mut parameters = AudioCodecParameters::new();
                parameters.for_codec(CODEC_ID_FLAC).with_extra_data(StreamInfo::permissive(info).into());
                let promised = Some(StreamInfo::parse(info).total).filter(|&total| total > 0);
                brought.stream = Some(Stream { promised, ..Stream::new(parameters) });
                self.headers = None;
                return self.packet(data, brought);
            }
            Some(Headers::Flac(_)) => return Ok(()),
        };
        self.headers = None;
        brought.stream = Some(Stream::new(parameters));
        Ok(())
    }
}
