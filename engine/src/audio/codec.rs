//! FLAC, MP3 and Ogg Vorbis, decoded by `symphonia`.
//!
//! A packet that cannot be decoded, a checksum that does not hold, a stream that ends before its header says,
//! one with a hole, or one that changes its shape on the way ends the reading with an error. What these formats do
//! not protect cannot be seen: MP3 frames mostly have no checksum, and an MP3 file without a Xing or VBRI header,
//! or an Ogg file that was cut exactly between two pages, does not say that it was longer.

use std::fs::File;
use std::io::{Cursor, Read, Seek};

use symphonia::core::audio::GenericAudioBufferRef;
use symphonia::core::codecs::audio::well_known::{CODEC_ID_FLAC, CODEC_ID_OPUS, CODEC_ID_VORBIS};
use symphonia::core::codecs::audio::{AudioCodecParameters, AudioDecoder, AudioDecoderOptions};
use symphonia::core::common::Limit;
use symphonia::core::errors::Error;
use symphonia::core::formats::probe::Hint;
use symphonia::core::formats::{FormatOptions, FormatReader, TrackType};
use symphonia::core::io::{MediaSource, MediaSourceStream, ReadOnlySource};
use symphonia::core::meta::MetadataOptions;
use symphonia::default::{get_codecs, get_probe};

use super::error::{Fault, Place, Problem};
use super::file::{Block, Shape};
use super::ogg;
use super::wav::mix_down;

/// The most bytes of text tags or pictures that are kept while reading past them.
const METADATA_BYTES: usize = 1 << 16;

/// A compressed file, its header read.
pub(super) struct Codec {
    format: Box<dyn FormatReader>,
    decoder: Box<dyn AudioDecoder>,
    track: u32,
    shape: Shape,
    /// Whether samples of at most 16 bits come through one channel without loss.
    is_exact: bool,
    /// Sample frames that the header promises.
    promised: Option<u64>,
    /// Sample frames decoded so far.
    decoded: u64,
    /// When the next packet must begin, in the container's own units, once there was one.
    next_start: Option<i64>,
    /// Where the last packet must end, in the same units, if the container says so.
    end: Option<i64>,
    exact: Vec<i16>,
    float: Vec<f32>,
}

impl Codec {
    /// Recognizes the format and reads the header, `head` being the bytes that were already read from the file.
    /// `length` is the file's, if it is one that can be rewound.
    pub(super) fn open(head: Vec<u8>, mut file: File, length: Option<u64>) -> Result<Self, Fault> {
        // An Ogg file's length is written at its end. An MP3 file without a length must not be given the
        // chance to estimate one, which could not be told from a promise.
        let mut last_page = None;
        let source: Box<dyn MediaSource> = match length {
            Some(length) if head == ogg::MAGIC => {
                let io = |error: std::io::Error| (error.into(), Place::File);
                last_page = ogg::last_page(&mut file, length).map_err(io)?;
                file.rewind().map_err(io)?;
                Box::new(file)
            }
            _ => Box::new(ReadOnlySource::new(Cursor::new(head).chain(file))),
        };
        let stream = MediaSourceStream::new(source, Default::default());
        let limit = Limit::Maximum(METADATA_BYTES);
        let metadata = MetadataOptions::default().limit_tag_bytes(limit).limit_visual_bytes(limit);
        let format = get_probe()
            .probe(&Hint::new(), stream, FormatOptions::default(), metadata)
            .map_err(|error| header(error, "this kind of file"))?;

        let none = || (Problem::Unsupported("a file without an audio track".into()), Place::File);
        let track = format.default_track(TrackType::Audio).ok_or_else(none)?;
        let (id, promised) = (track.id, track.num_frames);
        let parameters = track.codec_params.as_ref().and_then(|p| p.audio()).ok_or_else(none)?;
        let name = codec_name(parameters);
        let decoder = get_codecs()
            .make_audio_decoder(parameters, &AudioDecoderOptions::default().verify(true))
            .map_err(|error| header(error, &name))?;

        let unknown = |what: &str| (Problem::Malformed(format!("{name} without {what}")), Place::File);
        let shape = Shape {
            sample_rate: parameters.sample_rate.ok_or_else(|| unknown("a sample rate"))?,
            channels: parameters.channels.as_ref().ok_or_else(|| unknown("a channel count"))?.count(),
        }
        .check(Place::File)?;
        let is_exact = shape.channels == 1
            && parameters.codec == CODEC_ID_FLAC
            && parameters.bits_per_sample.is_some_and(|bits| bits <= 16);
        let (exact, float) = (Vec::new(), Vec::new());
        let end = last_page.filter(|page| page.serial == id).map(|page| page.end);
        let (decoded, next_start) = (0, None);
        Ok(Codec {
            format,
            decoder,
            track: id,
            shape,
            is_exact,
            promised,
            decoded,
            next_start,
            end,
            exact,
            float,
        })
    }

    pub(super) fn shape(&self) -> Shape {
        self.shape
    }

    /// The next samples; `None` at the end of the audio.
    pub(super) fn next_block(&mut self) -> Result<Option<Block<'_>>, Fault> {
        loop {
            let here = Place::Time(self.decoded as f64 / f64::from(self.shape.sample_rate));
            let Some(packet) = self.format.next_packet().map_err(|error| damage(error, here))? else {
                return self.end(here).map(|()| None);
            };
            if packet.track_id != self.track {
                continue;
            }
            // Damaged pages are left out by the container's reader: audio would silently close up over them.
            let start = packet.pts.get();
            if self.next_start.is_some_and(|expected| start > expected) {
                return Err((Problem::Malformed("audio is missing".into()), here));
            }
            let length = [packet.trim_start, packet.dur, packet.trim_end].iter().map(|part| part.get()).sum();
            self.next_start = Some(start.saturating_add_unsigned(length));
            let buffer = self.decoder.decode(&packet).map_err(|error| damage(error, here))?;
            let frames = buffer.frames();
            if frames == 0 {
                continue;
            }
            self.decoded += frames as u64;
            check_shape(&buffer, self.shape, here)?;
            if self.is_exact {
                buffer.copy_to_vec_interleaved(&mut self.exact);
                return Ok(Some(Block::I16(&self.exact)));
            }
            buffer.copy_to_vec_interleaved(&mut self.float);
            mix_down(&mut self.float, self.shape.channels)?;
            return Ok(Some(Block::F32(&self.float)));
        }
    }

    /// What can only be known when all is decoded.
    fn end(&mut self, here: Place) -> Result<(), Fault> {
        if let Some(promised) = self.promised.filter(|&promised| promised > self.decoded) {
            let rate = f64::from(self.shape.sample_rate);
            let (promised, decoded) = (promised as f64 / rate, self.decoded as f64 / rate);
            let what = format!("the header promises {promised:.3} s, the file holds {decoded:.3} s");
            return Err((Problem::Truncated(what), here));
        }
        if self.end.is_some_and(|end| self.next_start.is_some_and(|reached| reached < end)) {
            return Err((Problem::Malformed("the last page is damaged".into()), here));
        }
        if self.decoder.finalize().verify_ok == Some(false) {
            let what = "the checksum of the decoded audio is wrong";
            return Err((Problem::Malformed(what.into()), Place::File));
        }
        Ok(())
    }
}

fn check_shape(buffer: &GenericAudioBufferRef<'_>, shape: Shape, here: Place) -> Result<(), Fault> {
    let now = Shape { sample_rate: buffer.spec().rate(), channels: buffer.num_planes() };
    if now == shape {
        return Ok(());
    }
    let what = format!(
        "the audio changes from {} Hz and {} channels to {} Hz and {} channels",
        shape.sample_rate, shape.channels, now.sample_rate, now.channels
    );
    Err((Problem::Malformed(what), here))
}

/// What to call a codec in a message.
fn codec_name(parameters: &AudioCodecParameters) -> String {
    match parameters.codec {
        CODEC_ID_OPUS => "Opus".into(),
        CODEC_ID_VORBIS => "Vorbis".into(),
        codec => match get_codecs().get_audio_decoder(codec) {
            Some(decoder) => decoder.codec.info.long_name.into(),
            None => format!("codec {codec}"),
        },
    }
}

/// An error while reading the header of `what`.
fn header(error: Error, what: &str) -> Fault {
    match error {
        Error::Unsupported(_) => (Problem::Unsupported(what.into()), Place::File),
        other => damage(other, Place::File),
    }
}

/// An error while reading audio.
fn damage(error: Error, place: Place) -> Fault {
    let problem = match error {
        Error::IoError(error) if error.kind() == std::io::ErrorKind::UnexpectedEof => {
            Problem::Truncated("the file ends in the middle of a packet".into())
        }
        Error::IoError(error) => Problem::Io(error),
        Error::Unsupported(what) => Problem::Unsupported(what.into()),
        Error::ResetRequired => Problem::Unsupported("a chain of several recordings in one file".into()),
        Error::DecodeError(what) => Problem::Malformed(what.into()),
        other => Problem::Malformed(other.to_string()),
    };
    (problem, place)
}
