//! What a client says of its audio.

use serde::{Deserialize, Serialize};
use thiserror::Error;
use voxlane::audio::file::{Channels, MAX_CHANNELS, Problem, RawEncoding, RawFormat};
use voxlane::audio::{MAX_RATE_HZ, MIN_RATE_HZ};

/// The way in which samples are stored, the least significant byte first.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Encoding {
    /// Integers of 16 bits.
    #[default]
    Linear16,
    /// Floats of 32 bits; full scale is ±1.0.
    Linear32,
    /// ITU-T G.711 µ-law.
    Mulaw,
    /// ITU-T G.711 A-law.
    Alaw,
}

impl From<Encoding> for RawEncoding {
    fn from(encoding: Encoding) -> Self {
        match encoding {
            Encoding::Linear16 => RawEncoding::S16Le,
            Encoding::Linear32 => RawEncoding::F32Le,
            Encoding::Mulaw => RawEncoding::MuLaw,
            Encoding::Alaw => RawEncoding::ALaw,
        }
    }
}

/// The format of samples without a header.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct AudioFormat {
    /// The way in which each sample is stored.
    pub encoding: Encoding,
    /// The sample rate in Hz, 4,000 to 192,000.
    pub sample_rate: u32,
    /// The number of channels, which are interleaved.
    pub channels: usize,
}

/// What becomes of several channels.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum ChannelMode {
    /// One stream with their mean.
    #[default]
    Mixed,
    /// A stream for each.
    Separate,
}

/// The reason why audio is not taken.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum AudioError {
    /// The rate is absurd.
    #[error("sample_rate: not supported (expected {MIN_RATE_HZ} to {MAX_RATE_HZ}, found {0})")]
    SampleRate(u32),
    /// There are no channels, or too many.
    #[error("channels: not supported (expected 1 to {most}, found {found})")]
    Channels {
        /// The most that are taken.
        most: usize,
        /// The number that was given.
        found: usize,
    },
    /// A sample is no audio.
    #[error(transparent)]
    Sample(Problem),
}

impl AudioError {
    /// Returns the stable name of the problem.
    pub fn code(&self) -> &'static str {
        match self {
            AudioError::SampleRate(_) => "audio.sample_rate",
            AudioError::Channels { .. } => "audio.channels",
            AudioError::Sample(problem) => problem.code().name(),
        }
    }
}

impl AudioFormat {
    /// Returns the channels that each stream hears, in order; of separate channels there may be at most `most`.
    ///
    /// # Errors
    /// [`AudioError`] for a rate or a number of channels that is not taken.
    pub(super) fn streams(&self, mode: ChannelMode, most: usize) -> Result<Vec<Channels>, AudioError> {
        if !(MIN_RATE_HZ..=MAX_RATE_HZ).contains(&self.sample_rate) {
            return Err(AudioError::SampleRate(self.sample_rate));
        }
        let most = if mode == ChannelMode::Separate { most.min(MAX_CHANNELS) } else { MAX_CHANNELS };
        if !(1..=most).contains(&self.channels) {
            return Err(AudioError::Channels { most, found: self.channels });
        }
        Ok(match mode {
            // The only one that there is, as it is.
            _ if self.channels == 1 => vec![Channels::One(0)],
            ChannelMode::Mixed => vec![Channels::Mix],
            ChannelMode::Separate => (0..self.channels).map(Channels::One).collect(),
        })
    }

    /// The format as the library has it.
    pub(super) fn raw(&self) -> RawFormat {
        let AudioFormat { encoding, sample_rate, channels } = *self;
        RawFormat { encoding: encoding.into(), sample_rate, channels }
    }
}
