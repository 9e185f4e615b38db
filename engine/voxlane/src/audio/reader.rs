//! An audio file being read, whatever its format.

use std::fs::File;
use std::io::Read;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use super::block::Block;
use super::error::{AudioError, Place, PlacedProblem, Problem};
use super::input::Input;
use super::kind::Kind;
use super::mix::{Channels, Mixer};
use super::open::{self, HEAD_BYTES};
use super::raw::{Raw, RawFormat};
use super::raw_encoding::RawEncoding;
use super::source::{Shape, Source};
use super::warning::{Warning, Warnings};

/// The options with which a file is read.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct ReaderOptions {
    /// The way in which several channels become one.
    pub channels: Channels,
    /// The format of bytes that are no file of a known kind: samples without a header. By default such
    /// a file is refused.
    pub raw: Option<RawFormat>,
}

/// A file being read, block by block, in bounded memory.
pub struct Reader {
    path: PathBuf,
    source: Box<dyn Source>,
    kind: Option<Kind>,
    shape: Shape,
    /// The most channels that a part of the file had so far.
    most_channels: usize,
    mixer: Mixer,
    warnings: Warnings,
    /// Bytes read so far, and how many there are; none of a pipe.
    position: Arc<AtomicU64>,
    length: Option<u64>,
    /// Comes when the samples in front of it are given out.
    fault: Option<PlacedProblem>,
    /// Sample frames given so far.
    given: u64,
    /// Set at the end of the file and after an error.
    done: bool,
}

impl Reader {
    /// Opens a file as [`Reader::open_with`] does, with the default options.
    ///
    /// # Errors
    /// As for [`Reader::open_with`].
    pub fn open(path: impl AsRef<Path>) -> Result<Self, AudioError> {
        Reader::open_with(path, ReaderOptions::default())
    }

    /// Opens a file and reads its header. The format is recognized by content, not by name. The path may be a
    /// named pipe.
    ///
    /// # Errors
    /// [`AudioError`] if it cannot be opened, is no audio of a kind that is read, or has no such channel.
    pub fn open_with(path: impl AsRef<Path>, options: ReaderOptions) -> Result<Self, AudioError> {
        let path = path.as_ref();
        match Input::open(path) {
            Ok(input) => Reader::start(path.to_path_buf(), input, options),
            Err((problem, place)) => Err(AudioError { path: path.to_path_buf(), problem, place }),
        }
    }

    /// Reads a stream of bytes, such as standard input, that holds a file. `name` stands for the path in errors.
    /// Containers that must be read out of order (MP4 with its index at the end) are refused.
    ///
    /// # Errors
    /// As for [`Reader::open_with`].
    pub fn from_stream(
        name: impl Into<PathBuf>,
        bytes: Box<dyn Read + Send>,
        options: ReaderOptions,
    ) -> Result<Self, AudioError> {
        Reader::start(name.into(), Input::pipe(bytes), options)
    }

    /// Reads an open file, such as standard input that was redirected from one, from where it stands. `name` stands
    /// for the path in errors.
    ///
    /// # Errors
    /// As for [`Reader::open_with`].
    pub fn from_file(
        name: impl Into<PathBuf>,
        file: File,
        options: ReaderOptions,
    ) -> Result<Self, AudioError> {
        let path = name.into();
        match Input::file(file) {
            Ok(input) => Reader::start(path, input, options),
            Err((problem, place)) => Err(AudioError { path, problem, place }),
        }
    }

    fn start(path: PathBuf, mut input: Input, options: ReaderOptions) -> Result<Self, AudioError> {
        let mut warnings = Warnings::default();
        let (position, length) = (input.position(), input.length());
        let open = || {
            let kind = open::kind_of(input.peek(HEAD_BYTES)?);
            let source: Box<dyn Source> = match options.raw {
                Some(format) if kind.is_none() => Box::new(Raw::open(input, format)?),
                _ => open::source(input, &mut warnings)?,
            };
            let shape = source.shape();
            let mixer = Mixer::new(options.channels, shape.sample_rate, shape.channels)?;
            Ok((source, kind, shape, mixer))
        };
        match open() {
            Ok((source, kind, shape, mixer)) => Ok(Reader {
                path,
                source,
                kind,
                shape,
                most_channels: shape.channels,
                mixer,
                warnings,
                position,
                length,
                fault: None,
                given: 0,
                done: false,
            }),
            Err((problem, place)) => Err(AudioError { path, problem, place }),
        }
    }

    /// Returns what the first bytes say that the file is, or show behind others that are none of it. `None` if they do not say:
    /// then it is read as [`ReaderOptions::raw`], if that was given.
    pub fn kind(&self) -> Option<Kind> {
        self.kind
    }

    /// Returns how the samples are stored, where that is one of the ways of [`RawEncoding`].
    pub fn encoding(&self) -> Option<RawEncoding> {
        self.source.encoding()
    }

    /// Returns the sample rate in Hz, 4,000 … 192,000.
    pub fn sample_rate(&self) -> u32 {
        self.shape.sample_rate
    }

    /// Returns the number of channels at the file's start.
    pub fn channels(&self) -> usize {
        self.shape.channels
    }

    /// Returns the most channels that any part of the file had, as far as it was read: joined files may have more than
    /// [`Reader::channels`].
    pub fn most_channels(&self) -> usize {
        self.most_channels
    }

    /// Returns the share of the file's bytes that has been read, 0 to 1; `None` of a pipe.
    pub fn fraction_read(&self) -> Option<f64> {
        let length = self.length.filter(|length| *length > 0)?;
        Some((self.position.load(Ordering::Relaxed) as f64 / length as f64).min(1.0))
    }

    /// Returns the oddities of the file as far as it was read, at most 64 entries.
    pub fn warnings(&self) -> &[Warning] {
        self.warnings.list()
    }

    /// Returns the next samples, of one channel, never an empty block; `None` after the last.
    ///
    /// # Errors
    /// [`AudioError`] at the first place where the file is damaged, ends early, or holds samples that are no
    /// audio, and at the end if there was no audio at all. All samples in front of that place were given before.
    /// Nothing can be read after an error.
    pub fn next_block(&mut self) -> Result<Option<Block<'_>>, AudioError> {
        self.mixer.clear();
        while self.mixer.block().is_empty() {
            if let Some((problem, place)) = self.fault.take() {
                return Err(self.error(problem, place));
            }
            if self.done {
                return Ok(None);
            }
            self.advance();
        }
        let block = self.mixer.block();
        self.given += block.len() as u64;
        Ok(Some(block))
    }

    /// Takes one part from the source, or its end.
    fn advance(&mut self) {
        let fault = match self.source.next_part(&mut self.warnings) {
            Ok(Some(part)) => {
                self.most_channels = self.most_channels.max(part.channels);
                match self.mixer.push(part, &mut self.warnings) {
                    Ok(()) => return,
                    Err(fault) => Some(fault),
                }
            }
            Ok(None) => None,
            Err(fault) => Some(fault),
        };
        self.done = true;
        self.mixer.finish(&mut self.warnings);
        let is_empty = self.given == 0 && self.mixer.block().is_empty();
        self.fault = fault.or(is_empty.then_some((Problem::Empty, Place::File)));
    }

    pub(super) fn error(&self, problem: Problem, place: Place) -> AudioError {
        AudioError { path: self.path.clone(), problem, place }
    }
}
