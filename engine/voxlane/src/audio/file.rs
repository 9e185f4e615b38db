//! Reading audio files and pipes: uncompressed ones by our own reader, compressed ones by `symphonia`.
//!
//! What a reader gives is right. A file that breaks the rules without loss of audio is read with a
//! [`Warning`]; one that is damaged or cut off gives the samples that are there and then an [`AudioError`]. Memory
//! is bounded: it grows neither with the file nor with what a header claims.

use std::path::Path;

pub use super::block::{Block, MAX_CHANNELS, Samples};
pub use super::error::{AudioError, Place, Problem};
pub use super::kind::{Kind, recognize};
pub use super::mix::Channels;
pub use super::pieces::Pieces;
pub use super::raw::RawFormat;
pub use super::raw_encoding::RawEncoding;
pub use super::reader::{Reader, ReaderOptions};
pub use super::warning::{Oddity, Warning};

/// The most samples that [`read`] keeps in memory: 9 hours at 16 kHz, 3 hours at 48 kHz.
pub const MAX_SAMPLES: usize = 1 << 29;

/// A whole recording, mixed down to mono.
#[derive(Clone, Debug, PartialEq)]
pub struct Recording {
    /// The sample rate in Hz, 4,000 … 192,000.
    pub sample_rate: u32,
    /// The number of channels in the file.
    pub channels: usize,
    /// The mean of the channels, as for [`Channels::Mix`].
    pub samples: Samples,
    /// Oddities of the file.
    pub warnings: Vec<Warning>,
}

impl Recording {
    /// Returns the length of the audio in seconds.
    pub fn seconds(&self) -> f64 {
        self.samples.len() as f64 / f64::from(self.sample_rate)
    }
}

/// Reads a whole file.
///
/// # Errors
/// [`AudioError`] as for [`Reader`], and for more than [`MAX_SAMPLES`]. To keep the audio in front of an error, use
/// [`Reader`].
pub fn read(path: impl AsRef<Path>) -> Result<Recording, AudioError> {
    let mut reader = Reader::open(path)?;
    let (sample_rate, channels) = (reader.sample_rate(), reader.channels());
    let (mut exact, mut float) = (Vec::new(), Vec::new());
    while let Some(block) = reader.next_block()? {
        match block {
            Block::I16(samples) => exact.extend_from_slice(samples),
            Block::F32(samples) => float.extend_from_slice(samples),
        }
        if exact.len() + float.len() > MAX_SAMPLES {
            return Err(reader.error(Problem::TooLong(MAX_SAMPLES), Place::File));
        }
    }
    let samples = if float.is_empty() { Samples::I16(exact) } else { Samples::F32(float) };
    Ok(Recording { sample_rate, channels, samples, warnings: reader.warnings().to_vec() })
}
