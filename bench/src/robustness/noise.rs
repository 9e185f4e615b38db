//! Noise of a given color and loudness.

use crate::bootstrap::SplitMix;
use crate::recordings::SAMPLE_RATE;
use std::f64::consts::TAU;

/// The spectrum of a noise.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Color {
    /// All frequencies alike.
    White,
    /// Falls by 6 dB an octave from 400 Hz on, down to a floor of hiss: an empty room through a microphone.
    Room,
    /// Falls by 3 dB an octave.
    Pink,
    /// Falls by 6 dB an octave from 20 Hz on: traffic, wind.
    Brown,
}

impl Color {
    /// All of them.
    pub const ALL: [Color; 4] = [Color::White, Color::Room, Color::Pink, Color::Brown];

    /// The word for it.
    pub fn name(self) -> &'static str {
        match self {
            Color::White => "white",
            Color::Room => "room",
            Color::Pink => "pink",
            Color::Brown => "brown",
        }
    }
}

/// A noise that goes on.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Noise {
    /// Its spectrum.
    pub color: Color,
    /// Its root mean square, in decibels below a full scale of 32,768.
    pub dbfs: f64,
}

impl Noise {
    /// `count` samples at 16 kHz; the same seed gives the same.
    pub fn samples(self, count: usize, seed: u64) -> Vec<i16> {
        let mut source = Source { random: SplitMix(seed), poles: [0.0; 3] };
        let shape: Vec<f64> = (0..count).map(|_| source.next(self.color)).collect();
        let scale = amplitude(self.dbfs) / rms(&shape).max(f64::MIN_POSITIVE);
        shape.into_iter().map(|value| to_i16(value * scale)).collect()
    }
}

impl std::fmt::Display for Noise {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{} {}", self.color.name(), self.dbfs)
    }
}

/// What filters remember from sample to sample.
struct Source {
    random: SplitMix,
    poles: [f64; 3],
}

impl Source {
    fn next(&mut self, color: Color) -> f64 {
        let white = gaussian(&mut self.random);
        let mut low_pass = |hertz: f64| {
            let keep = (-TAU * hertz / f64::from(SAMPLE_RATE)).exp();
            self.poles[0] = keep * self.poles[0] + (1.0 - keep) * white;
            self.poles[0]
        };
        match color {
            Color::White => white,
            Color::Room => low_pass(400.0) + 0.02 * white,
            Color::Brown => low_pass(20.0),
            Color::Pink => {
                // Three poles whose sum falls by 3 dB an octave (Paul Kellet's economical filter).
                let [a, b, c] = &mut self.poles;
                *a = 0.997_65 * *a + 0.099_046 * white;
                *b = 0.963 * *b + 0.296_516_4 * white;
                *c = 0.57 * *c + 1.052_691_3 * white;
                *a + *b + *c + 0.184_8 * white
            }
        }
    }
}

/// About a normal distribution: the sum of four even ones, from one draw.
fn gaussian(random: &mut SplitMix) -> f64 {
    let bits = random.bits();
    (0..4).map(|part| f64::from((bits >> (16 * part)) as u16) / 65_536.0 - 0.5).sum()
}

/// The root mean square of `values`; 0 of none.
pub fn rms(values: &[f64]) -> f64 {
    let power: f64 = values.iter().map(|value| value * value).sum();
    (power / values.len().max(1) as f64).sqrt()
}

/// The root mean square of samples in decibels below a full scale of 32,768.
pub fn dbfs(samples: &[i16]) -> f64 {
    let values: Vec<f64> = samples.iter().map(|&sample| f64::from(sample)).collect();
    20.0 * (rms(&values) / 32_768.0).log10()
}

/// The amplitude that lies so many decibels below full scale.
pub fn amplitude(dbfs: f64) -> f64 {
    32_768.0 * 10f64.powf(dbfs / 20.0)
}

/// The nearest sample; what is too loud is clipped.
pub fn to_i16(value: f64) -> i16 {
    value.round().clamp(f64::from(i16::MIN), f64::from(i16::MAX)) as i16
}

/// A seed that `text` and `seed` decide: a clip meets the same noise whichever other clips are used (FNV-1a).
pub fn seed_of(text: &str, seed: u64) -> u64 {
    text.bytes().fold(0xCBF2_9CE4_8422_2325 ^ seed.rotate_left(32), |hash, byte| {
        (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01B3)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn noises_are_as_loud_as_asked() {
        for color in Color::ALL {
            for level in [-60.0, -40.0, -20.0] {
                let samples = Noise { color, dbfs: level }.samples(64_000, 1);
                assert!((dbfs(&samples) - level).abs() < 0.1, "{color:?} {}", dbfs(&samples));
            }
        }
    }

    #[test]
    fn colors_differ_by_their_high_frequencies() {
        let treble = |color| {
            let samples = Noise { color, dbfs: -30.0 }.samples(64_000, 1);
            let steps: Vec<f64> =
                samples.windows(2).map(|pair| f64::from(pair[1]) - f64::from(pair[0])).collect();
            rms(&steps) / amplitude(-30.0)
        };
        let [white, room, pink, brown] = Color::ALL.map(treble);
        assert!(white > 1.3 && white > pink && pink > room && room > brown, "{white} {pink} {room} {brown}");
    }

    #[test]
    fn seeds_decide_the_samples() {
        let noise = Noise { color: Color::White, dbfs: -50.0 };
        let of = |text: &str, seed| noise.samples(100, seed_of(text, seed));
        assert_eq!(of("a", 1), of("a", 1));
        assert_ne!(of("a", 1), of("b", 1));
        assert_ne!(of("a", 1), of("a", 2));
    }
}
