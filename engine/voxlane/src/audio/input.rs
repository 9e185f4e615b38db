//! The bytes of a file or a pipe, with a look ahead.

use std::fs::File;
use std::io::{self, Read, Seek, SeekFrom};
use std::path::Path;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use super::error::{Place, PlacedProblem, Problem};

/// How many bytes are asked for when some are looked at before they are read.
const AHEAD_BYTES: usize = 4096;

/// The most bytes that are asked for at once: a header may claim any number.
const MAX_STEP_BYTES: usize = 1 << 16;

/// A file or a pipe, read from front to back. Files can also be sought in.
pub(super) struct Input {
    source: Origin,
    /// The place of the next byte, counted from the start of the file.
    at: u64,
    /// Bytes that were looked at and not yet read, from `used` on.
    ahead: Vec<u8>,
    used: usize,
    /// The length of the file, where there is one.
    length: Option<u64>,
    /// `at`, for others to read.
    position: Arc<AtomicU64>,
    /// Where the file begins for whoever seeks in it.
    base: u64,
}

enum Origin {
    File(File),
    /// The lock is never taken: it lets a reader that may only be sent be shared, as `symphonia` wants it.
    Pipe(Mutex<Box<dyn Read + Send>>),
}

impl Input {
    /// Opens a file, a named pipe or a device.
    pub(super) fn open(path: &Path) -> Result<Self, PlacedProblem> {
        let io = |error: io::Error| (Problem::Io(error), Place::File);
        Input::file(File::open(path).map_err(io)?)
    }

    /// Takes an open file, named pipe or device; a file from where it stands.
    pub(super) fn file(mut file: File) -> Result<Self, PlacedProblem> {
        let io = |error: io::Error| (Problem::Io(error), Place::File);
        let metadata = file.metadata().map_err(io)?;
        if metadata.is_dir() {
            return Err(io(io::ErrorKind::IsADirectory.into()));
        }
        if !metadata.is_file() {
            return Ok(Input::pipe(Box::new(file)));
        }
        let at = file.stream_position().map_err(io)?;
        Ok(Input { length: Some(metadata.len()), at, base: at, ..Input::new(Origin::File(file)) })
    }

    /// Takes bytes that can only be read from front to back.
    pub(super) fn pipe(bytes: Box<dyn Read + Send>) -> Self {
        Input::new(Origin::Pipe(Mutex::new(bytes)))
    }

    fn new(source: Origin) -> Self {
        Input { source, at: 0, ahead: Vec::new(), used: 0, length: None, position: Arc::default(), base: 0 }
    }

    /// The place of the next byte, counted from the start of the file.
    pub(super) fn at(&self) -> u64 {
        self.at
    }

    /// The file's length in bytes; `None` for a pipe. Files that are still written to may be longer.
    pub(super) fn length(&self) -> Option<u64> {
        self.length
    }

    /// The place of the next byte, which goes on counting when this has been given away.
    pub(super) fn position(&self) -> Arc<AtomicU64> {
        Arc::clone(&self.position)
    }

    /// Makes the next byte the start of the file for [`Seek`].
    pub(super) fn start_here(&mut self) {
        self.base = self.at;
    }

    /// The next bytes without reading them: `count`, or fewer where the file ends.
    pub(super) fn peek(&mut self, count: usize) -> Result<&[u8], PlacedProblem> {
        while self.ahead.len() - self.used < count {
            self.ahead.drain(..self.used);
            self.used = 0;
            let start = self.ahead.len();
            self.ahead.resize(start + (count - start).clamp(AHEAD_BYTES, MAX_STEP_BYTES), 0);
            let read = self.source.read(&mut self.ahead[start..]);
            self.ahead.truncate(start + *read.as_ref().unwrap_or(&0));
            match read {
                Ok(0) => break,
                Ok(_) => {}
                Err(error) => return Err((Problem::Io(error), Place::Byte(self.at + start as u64))),
            }
        }
        let end = self.ahead.len().min(self.used + count);
        Ok(&self.ahead[self.used..end])
    }

    /// The next bytes as far as they were looked at or have come with those: nothing is waited for.
    pub(super) fn arrived(&self) -> &[u8] {
        &self.ahead[self.used..]
    }

    /// Fills `out` as far as the file goes; how far.
    pub(super) fn fill(&mut self, out: &mut [u8]) -> Result<usize, PlacedProblem> {
        let mut filled = 0;
        while filled < out.len() {
            match self.read(&mut out[filled..]) {
                Ok(0) => break,
                Ok(count) => filled += count,
                Err(error) => return Err((Problem::Io(error), Place::Byte(self.at))),
            }
        }
        Ok(filled)
    }

    /// The next `N` bytes; an error says that the file should have had `within` here.
    pub(super) fn array<const N: usize>(&mut self, within: &str) -> Result<[u8; N], PlacedProblem> {
        let mut bytes = [0; N];
        if self.fill(&mut bytes)? < N {
            let what = format!("the file ends where it should have {within}");
            return Err((Problem::Truncated(what), Place::Byte(self.at)));
        }
        Ok(bytes)
    }

    /// Goes back or on to a byte of the file. Pipes refuse.
    pub(super) fn go_to(&mut self, at: u64) -> Result<(), PlacedProblem> {
        let sought = self.seek(SeekFrom::Start(at.saturating_sub(self.base)));
        sought.map(drop).map_err(|error| (Problem::Io(error), Place::Byte(at)))
    }

    /// Reads past `count` bytes; how many of them there were.
    pub(super) fn skip(&mut self, count: u64) -> Result<u64, PlacedProblem> {
        let skipped = io::copy(&mut self.by_ref().take(count), &mut io::sink());
        skipped.map_err(|error| (Problem::Io(error), Place::Byte(self.at)))
    }
}

impl Origin {
    /// Reads once; interruptions are no errors.
    fn read(&mut self, out: &mut [u8]) -> io::Result<usize> {
        loop {
            let read = match self {
                Origin::File(file) => file.read(out),
                Origin::Pipe(pipe) => pipe.get_mut().unwrap_or_else(PoisonError::into_inner).read(out),
            };
            match read {
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                read => return read,
            }
        }
    }
}

impl Read for Input {
    fn read(&mut self, out: &mut [u8]) -> io::Result<usize> {
        let ahead = &self.ahead[self.used..];
        let count = if ahead.is_empty() {
            self.source.read(out)?
        } else {
            let count = ahead.len().min(out.len());
            out[..count].copy_from_slice(&ahead[..count]);
            self.used += count;
            count
        };
        self.at += count as u64;
        self.position.store(self.at, Ordering::Relaxed);
        Ok(count)
    }
}

impl Seek for Input {
    /// Places count from where [`Input::start_here`] was last called. Pipes refuse.
    fn seek(&mut self, to: SeekFrom) -> io::Result<u64> {
        let Origin::File(file) = &mut self.source else { return Err(io::ErrorKind::NotSeekable.into()) };
        let to = match to {
            SeekFrom::Start(offset) => SeekFrom::Start(self.base.saturating_add(offset)),
            SeekFrom::End(offset) => SeekFrom::End(offset),
            SeekFrom::Current(offset) => {
                let to = self.at.checked_add_signed(offset).ok_or(io::ErrorKind::InvalidInput)?;
                SeekFrom::Start(to)
            }
        };
        let at = file.seek(to)?;
        (self.at, self.used) = (at, 0);
        self.ahead.clear();
        at.checked_sub(self.base).ok_or_else(|| io::ErrorKind::InvalidInput.into())
    }
}

impl symphonia::core::io::MediaSource for Input {
    fn is_seekable(&self) -> bool {
        self.length.is_some()
    }

    fn byte_len(&self) -> Option<u64> {
        self.length.map(|length| length.saturating_sub(self.base))
    }
}
