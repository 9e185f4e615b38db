//! Reading audio files and pipes: uncompressed ones by our own reader, compressed ones by `symphonia`.
//!
//! What a reader gives is right. A file that breaks the rules without loss of audio is read with a
//! [`Warning`]; one that is damaged or cut off gives the samples that are there and then an [`AudioError`]. Memory
//! is bounded: it grows neither with the file nor with what a header claims.

use std::path::Path;

pub use super::error::{AudioError, Place, Problem};
pub use super::kind::{Kind, recognize};
pub use super::raw::{RawEncoding, RawFormat};
pub use super::reader::{Channels, Reader, ReaderOptions};
pub use super::warning::{Oddity, Warning};

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
    /// The mean of the channels, as for [`Channels::Mix`].
    pub samples: Samples,
    /// What was odd about the file.
    pub warnings: Vec<Warning>,
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
    /// From one channel of at most 16 bits: bit-exact.
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

impl Block<'_> {
    /// How many samples there are.
    pub fn len(&self) -> usize {
        match self {
            Block::I16(samples) => samples.len(),
            Block::F32(samples) => samples.len(),
        }
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
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
