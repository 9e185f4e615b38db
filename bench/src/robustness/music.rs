//! Music without voices, made by rule: chords, a plucked melody, drums, and all of them together.

use super::noise::to_i16;
use crate::bootstrap::SplitMix;
use crate::recordings::SAMPLE_RATE;
use std::f64::consts::TAU;

/// Beats a second: 120 a minute.
const BEATS_PER_SECOND: f64 = 2.0;
/// Four chords of three notes, one a bar, in semitones from A at 220 Hz: A minor, F, C, G.
const CHORDS: [[i32; 3]; 4] = [[0, 3, 7], [-4, 0, 3], [3, 7, 10], [-2, 2, 5]];

/// The pieces: a name, and the value at a time in seconds, about -1 to 1.
type Instrument = fn(&mut SplitMix, f64) -> f64;

const PIECES: [(&str, Instrument); 4] = [
    ("chords", |_, time| chords(time)),
    ("melody", |_, time| melody(time)),
    ("drums", drums),
    ("band", |random, time| 0.4 * chords(time) + 0.4 * melody(time) + 0.5 * drums(random, time)),
];

/// Each piece with its name, so many seconds long.
pub fn pieces(seconds: f64) -> impl Iterator<Item = (&'static str, Vec<i16>)> {
    let count = (seconds * f64::from(SAMPLE_RATE)) as usize;
    PIECES.iter().map(move |(name, value)| {
        let mut random = SplitMix(1);
        let sample =
            |index: usize| to_i16(12_000.0 * value(&mut random, index as f64 / f64::from(SAMPLE_RATE)));
        (*name, (0..count).map(sample).collect())
    })
}

fn hertz(semitones: i32) -> f64 {
    220.0 * 2f64.powf(f64::from(semitones) / 12.0)
}

/// A tone with overtones that fall off.
fn tone(hertz: f64, time: f64) -> f64 {
    (1..=5).map(|n| (TAU * hertz * f64::from(n) * time).sin() / f64::from(n * n)).sum()
}

/// The number of the beat, and the seconds since it began.
fn beat(time: f64) -> (usize, f64) {
    let beat = (time * BEATS_PER_SECOND).floor();
    (beat as usize, time - beat / BEATS_PER_SECOND)
}

fn chords(time: f64) -> f64 {
    let chord = CHORDS[beat(time).0 / 4 % CHORDS.len()];
    let tremolo = 1.0 + 0.2 * (TAU * 5.0 * time).sin();
    0.25 * tremolo * chord.iter().map(|&note| tone(hertz(note), time)).sum::<f64>()
}

/// A note of the chord an octave higher on each beat, plucked.
fn melody(time: f64) -> f64 {
    let (beat, since) = beat(time);
    let note = CHORDS[beat / 4 % CHORDS.len()][(beat * beat + beat / 3) % 3] + 12;
    0.7 * (-4.0 * since).exp() * tone(hertz(note), since)
}

/// A bass drum on the first and third beat, a snare on the others, a hi-hat on each half.
fn drums(random: &mut SplitMix, time: f64) -> f64 {
    let (beat, since) = beat(time);
    let noise = random.bits() as u32 as f64 / f64::from(u32::MAX) * 2.0 - 1.0;
    let bass = (-18.0 * since).exp() * (TAU * 55.0 * since).sin();
    let snare = (-25.0 * since).exp() * (0.7 * noise + 0.3 * (TAU * 190.0 * since).sin());
    let half = since % (0.5 / BEATS_PER_SECOND);
    0.8 * if beat.is_multiple_of(2) { bass } else { snare } + 0.15 * (-80.0 * half).exp() * noise
}

#[cfg(test)]
mod tests {
    use super::super::noise::dbfs;
    use super::*;

    #[test]
    fn pieces_are_loud_and_not_clipped() {
        for (name, samples) in pieces(10.0) {
            let peak = samples.iter().map(|sample| sample.unsigned_abs()).max().unwrap_or(0);
            assert!(
                (-35.0..-6.0).contains(&dbfs(&samples)) && peak < 32_767,
                "{name} {} {peak}",
                dbfs(&samples)
            );
        }
    }
}
