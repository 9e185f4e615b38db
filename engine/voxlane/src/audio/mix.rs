//! From the samples that a file holds to the one channel that is given out: checked, chosen or mixed.

use super::block::Block;
use super::downmix::Downmix;
use super::error::{Place, PlacedProblem, Problem};
use super::pcm::{self, PcmError};
use super::source::Part;
use super::warning::Warnings;
use voxlane_kernels::convert;

/// The way in which several channels become one.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Channels {
    /// Their mean. Where they cancel each other out, as with opposite phase, the louder one, and a warning.
    #[default]
    Mix,
    /// One of them, counted from 0. Of 16-bit sources its samples are bit-exact.
    One(usize),
    /// One of them, counted from 0, that the file may not have from its start on: silence where it is not there.
    Later(usize),
}

/// Takes parts of a file as they are decoded, whatever its format, and holds the next samples to give out.
pub(super) struct Mixer {
    choice: Channels,
    rate: u32,
    /// The channels of the last part.
    channels: usize,
    downmix: Downmix,
    /// Whether samples are given out as 16 bits; decided by the first part.
    is_exact: Option<bool>,
    /// Sample frames taken.
    frames: u64,
    exact: Vec<i16>,
    float: Vec<f32>,
}

impl Mixer {
    /// For a file that begins with `channels`.
    ///
    /// # Errors
    /// If the chosen channel is not among them.
    pub(super) fn new(choice: Channels, rate: u32, channels: usize) -> Result<Self, PlacedProblem> {
        // Later a part with one channel may stand for all; a whole file may not.
        match choice {
            Channels::One(index) if index >= channels => {
                return Err((Problem::NoChannel { index, channels }, Place::File));
            }
            _ => {}
        }
        let downmix = Downmix::new(rate, channels, 0);
        let (exact, float) = (Vec::new(), Vec::new());
        Ok(Mixer { choice, rate, channels, downmix, is_exact: None, frames: 0, exact, float })
    }

    /// Takes the next part. At a sample that is no audio it takes those in front of it and gives an error with its
    /// place in the recording.
    pub(super) fn push(&mut self, part: Part<'_>, warnings: &mut Warnings) -> Result<(), PlacedProblem> {
        if part.channels != self.channels {
            self.finish(warnings);
            self.channels = part.channels;
            self.downmix = Downmix::new(self.rate, part.channels, self.frames);
        }
        if let Channels::Later(index) = self.choice
            && index >= part.channels
        {
            self.silence(part);
            return Ok(());
        }
        let channel = find(self.choice, part.channels)?;
        let is_exact =
            *self.is_exact.get_or_insert(matches!(part.samples, Block::I16(_)) && channel.is_some());
        match (part.samples, channel) {
            (Block::I16(samples), Some(channel)) if is_exact => {
                self.exact.extend(samples.iter().skip(channel).step_by(part.channels));
                self.frames += (samples.len() / part.channels) as u64;
                Ok(())
            }
            (Block::I16(samples), channel) => {
                let mut float = vec![0.0; samples.len()];
                pcm::to_f32(samples, &mut float);
                self.mix(&float, part.channels, channel, warnings);
                Ok(())
            }
            (Block::F32(samples), channel) => {
                let checked = pcm::check(samples).map_err(|error| self.in_recording(error, part.channels));
                let good = checked.as_ref().err().map_or(samples.len(), |(frames, _)| frames * part.channels);
                self.mix(&samples[..good], part.channels, channel, warnings);
                checked.map_err(|(_, fault)| fault)
            }
        }
    }

    fn mix(&mut self, samples: &[f32], channels: usize, channel: Option<usize>, warnings: &mut Warnings) {
        self.frames += (samples.len() / channels) as u64;
        match channel {
            Some(channel) => self.float.extend(samples.iter().skip(channel).step_by(channels)),
            None => self.downmix.push(samples, &mut self.float, warnings),
        }
        self.keep_format();
    }

    /// Takes silence in place of a part that does not have the chosen channel.
    fn silence(&mut self, part: Part<'_>) {
        let frames = part.samples.len() / part.channels;
        match *self.is_exact.get_or_insert(matches!(part.samples, Block::I16(_))) {
            true => self.exact.resize(self.exact.len() + frames, 0),
            false => self.float.resize(self.float.len() + frames, 0.0),
        }
        self.frames += frames as u64;
    }

    /// Takes in what waits for more samples, at the end of the audio.
    pub(super) fn finish(&mut self, warnings: &mut Warnings) {
        self.downmix.finish(&mut self.float, warnings);
        self.keep_format();
    }

    /// A file that began with one channel of 16 bits stays at 16 bits.
    fn keep_format(&mut self) {
        if self.is_exact == Some(true) && !self.float.is_empty() {
            let start = self.exact.len();
            self.exact.resize(start + self.float.len(), 0);
            convert::f32_to_i16(&self.float, &mut self.exact[start..]);
            self.float.clear();
        }
    }

    /// The samples to give out, maybe none.
    pub(super) fn block(&self) -> Block<'_> {
        if self.is_exact == Some(true) { Block::I16(&self.exact) } else { Block::F32(&self.float) }
    }

    /// Forgets the samples that were given out.
    pub(super) fn clear(&mut self) {
        self.exact.clear();
        self.float.clear();
    }

    /// A bad sample of the next part: the whole frames in front of it, and the error with its place in the file.
    fn in_recording(&self, error: PcmError, channels: usize) -> (usize, PlacedProblem) {
        let (PcmError::NotFinite { index, .. } | PcmError::TooLoud { index, .. }) = error;
        let before = index / channels;
        let frame = self.frames + before as u64;
        let index = usize::try_from(frame).unwrap_or(usize::MAX);
        let error = match error {
            PcmError::NotFinite { value, .. } => PcmError::NotFinite { index, value },
            PcmError::TooLoud { value, .. } => PcmError::TooLoud { index, value },
        };
        (before, (error.into(), Place::Time(frame as f64 / f64::from(self.rate))))
    }
}

/// The channel to take; `None`: all of them. The only one there is stands for all.
fn find(choice: Channels, channels: usize) -> Result<Option<usize>, PlacedProblem> {
    match choice {
        _ if channels == 1 => Ok(Some(0)),
        Channels::Mix => Ok(None),
        Channels::One(index) | Channels::Later(index) if index < channels => Ok(Some(index)),
        Channels::One(index) | Channels::Later(index) => {
            Err((Problem::NoChannel { index, channels }, Place::File))
        }
    }
}
