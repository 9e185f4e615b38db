//! What the readers of all formats have in common.

use super::block::{Block, MAX_CHANNELS};
use super::error::{Place, PlacedProblem, Problem};
use super::raw_encoding::RawEncoding;
use super::warning::Warnings;
use super::{MAX_RATE_HZ, MIN_RATE_HZ};

/// The audio in a file, decoded part by part.
pub(super) trait Source: Send {
    /// The rate and the channels at the start.
    fn shape(&self) -> Shape;

    /// How the samples are stored, if in a way that samples without a header can be.
    fn encoding(&self) -> Option<RawEncoding> {
        None
    }

    /// The next samples; `None` at the end of the audio. The format of the samples, not their channel count, is
    /// the same through the whole file. After an error nothing more can be read.
    fn next_part(&mut self, warnings: &mut Warnings) -> Result<Option<Part<'_>>, PlacedProblem>;
}

/// Samples of all channels, interleaved, in whole frames: one sample of each channel.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Part<'a> {
    pub channels: usize,
    pub samples: Block<'a>,
}

/// What a file's header says, checked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Shape {
    pub sample_rate: u32,
    pub channels: usize,
}

impl Shape {
    /// Refuses absurd rates and channel counts.
    pub(super) fn check(self, place: Place) -> Result<Self, PlacedProblem> {
        if !(MIN_RATE_HZ..=MAX_RATE_HZ).contains(&self.sample_rate) {
            Err((Problem::SampleRate(self.sample_rate), place))
        } else if !(1..=MAX_CHANNELS).contains(&self.channels) {
            Err((Problem::Channels(self.channels), place))
        } else {
            Ok(self)
        }
    }
}
