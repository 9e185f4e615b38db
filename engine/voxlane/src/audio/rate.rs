//! Audio whose sample rate changes on the way, brought to the rate at its start.

use super::resample::{ResampleError, Resampler};
use super::source::Shape;

/// Resamples interleaved audio of several channels.
pub(super) struct RateChange {
    from: Shape,
    /// One for each channel.
    resamplers: Vec<Resampler>,
    channel: Vec<f32>,
    output: Vec<f32>,
    samples: Vec<f32>,
}

impl RateChange {
    /// From audio of one shape to a rate in Hz.
    ///
    /// # Errors
    /// [`ResampleError::Rate`] for a rate outside what is taken.
    pub fn new(from: Shape, to: u32) -> Result<Self, ResampleError> {
        let resampler = |_| Resampler::between(from.sample_rate, to);
        let resamplers = (0..from.channels).map(resampler).collect::<Result<_, _>>()?;
        Ok(RateChange { from, resamplers, channel: Vec::new(), output: Vec::new(), samples: Vec::new() })
    }

    /// The shape of the audio that is resampled.
    pub fn from(&self) -> Shape {
        self.from
    }

    /// The next samples at the new rate, maybe none, for the next at the old.
    ///
    /// # Errors
    /// As for [`Resampler::process`].
    pub fn process(&mut self, interleaved: &[f32]) -> Result<&[f32], ResampleError> {
        let channels = self.from.channels;
        self.samples.clear();
        for (index, resampler) in self.resamplers.iter_mut().enumerate() {
            self.channel.clear();
            self.channel.extend(interleaved.iter().skip(index).step_by(channels));
            self.output.clear();
            let mut taken = 0;
            while taken < self.channel.len() {
                let start = self.output.len();
                self.output.resize(start + self.channel.len().max(1024), 0.0);
                let progress = resampler.process(&self.channel[taken..], &mut self.output[start..])?;
                taken += progress.consumed;
                self.output.truncate(start + progress.produced);
            }
            interleave(&mut self.samples, &self.output, index, channels);
        }
        Ok(&self.samples)
    }

    /// The samples that are left at the end of the audio.
    ///
    /// # Errors
    /// As for [`Resampler::process`].
    pub fn finish(&mut self) -> Result<&[f32], ResampleError> {
        let channels = self.from.channels;
        self.samples.clear();
        for (index, resampler) in self.resamplers.iter_mut().enumerate() {
            self.output.clear();
            loop {
                let start = self.output.len();
                self.output.resize(start + 1024, 0.0);
                let produced = resampler.flush(&mut self.output[start..])?;
                self.output.truncate(start + produced);
                if produced == 0 {
                    break;
                }
            }
            interleave(&mut self.samples, &self.output, index, channels);
        }
        Ok(&self.samples)
    }
}

/// Puts one channel's samples into their places.
fn interleave(samples: &mut Vec<f32>, channel: &[f32], index: usize, channels: usize) {
    samples.resize(channel.len() * channels, 0.0);
    for (to, &from) in samples.iter_mut().skip(index).step_by(channels).zip(channel) {
        *to = from;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn channels_keep_apart_and_the_length_fits() {
        for (from, to) in [(44_100, 16_000), (16_000, 44_100), (8_000, 48_000), (22_050, 24_000)] {
            let input: Vec<f32> = (0..from as usize).flat_map(|_| [0.5, -0.25]).collect();
            let mut change = RateChange::new(Shape { sample_rate: from, channels: 2 }, to).unwrap();
            let mut output = Vec::new();
            for part in input.chunks(2 * 1152) {
                output.extend_from_slice(change.process(part).unwrap());
            }
            output.extend_from_slice(change.finish().unwrap());
            assert_eq!(output.len(), 2 * to as usize, "{from} to {to} Hz");
            let middle = &output[output.len() / 4..][..output.len() / 2];
            let is_constant = |channel: usize, level: f32| {
                middle.iter().skip(channel).step_by(2).all(|sample| (sample - level).abs() < 1e-3)
            };
            assert!(is_constant(0, 0.5) && is_constant(1, -0.25), "{from} to {to} Hz");
        }
    }
}
