//! How the containers' readers see a file: as long as its boxes claim, or up to where another file begins.

use std::io::{self, Read, Seek, SeekFrom};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use symphonia::core::io::MediaSource;

use super::mp4_boxes;
use crate::audio::error::PlacedProblem;
use crate::audio::input::Input;

/// A file that is read on when its container has ended.
#[derive(Clone)]
pub(super) struct Shared(Arc<Mutex<Input>>);

impl Shared {
    pub fn new(input: Input) -> Self {
        Shared(Arc::new(Mutex::new(input)))
    }

    pub fn lock(&self) -> MutexGuard<'_, Input> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Read for Shared {
    fn read(&mut self, out: &mut [u8]) -> io::Result<usize> {
        self.lock().read(out)
    }
}

/// A file that says it is as long as its boxes claim: `symphonia` refuses to open one that was cut off.
pub(super) struct Claimed {
    pub input: Shared,
    pub length: u64,
}

impl Read for Claimed {
    fn read(&mut self, out: &mut [u8]) -> io::Result<usize> {
        self.input.read(out)
    }
}

impl Seek for Claimed {
    fn seek(&mut self, to: SeekFrom) -> io::Result<u64> {
        let to = match to {
            SeekFrom::End(offset) => {
                let at = self.length.checked_add_signed(offset).ok_or(io::ErrorKind::InvalidInput)?;
                SeekFrom::Start(at)
            }
            to => to,
        };
        self.input.lock().seek(to)
    }
}

impl MediaSource for Claimed {
    fn is_seekable(&self) -> bool {
        true
    }

    fn byte_len(&self) -> Option<u64> {
        Some(self.length)
    }
}

/// An MP4 file from a pipe, which ends in front of another one.
#[derive(Clone)]
pub(super) struct Boxwise {
    pub input: Shared,
    /// Bytes left of the box that is being read, and whether audio has come.
    pub state: Arc<Mutex<(u64, bool)>>,
}

impl Read for Boxwise {
    fn read(&mut self, out: &mut [u8]) -> io::Result<usize> {
        let mut input = self.input.lock();
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        let (left, has_audio) = &mut *state;
        if *left == 0 {
            let head = input.peek(16).map_err(|(problem, _)| io::Error::other(problem.to_string()))?;
            let Some((size, is_audio)) = mp4_boxes::next_box(head, *has_audio) else { return Ok(0) };
            (*left, *has_audio) = (size, *has_audio || is_audio);
        }
        let count = usize::try_from(*left).unwrap_or(usize::MAX).min(out.len());
        let count = input.read(&mut out[..count])?;
        *left -= count as u64;
        Ok(count)
    }
}

/// A Matroska file, which ends where its segment does or, if it does not say where, in front of another one.
#[derive(Clone)]
pub(super) struct Metered {
    pub input: Shared,
    /// How much of it was read.
    pub read: Arc<AtomicU64>,
    pub end: Option<u64>,
}

/// The most bytes that are searched for the start of another file at once.
const SEARCH_BYTES: usize = 1024;

/// Bytes that reach the type of a Matroska file.
const TYPE_BYTES: usize = 64;

impl Read for Metered {
    fn read(&mut self, out: &mut [u8]) -> io::Result<usize> {
        let mut input = self.input.lock();
        let read = self.read.load(Ordering::Relaxed);
        let left = match self.end {
            Some(end) => usize::try_from(end.saturating_sub(read)).unwrap_or(usize::MAX),
            None => unfollowed(&mut input, read == 0).map_err(io::Error::other)?,
        };
        let count = left.min(out.len());
        let count = input.read(&mut out[..count])?;
        self.read.fetch_add(count as u64, Ordering::Relaxed);
        Ok(count)
    }
}

/// How many of the next bytes stand in front of the start of another Matroska file.
fn unfollowed(input: &mut Input, is_start: bool) -> Result<usize, String> {
    let bytes =
        input.peek(SEARCH_BYTES + TYPE_BYTES).map_err(|(problem, _): PlacedProblem| problem.to_string())?;
    let count = if bytes.len() < SEARCH_BYTES + TYPE_BYTES { bytes.len() } else { SEARCH_BYTES };
    let next = (usize::from(is_start)..count).find(|&at| is_matroska(&bytes[at..]));
    Ok(next.unwrap_or(count))
}

/// Whether a Matroska file begins here.
pub(super) fn is_matroska(bytes: &[u8]) -> bool {
    let head = &bytes[..bytes.len().min(TYPE_BYTES)];
    let has = |name: &[u8]| head.windows(name.len()).any(|window| window == name);
    bytes.starts_with(b"\x1A\x45\xDF\xA3") && (has(b"webm") || has(b"matroska"))
}
