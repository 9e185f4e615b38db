//! How the containers' readers see a file: longer than it is, or counted.

use std::io::{self, Read, Seek, SeekFrom};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use symphonia::core::io::MediaSource;

use crate::audio::input::Input;

/// A file that says it is as long as its boxes claim: `symphonia` refuses to open one that was cut off.
pub(super) struct Claimed {
    pub input: Input,
    pub length: u64,
}

impl Read for Claimed {
    fn read(&mut self, out: &mut [u8]) -> io::Result<usize> {
        self.input.read(out)
    }
}

impl Seek for Claimed {
    fn seek(&mut self, to: SeekFrom) -> io::Result<u64> {
        match to {
            SeekFrom::End(offset) => {
                let at = self.length.checked_add_signed(offset).ok_or(io::ErrorKind::InvalidInput)?;
                self.input.seek(SeekFrom::Start(at))
            }
            to => self.input.seek(to),
        }
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

/// A file that counts how much of it was read.
pub(super) struct Metered {
    pub input: Input,
    pub read: Arc<AtomicU64>,
}

impl Read for Metered {
    fn read(&mut self, out: &mut [u8]) -> io::Result<usize> {
        let count = self.input.read(out)?;
        self.read.fetch_add(count as u64, Ordering::Relaxed);
        Ok(count)
    }
}
