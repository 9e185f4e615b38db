//! What is done to a clip before it is transcribed.

use super::noise::{Noise, amplitude, dbfs, seed_of, to_i16};
use crate::recordings::SAMPLE_RATE;

/// What is done to a clip.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Treatment {
    /// Nothing.
    None,
    /// Its root mean square is brought to this level, in decibels below full scale, and rounded to 16 bits.
    Scaled(f64),
    /// Silence or noise is put before and after it, so many seconds each.
    Padded {
        /// Digital zeros if absent.
        noise: Option<Noise>,
        /// Seconds in front of the clip.
        before: f64,
        /// Seconds behind it.
        after: f64,
    },
    /// Noise is added to the clip, and goes on for so many seconds before and after it.
    Noisy {
        /// What is added.
        noise: Noise,
        /// Seconds in front of the clip and behind it.
        around: f64,
    },
}

impl Treatment {
    /// The samples after the treatment. The noise of a clip depends on its name and the seed alone.
    pub fn apply(self, samples: &[i16], id: &str, seed: u64) -> Vec<i16> {
        let count = |seconds: f64| (seconds * f64::from(SAMPLE_RATE)) as usize;
        match self {
            Treatment::None => samples.to_vec(),
            Treatment::Scaled(level) => {
                let factor = amplitude(level) / amplitude(dbfs(samples));
                samples.iter().map(|&sample| to_i16(f64::from(sample) * factor)).collect()
            }
            Treatment::Padded { noise, before, after } => {
                let (before, after) = (count(before), count(after));
                let padding = match noise {
                    Some(noise) => noise.samples(before + after, seed_of(id, seed)),
                    None => vec![0; before + after],
                };
                [&padding[..before], samples, &padding[before..]].concat()
            }
            Treatment::Noisy { noise, around } => {
                let (around, longest) = (count(around), samples.len());
                // The clip meets the same noise with and without more around it.
                let over = noise.samples(longest, seed_of(id, seed));
                let beside = noise.samples(2 * around, seed_of(id, seed.wrapping_add(1)));
                let mixed: Vec<i16> =
                    samples.iter().zip(&over).map(|(&a, &b)| to_i16(f64::from(a) + f64::from(b))).collect();
                [&beside[..around], &mixed, &beside[around..]].concat()
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::noise::Color;
    use super::*;

    const NOISE: Noise = Noise { color: Color::Room, dbfs: -50.0 };

    fn tone() -> Vec<i16> {
        (0..16_000).map(|i| if i / 40 % 2 == 0 { 3000 } else { -3000 }).collect()
    }

    #[test]
    fn padding_leaves_the_clip_as_it_is() {
        let padded =
            Treatment::Padded { noise: Some(NOISE), before: 0.5, after: 0.25 }.apply(&tone(), "a", 1);
        assert_eq!(padded.len(), 8_000 + 16_000 + 4_000);
        assert_eq!(padded[8_000..24_000], tone());
        assert!((dbfs(&padded[..8_000]) + 50.0).abs() < 1.0);
        let zeros = Treatment::Padded { noise: None, before: 1.0, after: 0.0 }.apply(&tone(), "a", 1);
        assert!(zeros[..16_000].iter().all(|&sample| sample == 0) && zeros[16_000..] == tone());
    }

    #[test]
    fn noise_over_a_clip_is_the_same_with_and_without_more_around_it() {
        let bare = Treatment::Noisy { noise: NOISE, around: 0.0 }.apply(&tone(), "a", 1);
        let around = Treatment::Noisy { noise: NOISE, around: 0.5 }.apply(&tone(), "a", 1);
        assert_eq!((bare.len(), around.len()), (16_000, 32_000));
        assert_eq!(around[8_000..24_000], bare);
        assert_ne!(bare, tone());
    }

    #[test]
    fn scaling_reaches_the_level() {
        for level in [-59.0, -65.0, -70.0, -74.0] {
            let scaled = Treatment::Scaled(level).apply(&tone(), "a", 1);
            assert!((dbfs(&scaled) - level).abs() < 0.7, "{level} {}", dbfs(&scaled));
        }
    }
}
