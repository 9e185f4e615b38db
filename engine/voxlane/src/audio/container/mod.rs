//! MP4 (with M4A and QuickTime) and Matroska (with WebM), read by `symphonia`.

mod input;
mod mp4_boxes;

use std::io::{self, Seek, SeekFrom};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use symphonia::core::codecs::CodecParameters;
use symphonia::core::codecs::audio::well_known::{
    CODEC_ID_AAC, CODEC_ID_PCM_F32BE, CODEC_ID_PCM_F32LE, CODEC_ID_PCM_F64BE, CODEC_ID_PCM_F64LE,
    CODEC_ID_PCM_S24BE, CODEC_ID_PCM_S24LE, CODEC_ID_PCM_S32BE, CODEC_ID_PCM_S32LE,
};
use symphonia::core::codecs::audio::{AudioCodecId, AudioCodecParameters};
use symphonia::core::errors::Error;
use symphonia::core::formats::{FormatOptions, FormatReader, Track, TrackType};
use symphonia::core::io::{MediaSource, MediaSourceStream, ReadBytes, ReadOnlySource};
use symphonia::core::units::{TimeBase, Timestamp};
use symphonia::default::formats::{IsoMp4Reader, MkvReader};

use self::input::{Boxwise, Claimed, Metered, Shared, is_matroska};
use self::mp4_boxes::Boxes;
use super::demux::{Demuxer, End, Packet, Stream, Unit, aac, tags};
use crate::audio::decoder::CodecDecoder;
use crate::audio::error::{Place, PlacedProblem, Problem};
use crate::audio::input::Input;
use crate::audio::kind::{Kind, recognize};
use crate::audio::warning::Oddity;

/// The track of audio in a container.
pub(crate) struct Container {
    format: Box<dyn FormatReader>,
    track: u32,
    /// The stream, until it was announced.
    stream: Option<Stream>,
    /// Where the recording ends in it.
    end: Option<End>,
    clock: Clock,
    tail: Tail,
    /// What may stand behind it.
    behind: Behind,
    is_end: bool,
}

/// The times of a track.
struct Clock {
    /// Seconds per unit of its timestamps; `None` if they mean nothing.
    unit: Option<f64>,
    /// Seconds of the recording before it.
    pause: f64,
    /// Seconds that no timestamp may exceed.
    limit: f64,
}

impl Clock {
    fn new(format: &dyn FormatReader, track: &Track, boxes: &Boxes) -> Self {
        let seconds = |base: TimeBase| f64::from(base.numer.get()) / f64::from(base.denom.get());
        let media = format.media_info();
        let duration = media.time_base.zip(media.duration).filter(|(_, duration)| duration.get() > 0);
        // The last packet may begin a little behind the end that is stated.
        let limit = duration.map(|(base, duration)| seconds(base) * duration.get() as f64 + 1.0);
        let pause = boxes.pauses.iter().find(|(id, _)| *id == track.id).map_or(0.0, |(_, pause)| *pause);
        Clock { unit: track.time_base.map(seconds), pause, limit: limit.unwrap_or(f64::INFINITY) }
    }

    /// The seconds at which a packet begins, if they can be believed.
    fn start(&self, timestamp: Timestamp) -> Option<f64> {
        let start = self.pause + self.unit? * timestamp.get() as f64;
        (start <= self.limit).then_some(start)
    }
}

/// Where the file goes on when the container has ended.
enum Behind {
    /// Nowhere.
    Nothing,
    /// At this byte, counted from its start.
    Byte(Shared, u64),
    /// Behind the rest of this.
    Boxes(Boxwise),
    /// The same of Matroska.
    Rest(Metered),
}

/// What the end of the file says about the audio.
#[derive(Clone, Debug)]
enum Tail {
    /// A file that ends inside a packet was cut off.
    Sized,
    /// The file is known to be cut off.
    Cut,
    /// It was cut off if fewer bytes were read than it should have; `None`: the writer did not know how many.
    Metered(Arc<AtomicU64>, Option<u64>),
}

impl Tail {
    /// Whether the file was cut off, once it has ended: inside a packet, or where the reader expected it.
    fn is_cut(&self, is_inside: bool) -> bool {
        match self {
            Tail::Sized => is_inside,
            Tail::Cut => true,
            Tail::Metered(read, end) => end.is_some_and(|end| read.load(Ordering::Relaxed) < end),
        }
    }
}

impl Container {
    /// Reads the headers of an MP4 file.
    ///
    /// # Errors
    /// If it is damaged or holds no audio that can be read; from a pipe, if the audio comes before its index.
    pub fn mp4(input: Input) -> Result<Self, PlacedProblem> {
        Container::shared_mp4(Shared::new(input))
    }

    fn shared_mp4(input: Shared) -> Result<Self, PlacedProblem> {
        let is_pipe = input.lock().length().is_none();
        let boxes = mp4_boxes::walk(&mut input.lock())?;
        let Boxes { has_index, is_cut, is_fragmented, claimed, is_followed, .. } = boxes;
        if !has_index {
            let problem = match (is_pipe, is_cut) {
                (true, _) => Problem::Pipe("MP4 with its index behind the audio".into()),
                (_, true) => Problem::Truncated("the file ends before its index (moov)".into()),
                _ => Problem::Malformed("MP4: no index (moov)".into()),
            };
            return Err((problem, Place::File));
        }
        let boxwise = Boxwise { input: input.clone(), state: Arc::default() };
        let behind = match (is_pipe, is_followed) {
            (true, _) => Behind::Boxes(boxwise.clone()),
            (_, true) => Behind::Byte(input.clone(), claimed),
            _ => Behind::Nothing,
        };
        let source: Box<dyn MediaSource> = match is_pipe {
            true => Box::new(ReadOnlySource::new(boxwise)),
            false => Box::new(Claimed { input, length: claimed }),
        };
        let mut stream = MediaSourceStream::new(source, Default::default());
        // The reader expects to stand behind the size of the first box.
        stream.ignore_bytes(4).map_err(|error| damage(error.into()))?;
        let format = IsoMp4Reader::try_new(stream, FormatOptions::default()).map_err(damage)?;
        // Without fragments the index lists all of the audio, and the reader misses what is not there.
        let tail = if is_cut && is_fragmented { Tail::Cut } else { Tail::Sized };
        Ok(Container { behind, ..Container::new(Box::new(format), "MP4", tail, &boxes)? })
    }

    /// Reads the headers of a Matroska file. It is read from front to back, because what it says about its own
    /// layout does not hold where it was cut off.
    ///
    /// # Errors
    /// If it is damaged or holds no audio that can be read.
    pub fn matroska(input: Input) -> Result<Self, PlacedProblem> {
        Container::shared_matroska(Shared::new(input))
    }

    fn shared_matroska(input: Shared) -> Result<Self, PlacedProblem> {
        let read = Arc::new(AtomicU64::new(0));
        let end = segment_end(input.lock().peek(EBML_HEAD_BYTES)?);
        let tail = Tail::Metered(read.clone(), end);
        let source = Metered { input, read, end };
        let behind = Behind::Rest(source.clone());
        let stream = MediaSourceStream::new(Box::new(ReadOnlySource::new(source)), Default::default());
        let format = MkvReader::try_new(stream, FormatOptions::default()).map_err(damage)?;
        let container = Container::new(Box::new(format), "Matroska", tail, &Boxes::default())?;
        Ok(Container { behind, ..container })
    }

    fn new(
        format: Box<dyn FormatReader>,
        name: &str,
        tail: Tail,
        boxes: &Boxes,
    ) -> Result<Self, PlacedProblem> {
        let of_audio = |track: &&Track| !is_other(track);
        let first = format.default_track(TrackType::Audio).into_iter();
        let tracks: Vec<&Track> = first.chain(format.tracks()).filter(of_audio).collect();
        let mut problem = Problem::Unsupported(format!("{name} without a track of audio"));
        // The first track that can be decoded; if none can, what is wrong with the first.
        let mut found = None;
        for track in tracks.into_iter().rev() {
            match parameters(track, boxes.big_endian.contains(&track.id)) {
                Ok(parameters) => found = Some((track, parameters)),
                Err(why) => problem = why,
            }
        }
        let Some((track, parameters)) = found else { return Err((problem, Place::File)) };
        let id = track.id;
        let clock = Clock::new(format.as_ref(), track, boxes);
        let edit = boxes.edits.iter().find(|(track, _)| *track == id).zip(parameters.sample_rate);
        let total = track.duration.map(|duration| duration.get()).filter(|&total| total > 0);
        let (delay, end) = edit.map_or((0, None), |((_, edit), rate)| edit.trims(rate, total));
        let end = end.map(|position| End { position, is_last: true });
        let stream = Some(Stream { delay, ..Stream::new(parameters) });
        Ok(Container { format, track: id, stream, end, clock, tail, behind: Behind::Nothing, is_end: false })
    }
}

impl Demuxer for Container {
    fn next(&mut self) -> Result<Option<Unit>, PlacedProblem> {
        loop {
            if let Some(stream) = self.stream.take() {
                return Ok(Some(Unit::Stream(stream)));
            }
            if self.is_end {
                return Ok(None);
            }
            match self.format.next_packet() {
                Ok(Some(packet)) if packet.track_id == self.track => {
                    let padding = packet.trim_end.get();
                    let start = self.clock.start(packet.pts);
                    let packet =
                        Packet { data: packet.data, padding, end: self.end, start, ..Packet::default() };
                    return Ok(Some(Unit::Packet(packet)));
                }
                Ok(Some(_)) => {}
                // A file whose last box goes on to its end has no place behind that box.
                Ok(None) | Err(Error::DecodeError("sync lost")) => {
                    if let Some(unit) = self.end(false)? {
                        return Ok(Some(unit));
                    }
                }
                Err(Error::IoError(error)) if error.kind() == io::ErrorKind::UnexpectedEof => {
                    if let Some(unit) = self.end(true)? {
                        return Ok(Some(unit));
                    }
                }
                Err(error) => return Err(damage(error)),
            }
        }
    }
}

impl Container {
    /// Ends the container; says so if it was cut off, else goes on with what stands behind it.
    fn end(&mut self, is_inside: bool) -> Result<Option<Unit>, PlacedProblem> {
        self.is_end = true;
        if self.tail.is_cut(is_inside) {
            let what = "the file ends before its container says";
            return Ok(Some(Unit::Missing(Problem::Truncated(what.into()))));
        }
        let at = |at| move |error: io::Error| (Problem::Io(error), Place::Byte(at));
        let shared = match std::mem::replace(&mut self.behind, Behind::Nothing) {
            Behind::Nothing => return Ok(None),
            Behind::Byte(shared, byte) => {
                shared.lock().seek(SeekFrom::Start(byte)).map_err(at(byte))?;
                shared
            }
            Behind::Boxes(mut rest) => {
                io::copy(&mut rest, &mut io::sink()).map_err(at(0))?;
                rest.input
            }
            Behind::Rest(mut rest) => {
                io::copy(&mut rest, &mut io::sink()).map_err(at(0))?;
                rest.input
            }
        };
        let mut input = shared.lock();
        let place = Place::Byte(input.at());
        let has_tag = tags::skip(&mut input)?;
        input.start_here();
        let head = input.peek(HEAD_BYTES)?;
        let (is_empty, is_other_matroska, kind) = (head.is_empty(), is_matroska(head), recognize(head));
        drop(input);
        match kind {
            _ if is_empty => return Ok(has_tag.then_some(Unit::Odd(Oddity::BytesBehind, place))),
            Some(Kind::Mp4) => *self = Container::shared_mp4(shared)?,
            Some(Kind::Ebml) if is_other_matroska => *self = Container::shared_matroska(shared)?,
            _ => return Ok(Some(Unit::Odd(Oddity::BytesBehind, place))),
        }
        Ok(None)
    }
}

/// How much of what stands behind a container is looked at to recognize it.
const HEAD_BYTES: usize = 4096;

/// Bytes that reach the size of a Matroska file's segment.
const EBML_HEAD_BYTES: usize = 256;

/// Where the segment ends, which is all of a Matroska file behind its header; `None` if its size is not known.
fn segment_end(head: &[u8]) -> Option<u64> {
    const SEGMENT: [u8; 4] = [0x18, 0x53, 0x80, 0x67];
    let at = head.windows(4).position(|id| id == SEGMENT)? + 4;
    // A size has one more byte than its first has zeros in front; all other bits set mean that it is unknown.
    let more = head.get(at)?.leading_zeros() as usize;
    let bytes = head.get(at..=at + more).filter(|_| more < 8)?;
    let size =
        bytes.iter().fold(0u64, |size, &byte| size << 8 | u64::from(byte)) & ((1 << (7 * (more + 1))) - 1);
    let end = size.checked_add((at + more + 1) as u64)?;
    (size != (1 << (7 * (more + 1))) - 1).then_some(end)
}

/// Whether a track holds something else than audio.
fn is_other(track: &Track) -> bool {
    matches!(track.codec_params, Some(CodecParameters::Video(_) | CodecParameters::Subtitle(_)))
}

/// What the decoder of a track must know. The reader takes QuickTime's PCM for little-endian.
fn parameters(track: &Track, is_big_endian: bool) -> Result<AudioCodecParameters, Problem> {
    let Some(CodecParameters::Audio(parameters)) = &track.codec_params else {
        return Err(Problem::Unsupported("a track of an unknown or encrypted codec".into()));
    };
    let mut parameters = parameters.clone();
    if is_big_endian {
        parameters.codec = big_endian(parameters.codec);
    }
    if let (CODEC_ID_AAC, Some(bytes)) = (parameters.codec, &parameters.extra_data) {
        let config = aac::Config::parse(bytes)?;
        parameters.with_extra_data(config.low_complexity()?).with_sample_rate(config.sample_rate);
    }
    CodecDecoder::new(&parameters)?;
    Ok(parameters)
}

/// The same PCM with the most significant byte first.
fn big_endian(codec: AudioCodecId) -> AudioCodecId {
    match codec {
        CODEC_ID_PCM_S24LE => CODEC_ID_PCM_S24BE,
        CODEC_ID_PCM_S32LE => CODEC_ID_PCM_S32BE,
        CODEC_ID_PCM_F32LE => CODEC_ID_PCM_F32BE,
        CODEC_ID_PCM_F64LE => CODEC_ID_PCM_F64BE,
        other => other,
    }
}

fn damage(error: Error) -> PlacedProblem {
    let problem = match error {
        Error::IoError(error) if error.kind() == io::ErrorKind::UnexpectedEof => {
            Problem::Truncated("the file ends in its headers, before any audio".into())
        }
        Error::IoError(error) => Problem::Io(error),
        Error::Unsupported(what) => Problem::Unsupported(what.into()),
        Error::DecodeError(what) => Problem::Malformed(what.into()),
        other => Problem::Malformed(other.to_string()),
    };
    (problem, Place::File)
}
