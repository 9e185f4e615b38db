//! The gain that brings quiet speech to the level that a detector was trained for.
//!
//! It falls at once with what is louder and rises slowly in what is quieter: a function of the samples so far. Speech at
//! ordinary levels passes unchanged.

use super::VOICE_FRAME_SAMPLES;

/// The level that quieter signals are brought to, in dB of full scale (root mean square of a window).
const TARGET_DB: f32 = -30.0;
/// The most gain, in dB.
const MOST_DB: f32 = 40.0;
/// How fast the gain rises, in dB a second.
const RISE_DB: f32 = 3.0;

/// Seconds of a window at 16 kHz.
const WINDOW_SECONDS: f32 = VOICE_FRAME_SAMPLES as f32 / 16_000.0;

/// The level of one stream's audio. A new one expects quiet: the first words of a stream need the gain too.
#[derive(Clone, Debug)]
pub struct Level {
    /// Mean square of the loudest window of late, as a share of full scale.
    held: f32,
    /// What is left of it after a window: [`RISE_DB`].
    fall: f32,
    target: f32,
    /// Of a signal that gets the most gain.
    least: f32,
}

impl Default for Level {
    fn default() -> Self {
        Level {
            held: 0.0,
            fall: power(-RISE_DB * WINDOW_SECONDS),
            target: power(TARGET_DB),
            least: power(TARGET_DB - MOST_DB),
        }
    }
}

impl Level {
    /// The factor for the stream's next window, from 1 to 100. Does not allocate.
    pub fn gain(&mut self, samples: &[i16; VOICE_FRAME_SAMPLES]) -> f32 {
        self.held = variance(samples).max(self.held * self.fall);
        (self.target / self.held.max(self.least)).sqrt().max(1.0)
    }
}

/// Mean square of the samples about their mean, as a share of full scale: an offset is no loudness. Exact up to the
/// last division.
fn variance(samples: &[i16; VOICE_FRAME_SAMPLES]) -> f32 {
    let count = VOICE_FRAME_SAMPLES as i64;
    let sum: i64 = samples.iter().map(|&sample| i64::from(sample)).sum();
    let squares: i64 = samples.iter().map(|&sample| i64::from(i32::from(sample).pow(2))).sum();
    (count * squares - sum * sum) as f32 / ((count * count) as f32 * 32768f32.powi(2))
}

fn power(decibels: f32) -> f32 {
    10f32.powf(decibels / 10.0)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A square wave of this amplitude on this offset.
    fn window(amplitude: i16, offset: i16) -> [i16; VOICE_FRAME_SAMPLES] {
        std::array::from_fn(|i| offset + if i % 8 < 4 { amplitude } else { -amplitude })
    }

    fn decibels(gain: f32) -> f32 {
        20.0 * gain.log10()
    }

    #[test]
    fn ordinary_speech_passes_unchanged_and_silence_gets_the_most_gain() {
        assert_eq!(Level::default().gain(&window(1200, 0)), 1.0);
        assert_eq!(Level::default().gain(&window(i16::MAX, 0)), 1.0);
        assert!((decibels(Level::default().gain(&window(0, 0))) - MOST_DB).abs() < 0.01);
    }

    #[test]
    fn quiet_speech_is_brought_to_the_target_whatever_its_offset() {
        for offset in [0, 900, -20_000] {
            let gain = Level::default().gain(&window(33, offset));
            let level = 20.0 * (33.0f32 / 32768.0).log10() + decibels(gain);
            assert!((level - TARGET_DB).abs() < 0.05, "{offset}: {level}");
        }
    }

    #[test]
    fn the_gain_falls_at_once_and_rises_slowly() {
        let mut level = Level::default();
        level.gain(&window(10, 0));
        assert_eq!(level.gain(&window(8000, 0)), 1.0);
        let seconds = |level: &mut Level, seconds: f32| {
            (0..(seconds / WINDOW_SECONDS) as usize).map(|_| level.gain(&window(10, 0))).last().unwrap()
        };
        // 8000 is 17.75 dB above the target.
        assert_eq!(seconds(&mut level, 5.0), 1.0);
        let after = decibels(seconds(&mut level, 5.0));
        assert!((after - (10.0 * RISE_DB - 17.75)).abs() < 0.2, "{after}");
    }
}
