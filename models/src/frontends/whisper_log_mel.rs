//! Samples → log-mel spectrogram, as Whisper's feature extractor makes it (Radford et al. 2022,
//! <https://arxiv.org/abs/2212.04356>; the numpy version in Hugging Face's transformers).
//!
//! A frame is 400 samples around its center under a periodic Hann window; centers lie 160 samples apart, the first on the
//! first sample, and what a window lacks at either end is reflected there. Energies of Slaney's filters of unit area become
//! decimal logarithms of at least 1e-10; of a whole recording, what lies more than 8 below the largest is raised to that,
//! and `(x + 4) / 4` is the feature. All in `f64`, as numpy does it: networks that round their input to a grid see the
//! least difference.

use voxlane_kernels::mel::double::{Spectrogram, fill_table, log_mel, scratch_len, table_len};
use voxlane_kernels::mel::{FilterBank, MelScale, Triangle};
use voxlane_kernels::rows::Rows;

/// Samples of a window.
pub const WINDOW_SAMPLES: usize = 400;
/// Samples from one frame to the next.
pub const HOP_SAMPLES: usize = 160;
/// Samples that are reflected at either end.
pub const EDGE_SAMPLES: usize = WINDOW_SAMPLES / 2;
/// Samples a second.
const SAMPLE_RATE_HZ: f64 = 16_000.0;
/// The least energy.
const FLOOR: f64 = 1e-10;
/// How far below the largest logarithm of a recording the others may lie.
const RANGE: f64 = 8.0;

/// The front end's tables.
#[derive(Debug)]
pub struct WhisperLogMel {
    window: Vec<f64>,
    table: Vec<f64>,
    triangles: Vec<Triangle>,
    weights: Vec<f64>,
}

impl WhisperLogMel {
    /// With `mels` filters: 80, or 128 in Whisper's large models since the third.
    pub fn new(mels: usize) -> Self {
        let angle = |i: usize| std::f64::consts::TAU * i as f64 / WINDOW_SAMPLES as f64;
        let window = (0..WINDOW_SAMPLES).map(|i| 0.5 - 0.5 * angle(i).cos()).collect();
        let mut table = vec![0.0; table_len(WINDOW_SAMPLES)];
        fill_table(WINDOW_SAMPLES, &mut table);
        let bank = FilterBank {
            sample_rate: SAMPLE_RATE_HZ,
            size: WINDOW_SAMPLES,
            mels,
            min_hz: 0.0,
            max_hz: SAMPLE_RATE_HZ / 2.0,
            scale: MelScale::Slaney,
            unit_area: true,
        };
        let mut triangles = vec![Triangle::default(); mels];
        let mut weights = vec![0.0; bank.weights_len()];
        let used = bank.fill_double(&mut triangles, &mut weights);
        weights.truncate(used);
        WhisperLogMel { window, table, triangles, weights }
    }

    /// Features of a frame.
    pub fn mels(&self) -> usize {
        self.triangles.len()
    }

    /// Values of scratch memory that [`logarithms`](WhisperLogMel::logarithms) takes.
    pub fn scratch_len() -> usize {
        scratch_len(WINDOW_SAMPLES)
    }

    /// Writes the logarithms of `out.len() / mels` frames from `first` on. `samples` begin [`EDGE_SAMPLES`] before the first
    /// one, see [`reflect`]. Returns the largest. Does not allocate.
    ///
    /// # Panics
    /// If a frame lies outside the samples, `out` is not a whole number of frames, or the scratch memory is too short.
    pub fn logarithms(&self, samples: &[f32], first: usize, scratch: &mut [f64], out: &mut [f64]) -> f64 {
        let frames = out.len() / self.mels();
        let spectrogram = Spectrogram {
            window: &self.window,
            table: &self.table,
            triangles: &self.triangles,
            weights: &self.weights,
            floor: FLOOR,
        };
        let rows = Rows::new(&samples[first * HOP_SAMPLES..], HOP_SAMPLES, frames);
        log_mel(rows, &spectrogram, scratch, out);
        out.iter().copied().fold(f64::NEG_INFINITY, f64::max)
    }
}

/// The feature of a logarithm in a recording whose largest is `largest`.
#[inline]
pub fn feature(logarithm: f64, largest: f64) -> f32 {
    ((logarithm.max(largest - RANGE) + 4.0) / 4.0) as f32
}

/// Fills the [`EDGE_SAMPLES`] at either end with the reflection of what lies between, without its own edge.
///
/// # Panics
/// If there are not more than that between.
pub fn reflect(samples: &mut [f32]) {
    let end = samples.len() - EDGE_SAMPLES;
    assert!(end > 2 * EDGE_SAMPLES, "more samples than are reflected");
    for i in 0..EDGE_SAMPLES {
        samples[i] = samples[2 * EDGE_SAMPLES - i];
        samples[end + i] = samples[end - 2 - i];
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn edges_are_reflected_without_themselves() {
        let mut samples: Vec<f32> = (0..1000).map(|i| i as f32).collect();
        reflect(&mut samples);
        assert_eq!((samples[0], samples[199], samples[200]), (400.0, 201.0, 200.0));
        assert_eq!((samples[799], samples[800], samples[999]), (799.0, 798.0, 599.0));
    }

    #[test]
    fn a_frame_is_the_plain_formula() {
        let front_end = WhisperLogMel::new(80);
        let mut samples: Vec<f32> =
            (0..2000).map(|i| (i as f32 * 0.37).sin() + 0.3 * (i as f32 * 1.9).cos()).collect();
        reflect(&mut samples);
        let mut out = vec![0.0; 10 * 80];
        let mut scratch = vec![0.0; WhisperLogMel::scratch_len()];
        front_end.logarithms(&samples, 0, &mut scratch, &mut out);
        for (frame, mels) in out.chunks_exact(80).enumerate() {
            let power = |bin: usize| {
                let (mut re, mut im) = (0.0, 0.0);
                for (i, window) in front_end.window.iter().enumerate() {
                    let x = f64::from(samples[frame * HOP_SAMPLES + i]) * window;
                    let angle =
                        std::f64::consts::TAU * (i * bin % WINDOW_SAMPLES) as f64 / WINDOW_SAMPLES as f64;
                    (re, im) = (re + x * angle.cos(), im - x * angle.sin());
                }
                re * re + im * im
            };
            let mut weights = &front_end.weights[..];
            for (triangle, &found) in front_end.triangles.iter().zip(mels) {
                let (own, rest) = weights.split_at(triangle.bins);
                weights = rest;
                let energy: f64 =
                    own.iter().enumerate().map(|(i, w)| w * power(triangle.first_bin + i)).sum();
                assert!((found - energy.max(FLOOR).log10()).abs() < 1e-9, "{found}");
            }
        }
    }
}
