//! Noise and silence, made by rule: what a microphone hears when nobody speaks.

use crate::live::conversation::Spread;
use crate::recordings::SAMPLE_RATE;
use crate::spoken::Recording;
use std::f64::consts::TAU;

/// Seconds of each kind.
const SECONDS: f64 = 60.0;

/// The kinds: a name, and the next sample, about -1 to 1, from evenly spread numbers and the time in seconds.
type Kind = (&'static str, fn(&mut State, f64) -> f64);

/// What the kinds remember from sample to sample.
struct State {
    spread: Spread,
    slow: f64,
    slower: f64,
    burst: f64,
}

impl State {
    fn white(&mut self) -> f64 {
        2.0 * self.spread.next() - 1.0
    }

    /// White noise through one pole; `keep` near 1 leaves low tones only.
    fn brown(&mut self, keep: f64) -> f64 {
        self.slow = keep * self.slow + (1.0 - keep) * self.white();
        self.slow
    }

    /// Falls 3 dB an octave, about: two poles and white.
    fn pink(&mut self) -> f64 {
        let white = self.white();
        self.slow = 0.99 * self.slow + 0.1 * white;
        self.slower = 0.9 * self.slower + 0.3 * white;
        0.25 * (self.slow + self.slower + 0.2 * white)
    }

    /// Starts now and then, `rate` times a second, and dies away within `seconds`.
    fn burst(&mut self, rate: f64, seconds: f64) -> f64 {
        let per_sample = 1.0 / f64::from(SAMPLE_RATE);
        if self.spread.next() < rate * per_sample {
            self.burst = 0.5 + 0.5 * self.spread.next();
        }
        self.burst *= 1.0 - per_sample / seconds;
        self.burst
    }
}

const KINDS: [Kind; 10] = [
    ("digital silence", |_, _| 0.0),
    ("faint hiss", |state, _| 0.000_15 * state.white()),
    ("hiss", |state, _| 0.01 * state.white()),
    ("loud hiss", |state, _| 0.2 * state.white()),
    ("room", |state, _| 0.05 * state.pink()),
    ("traffic that swells", |state, time| 1.5 * (1.2 + (TAU * time / 9.0).sin()) * state.brown(0.995)),
    ("mains hum", |state, time| {
        let tone = |multiple: f64| (TAU * 50.0 * multiple * time).sin() / multiple;
        0.03 * (tone(1.0) + tone(2.0) + tone(3.0) + tone(6.0)) + 0.001 * state.white()
    }),
    ("keys and clicks", |state, _| {
        let loudness = 0.5 * state.burst(3.0, 0.008);
        loudness * state.white() + 0.002 * state.white()
    }),
    ("knocks and rustling", |state, _| {
        let loudness = 0.6 * state.burst(1.0, 0.12);
        loudness * state.brown(0.8) + 0.004 * state.pink()
    }),
    ("fan with a whistle", |state, time| {
        let whistle = (TAU * (900.0 + 20.0 * (TAU * 0.3 * time).sin()) * time).sin();
        0.05 * state.brown(0.9) + 0.01 * whistle
    }),
];

/// Ten minutes, a minute of each kind; the same in every run.
pub fn ten_minutes() -> Vec<Recording> {
    kinds().map(|(_, recording)| recording).collect()
}

/// A minute of each kind, with its name.
pub fn kinds() -> impl Iterator<Item = (&'static str, Recording)> {
    let one = |(number, (name, sample)): (usize, &Kind)| {
        let mut state = State { spread: Spread(100 + number as u64), slow: 0.0, slower: 0.0, burst: 0.0 };
        let count = (SECONDS * f64::from(SAMPLE_RATE)) as usize;
        let value = |index: usize| {
            let time = index as f64 / f64::from(SAMPLE_RATE);
            (32_767.0 * sample(&mut state, time).clamp(-1.0, 1.0)) as i16
        };
        let samples = (0..count).map(value).collect();
        (*name, Recording { samples, transcript: String::new() })
    };
    KINDS.iter().enumerate().map(one)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn noises_have_their_loudness() {
        let all = ten_minutes();
        let minutes: f64 = all.iter().map(|recording| recording.seconds() / 60.0).sum();
        assert!((minutes - 10.0).abs() < 1e-6);
        let rms = |recording: &Recording| {
            let power: f64 = recording.samples.iter().map(|&sample| f64::from(sample).powi(2)).sum();
            (power / recording.samples.len() as f64).sqrt()
        };
        let levels: Vec<f64> = all.iter().map(rms).collect();
        assert_eq!(levels[0], 0.0);
        // From a thousandth to a fifth of full scale, and none of the others silent.
        assert!(levels[1] > 1.0 && levels[1] < 10.0, "{levels:?}");
        assert!(levels[2..].iter().all(|level| (30.0..8_000.0).contains(level)), "{levels:?}");
    }
}
