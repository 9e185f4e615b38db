//! Reading audio files: WAV by our own reader, FLAC, MP3 and Ogg Vorbis by `symphonia`.
//!
//! What a reader gives is right or an error: a damaged, truncated or lying file is never quietly shortened.
//! Memory grows with the audio that was decoded, never with what a header claims.

use std::fs::File;
use std::io::Read;
use std::path::{Path, PathBuf};

use super::error::Fault;
pub use super::error::{AudioError, Place, Problem};
use super::pcm::PcmError;
use super::{MAX_RATE_HZ, MIN_RATE_HZ, codec, wav};

/// The most channels that are mixed down.
pub const MAX_CHANNELS: usize = 64;

/// The most samples that [`read`] keeps in memory: 9 hours at 16 kHz, 3 hours at 48 kHz.
pub const MAX_SAMPLES: usize = 1 << 29;

/// A whole recording, mixed down to mono.
#[derive(Clone, Debug, PartialEq)]
pub struct Recording {
    /// In Hz, 4,000 … 192,000.
    pub sample_rate: u32,
    /// Channels in the file.
    pub channels: usize,
    /// The mean of the channels.
    pub samples: Samples,
}

impl Recording {
    /// Seconds of audio.
    pub fn seconds(&self) -> f64 {
        self.samples.len() as f64 / f64::from(self.sample_rate)
    }
}

/// Samples in the format that holds their source exactly.
#[derive(Clone, Debug, PartialEq)]
pub enum Samples {
    /// From mono sources of at most 16 bits: bit-exact.
    I16(Vec<i16>),
    /// From everything else; full scale is ±1.0.
    F32(Vec<f32>),
}

impl Samples {
    /// How many there are.
    pub fn len(&self) -> usize {
        match self {
            Samples::I16(samples) => samples.len(),
            Samples::F32(samples) => samples.len(),
        }
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }
}

/// The next samples of a file: of one format through the whole file.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Block<'a> {
    /// See [`Samples::I16`].
    I16(&'a [i16]),
    /// See [`Samples::F32`].
    F32(&'a [f32]),
}

/// What a file's header says, checked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Shape {
    pub sample_rate: u32,
    pub channels: usize,
}

impl Shape {
    /// Refuses absurd rates and channel counts.
    pub(super) fn check(self, place: Place) -> Result<Self, Fault> {
        if !(MIN_RATE_HZ..=MAX_RATE_HZ).contains(&self.sample_rate) {
            Err((Problem::SampleRate(self.sample_rate), place))
        } else if !(1..=MAX_CHANNELS).contains(&self.channels) {
            Err((Problem::Channels(self.channels), place))
        } else {
            Ok(self)
        }
    }
}

/// A file being read, block by block, in bounded memory.
pub struct Reader {
    path: PathBuf,
    source: Source,
    shape: Shape,
    /// Samples given so far.
    given: u64,
    /// Set at the end of the file and after an error.
    done: bool,
}

enum Source {
    Wav(wav::Wav<Box<dyn Read + Send>>),
    Codec(Box<codec::Codec>),
}

impl Reader {
    /// Opens a file and reads its header. The format is recognized by content, not by name. Pipes work for
    /// WAV; the other formats may need a real file.
    ///
    /// # Errors
    /// [`AudioError`] if it cannot be opened, or is no audio of a known kind.
    pub fn open(path: impl AsRef<Path>) -> Result<Self, AudioError> {
        let path = path.as_ref().to_path_buf();
        match open_source(&path) {
            Ok((source, shape)) => Ok(Reader { path, source, shape, given: 0, done: false }),
            Err((problem, place)) => Err(AudioError { path, problem, place }),
        }
    }

    /// In Hz, 4,000 … 192,000.
    pub fn sample_rate(&self) -> u32 {
        self.shape.sample_rate
    }

    /// Channels in the file; what [`Reader::next_block`] gives is their mean.
    pub fn channels(&self) -> usize {
        self.shape.channels
    }

    /// The next samples, never an empty block; `None` after the last.
    ///
    /// # Errors
    /// [`AudioError`] at the first place where the file is damaged, ends early, or holds samples that are no
    /// audio, and at the end if there was no audio at all. Nothing can be read after an error.
    pub fn next_block(&mut self) -> Result<Option<Block<'_>>, AudioError> {
        if self.done {
            return Ok(None);
        }
        // Done unless this call succeeds.
        self.done = true;
        let block = match &mut self.source {
            Source::Wav(wav) => wav.next_block(),
            Source::Codec(codec) => codec.next_block(),
        };
        let fault = match block {
            Ok(None) if self.given > 0 => return Ok(None),
            Ok(None) => (Problem::Empty, Place::File),
            Ok(Some(block)) => {
                self.done = false;
                self.given += match block {
                    Block::I16(samples) => samples.len() as u64,
                    Block::F32(samples) => samples.len() as u64,
                };
                return Ok(Some(block));
            }
            Err(fault) => in_recording(fault, self.given, self.shape.sample_rate),
        };
        let (problem, place) = fault;
        Err(AudioError { path: self.path.clone(), problem, place })
    }
}

/// Reads a whole file.
///
/// # Errors
/// [`AudioError`] as for [`Reader`], and for more than [`MAX_SAMPLES`].
pub fn read(path: impl AsRef<Path>) -> Result<Recording, AudioError> {
    let mut reader = Reader::open(path)?;
    let Shape { sample_rate, channels } = reader.shape;
    let (mut exact, mut float) = (Vec::new(), Vec::new());
    while let Some(block) = reader.next_block()? {
        match block {
            Block::I16(samples) => exact.extend_from_slice(samples),
            Block::F32(samples) => float.extend_from_slice(samples),
        }
        if exact.len() + float.len() > MAX_SAMPLES {
            let path = reader.path;
            return Err(AudioError { path, problem: Problem::TooLong(MAX_SAMPLES), place: Place::File });
        }
    }
    let samples = if float.is_empty() { Samples::I16(exact) } else { Samples::F32(float) };
    Ok(Recording { sample_rate, channels, samples })
}

fn open_source(path: &Path) -> Result<(Source, Shape), Fault> {
    let io = |error: std::io::Error| (Problem::Io(error), Place::File);
    let mut file = File::open(path).map_err(io)?;
    let metadata = file.metadata().map_err(io)?;
    if metadata.is_dir() {
        return Err(io(std::io::ErrorKind::IsADirectory.into()));
    }
    let length = metadata.is_file().then_some(metadata.len());
    let mut magic = Vec::new();
    (&mut file).take(wav::MAGIC.len() as u64).read_to_end(&mut magic).map_err(io)?;
    if magic.is_empty() {
        return Err((Problem::Empty, Place::File));
    }
    if magic == wav::MAGIC {
        let rest: Box<dyn Read + Send> = Box::new(std::io::BufReader::new(file));
        let wav = wav::Wav::open(rest, length)?;
        let shape = wav.shape();
        return Ok((Source::Wav(wav), shape));
    }
    let codec = codec::Codec::open(magic, file, length)?;
    let shape = codec.shape();
    Ok((Source::Codec(Box::new(codec)), shape))
}

/// Gives a bad sample's index and time from the start of the recording instead of the block.
fn in_recording((problem, place): Fault, given: u64, rate: u32) -> Fault {
    let shift = |index: usize| index + usize::try_from(given).unwrap_or(usize::MAX - index);
    let time = |index: usize| Place::Time(shift(index) as f64 / f64::from(rate));
    match problem {
        Problem::Sample(PcmError::NotFinite { index, value }) => {
            (PcmError::NotFinite { index: shift(index), value }.into(), time(index))
        }
        Problem::Sample(PcmError::TooLoud { index, value }) => {
            (PcmError::TooLoud { index: shift(index), value }.into(), time(index))
        }
        other => (other, place),
    }
}
