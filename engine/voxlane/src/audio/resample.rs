//! Streaming conversion of mono audio from any sample rate to the engine's, by band-limited interpolation.
//!
//! Results are a function of the samples alone: audio passes through the filter in internal blocks of a
//! fixed size, so that any chunking of the same input gives the same output bits. Sample 0 stays at time 0
//! and `n` input samples become `round(n · 16000 / rate)` output samples.
//!
//! The filter is a windowed sinc (`rubato`) that spans [`SPAN_PERIODS`] periods of the lower of the two rates.
//! Its delay is removed not just to the nearest sample but to 1/128 of an input sample ([`OVERSAMPLING`]): before
//! the audio the filter is fed as many zeros as bring its middle to a whole number of output samples.

use rubato::audioadapter_buffers::direct::InterleavedSlice;
use rubato::{
    Async, FixedAsync, Resampler as _, SincInterpolationParameters, SincInterpolationType, WindowFunction,
    calculate_cutoff,
};

use super::{ENGINE_RATE_HZ, MAX_RATE_HZ, MIN_RATE_HZ};

/// The length of the filter, in periods of the lower of the two rates: half of it, 3 ms of audio at 16 kHz
/// and above, is how far the filter looks ahead.
pub const SPAN_PERIODS: usize = 96;

/// Steps per input sample at which the filter is tabulated; between them it is interpolated (cubic).
pub const OVERSAMPLING: usize = 128;

/// Internal blocks per second: the other part of the delay, 5 ms.
const BLOCKS_PER_SECOND: u32 = 200;

/// The reason why a resampler could not be made, or stopped.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ResampleError {
    /// The sample rate is outside what is taken.
    #[error("sample rate: not supported (expected {MIN_RATE_HZ} to {MAX_RATE_HZ} Hz, found {0} Hz)")]
    Rate(u32),
    /// The filter refused its input: a bug, not bad audio.
    #[error("resampling filter: {0}")]
    Filter(String),
}

/// The progress of one call.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Progress {
    /// The number of input samples taken.
    pub consumed: usize,
    /// The number of output samples written to the front of the output slice.
    pub produced: usize,
}

/// A stream of mono audio on its way to [`ENGINE_RATE_HZ`]. At 16 kHz it copies samples unchanged.
pub struct Resampler {
    rate: u32,
    target: u32,
    /// `None` when the rate is already right.
    filter: Option<Filter>,
    /// Input samples of this stream so far.
    taken: u64,
    /// Output samples of this stream so far.
    given: u64,
}

impl Resampler {
    /// Creates a resampler from `rate` Hz. Allocates all it will ever need.
    ///
    /// # Errors
    /// [`ResampleError::Rate`] outside 4 … 192 kHz.
    pub fn new(rate: u32) -> Result<Self, ResampleError> {
        Resampler::between(rate, ENGINE_RATE_HZ)
    }

    /// As [`Resampler::new`], to any other rate.
    pub(super) fn between(rate: u32, target: u32) -> Result<Self, ResampleError> {
        for rate in [rate, target] {
            if !(MIN_RATE_HZ..=MAX_RATE_HZ).contains(&rate) {
                return Err(ResampleError::Rate(rate));
            }
        }
        let filter = if rate == target { None } else { Some(Filter::new(rate, target)?) };
        Ok(Resampler { rate, target, filter, taken: 0, given: 0 })
    }

    /// Returns the input rate in Hz.
    pub fn rate(&self) -> u32 {
        self.rate
    }

    /// Returns how much later than its last input sample the stream's last output sample can appear, in seconds:
    /// the filter's look-ahead and one internal block.
    pub fn delay_s(&self) -> f64 {
        match &self.filter {
            None => 0.0,
            Some(filter) => (filter.length / 2 + filter.block.len()) as f64 / f64::from(self.rate),
        }
    }

    /// Takes samples from `input` and writes what is ready to `output`, until one of them is used up.
    /// Samples must be finite ([`super::pcm::check`]). Allocates nothing.
    ///
    /// # Errors
    /// [`ResampleError::Filter`] if the filter fails, which is a bug.
    pub fn process(&mut self, input: &[f32], output: &mut [f32]) -> Result<Progress, ResampleError> {
        let progress = match &mut self.filter {
            None => {
                let count = input.len().min(output.len());
                output[..count].copy_from_slice(&input[..count]);
                Progress { consumed: count, produced: count }
            }
            Some(filter) => filter.process(input, output)?,
        };
        self.taken += progress.consumed as u64;
        self.given += progress.produced as u64;
        Ok(progress)
    }

    /// Ends the stream: writes the tail of what [`Resampler::process`] took. Call it until it returns 0 (a
    /// full `output` means that there may be more), then [`Resampler::reset`] before the next stream.
    /// Allocates nothing.
    ///
    /// # Errors
    /// As for [`Resampler::process`].
    pub fn flush(&mut self, output: &mut [f32]) -> Result<usize, ResampleError> {
        let Some(filter) = &mut self.filter else { return Ok(0) };
        let missing = length_at(self.taken, self.rate, self.target).saturating_sub(self.given);
        let wanted = usize::try_from(missing).unwrap_or(usize::MAX).min(output.len());
        let mut produced = 0;
        while produced < wanted {
            produced += filter.process(&SILENCE, &mut output[produced..wanted])?.produced;
        }
        self.given += produced as u64;
        Ok(produced)
    }

    /// Forgets the stream, ready for the next one. Allocates nothing.
    ///
    /// # Errors
    /// As for [`Resampler::process`].
    pub fn reset(&mut self) -> Result<(), ResampleError> {
        (self.taken, self.given) = (0, 0);
        self.filter.as_mut().map_or(Ok(()), Filter::reset)
    }

    /// Resamples a whole recording. Allocates the result.
    ///
    /// # Errors
    /// As for [`Resampler::new`].
    pub fn whole(rate: u32, input: &[f32]) -> Result<Vec<f32>, ResampleError> {
        let mut resampler = Resampler::new(rate)?;
        let mut output = vec![0.0; output_len(input.len() as u64, rate) as usize];
        let mut at = resampler.process(input, &mut output)?.produced;
        at += resampler.flush(&mut output[at..])?;
        debug_assert_eq!(at, output.len());
        Ok(output)
    }
}

/// Returns what a stream of `input` samples at `rate` Hz becomes: `round(input · 16000 / rate)` samples.
pub fn output_len(input: u64, rate: u32) -> u64 {
    length_at(input, rate, ENGINE_RATE_HZ)
}

/// As [`output_len`], at another rate.
fn length_at(input: u64, rate: u32, target: u32) -> u64 {
    let (rate, target) = (u128::from(rate), u128::from(target));
    ((u128::from(input) * target * 2 + rate) / (rate * 2)) as u64
}

/// Fed at the end of a stream, to push its tail out of the filter.
const SILENCE: [f32; 64] = [0.0; 64];

/// The windowed sinc with its fixed blocks.
struct Filter {
    sinc: Async<f32>,
    /// Taps, at the input rate.
    length: usize,
    /// The block being filled, with its fill.
    block: Vec<f32>,
    filled: usize,
    /// Output of the last block; `ready.0..ready.1` of it is not handed out yet.
    pending: Vec<f32>,
    ready: (usize, usize),
    /// Zeros fed before the audio, and outputs dropped, so that sample 0 comes out at time 0.
    lead_in: usize,
    lead_out: usize,
    /// Outputs still to drop.
    drop: usize,
}

impl Filter {
    fn new(rate: u32, target: u32) -> Result<Self, ResampleError> {
        let ratio = f64::from(target) / f64::from(rate);
        // The filter works at the input rate, so a period of the output rate is 1 / ratio samples of it.
        let length = ((SPAN_PERIODS as f64 / ratio.min(1.0)) / 8.0).ceil() as usize * 8;
        let parameters = SincInterpolationParameters {
            sinc_len: length,
            f_cutoff: Some(calculate_cutoff(SPAN_PERIODS, WindowFunction::BlackmanHarris)),
            oversampling_factor: OVERSAMPLING,
            interpolation: SincInterpolationType::Cubic,
            window: WindowFunction::BlackmanHarris,
        };
        let block = (rate / BLOCKS_PER_SECOND) as usize;
        let sinc = Async::new_sinc(ratio, 1.0, &parameters, block, 1, FixedAsync::Input)
            .map_err(|error| ResampleError::Filter(error.to_string()))?;

        // Output k of the filter is centered on input `(k + 1) · period − length / 2`, in input samples.
        // With `lead_in` zeros in front, output `lead_out` is centered on the audio's first sample if
        // `lead_in = (lead_out + 1) · period − length / 2`, which is whole for multiples of `up`.
        let common = gcd(rate, target);
        let (down, up) = ((rate / common) as usize, (target / common) as usize);
        let center = length / 2;
        let turns = center.div_ceil(down);
        let mut filter = Filter {
            length,
            block: vec![0.0; block],
            filled: 0,
            pending: vec![0.0; sinc.output_frames_max()],
            ready: (0, 0),
            lead_in: turns * down - center,
            lead_out: turns * up - 1,
            drop: 0,
            sinc,
        };
        filter.reset()?;
        Ok(filter)
    }

    fn reset(&mut self) -> Result<(), ResampleError> {
        self.sinc.reset();
        self.filled = 0;
        self.ready = (0, 0);
        self.drop = self.lead_out;
        let mut left = self.lead_in;
        while left > 0 {
            let count = left.min(SILENCE.len());
            // Nothing can come out yet: every output of these zeros is dropped.
            left -= self.process(&SILENCE[..count], &mut [])?.consumed;
        }
        Ok(())
    }

    fn process(&mut self, input: &[f32], output: &mut [f32]) -> Result<Progress, ResampleError> {
        let mut progress = Progress { consumed: 0, produced: 0 };
        loop {
            let (from, to) = self.ready;
            let count = (to - from).min(output.len() - progress.produced);
            output[progress.produced..][..count].copy_from_slice(&self.pending[from..][..count]);
            progress.produced += count;
            self.ready.0 += count;
            if self.ready.0 < to {
                return Ok(progress);
            }
            let count = (self.block.len() - self.filled).min(input.len() - progress.consumed);
            self.block[self.filled..][..count].copy_from_slice(&input[progress.consumed..][..count]);
            progress.consumed += count;
            self.filled += count;
            if self.filled < self.block.len() {
                return Ok(progress);
            }
            self.filter_block()?;
        }
    }

    /// Runs the full block through the sinc and drops what precedes time 0.
    fn filter_block(&mut self) -> Result<(), ResampleError> {
        let failed = |error: String| ResampleError::Filter(error);
        let capacity = self.pending.len();
        let input = InterleavedSlice::new(&self.block, 1, self.block.len())
            .map_err(|error| failed(error.to_string()))?;
        let mut output = InterleavedSlice::new_mut(&mut self.pending, 1, capacity)
            .map_err(|error| failed(error.to_string()))?;
        let (_, count) = self
            .sinc
            .process_into_buffer(&input, &mut output, None)
            .map_err(|error| failed(error.to_string()))?;
        let dropped = self.drop.min(count);
        self.drop -= dropped;
        self.ready = (dropped, count);
        self.filled = 0;
        Ok(())
    }
}

fn gcd(a: u32, b: u32) -> u32 {
    if b == 0 { a } else { gcd(b, a % b) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::f64::consts::TAU;

    const RATES: [u32; 12] =
        [4_000, 8_000, 11_025, 15_999, 22_050, 24_000, 32_000, 44_100, 44_099, 48_000, 96_000, 192_000];

    fn tone(rate: u32, hz: f64, seconds: f64) -> Vec<f32> {
        let n = (f64::from(rate) * seconds) as usize;
        (0..n).map(|i| (0.5 * (TAU * hz * i as f64 / f64::from(rate)).sin()) as f32).collect()
    }

    /// The largest difference from an ideal tone, leaving out 20 ms at each end, where the filter sees the
    /// audio begin and end.
    fn worst(output: &[f32], hz: f64, gain: f64) -> f64 {
        let edge = 320;
        (edge..output.len() - edge)
            .map(|i| {
                let ideal = 0.5 * gain * (TAU * hz * i as f64 / 16_000.0).sin();
                (f64::from(output[i]) - ideal).abs()
            })
            .fold(0.0, f64::max)
    }

    #[test]
    fn tones_keep_their_phase_and_level_at_every_rate() {
        for rate in RATES {
            for hz in [100.0, 997.0, f64::from(rate.min(16_000)) * 0.42] {
                let output = Resampler::whole(rate, &tone(rate, hz, 0.5)).unwrap();
                let error = worst(&output, hz, 1.0);
                // One step of the filter's table late: all the phase error there may be.
                let step = 0.5 * TAU * hz / f64::from(rate) / OVERSAMPLING as f64;
                assert!(error < 1.05 * step + 2e-4, "{rate} Hz, tone {hz} Hz: off by {error}");
            }
        }
    }

    #[test]
    fn what_would_alias_is_removed() {
        for rate in [22_050, 24_000, 32_000, 44_100, 48_000, 96_000, 192_000] {
            for hz in [9_000.0, f64::from(rate) * 0.45] {
                let output = Resampler::whole(rate, &tone(rate, hz, 0.5)).unwrap();
                let error = worst(&output, hz, 0.0);
                assert!(error < 1e-4, "{rate} Hz, tone {hz} Hz: {error} left");
            }
        }
    }

    #[test]
    fn lengths_are_rounded_to_the_nearest_sample() {
        for rate in RATES {
            for n in [0, 1, 2, 3, 100, 997, 12_345] {
                let ideal = (n as f64 * 16_000.0 / f64::from(rate)).round() as usize;
                assert_eq!(Resampler::whole(rate, &vec![0.25; n]).unwrap().len(), ideal, "{rate} Hz, {n}");
            }
        }
    }

    #[test]
    fn passthrough_copies() {
        let input = tone(16_000, 440.0, 0.1);
        assert_eq!(Resampler::whole(16_000, &input).unwrap(), input);
    }

    #[test]
    fn a_rate_outside_the_range_is_refused() {
        for rate in [0, 1, 3_999, 192_001, u32::MAX] {
            assert_eq!(Resampler::new(rate).err(), Some(ResampleError::Rate(rate)));
        }
    }

    proptest::proptest! {
        #![proptest_config(proptest::prelude::ProptestConfig::with_cases(24))]
        #[test]
        fn chunking_and_reuse_change_no_bit(
            rate in 4_000u32..=192_000,
            chunks in proptest::collection::vec((0usize..700, 0usize..300), 1..40),
        ) {
            let input = tone(rate, 440.0, 0.1);
            let whole = Resampler::whole(rate, &input).unwrap();
            let mut resampler = Resampler::new(rate).unwrap();
            for _ in 0..2 {
                let (mut at, mut output, mut room) = (0, Vec::new(), vec![0.0; 4096]);
                for (take, space) in chunks.iter().cycle() {
                    if at == input.len() { break; }
                    let end = (at + take + 1).min(input.len());
                    let space = &mut room[..space + 1];
                    let progress = resampler.process(&input[at..end], space).unwrap();
                    at += progress.consumed;
                    output.extend_from_slice(&space[..progress.produced]);
                }
                loop {
                    let count = resampler.flush(&mut room[..7]).unwrap();
                    if count == 0 { break; }
                    output.extend_from_slice(&room[..count]);
                }
                proptest::prop_assert_eq!(&output, &whole);
                resampler.reset().unwrap();
            }
        }
    }
}
