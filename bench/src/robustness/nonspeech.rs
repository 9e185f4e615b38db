//! Audio in which nobody speaks: noise, music, hum, clicks, slams, silence.

use super::noise::{Color, Noise, seed_of, to_i16};
use super::{music, sets::Item};
use crate::bootstrap::SplitMix;
use crate::commands::noise::kinds;
use crate::recordings::SAMPLE_RATE;
use std::f64::consts::TAU;

/// Seconds of each kind that is made here.
const SECONDS: f64 = 30.0;
/// Levels of noise, in decibels below full scale.
const LEVELS: [f64; 3] = [-60.0, -40.0, -20.0];

/// All kinds, each with an empty reference.
pub fn items() -> Vec<Item> {
    let count = (SECONDS * f64::from(SAMPLE_RATE)) as usize;
    let noises = Color::ALL.into_iter().flat_map(|color| LEVELS.map(|dbfs| Noise { color, dbfs }));
    let noises = noises.map(|noise| {
        let name = format!("noise {noise}");
        let samples = noise.samples(count, seed_of(&name, 1));
        (name, samples)
    });
    let pieces = music::pieces(SECONDS).map(|(name, samples)| (format!("music {name}"), samples));
    let kinds = kinds().map(|(name, recording)| (name.to_owned(), recording.samples));
    let all = noises.chain(pieces).chain(kinds).chain([("door slams".to_owned(), slams(count))]);
    all.map(|(id, samples)| Item { speaker: id.clone(), id, reference: String::new(), samples }).collect()
}

/// A slam every three seconds or so: a loud burst that rings in the room, and a quieter one of the latch behind it.
fn slams(count: usize) -> Vec<i16> {
    let mut random = SplitMix(1);
    let floor = Noise { color: Color::Room, dbfs: -60.0 };
    let mut samples: Vec<f64> = floor.samples(count, 2).into_iter().map(f64::from).collect();
    let mut at = SAMPLE_RATE as usize;
    while at < count {
        for (delay, loudness) in [(0.0, 16_000.0), (0.12, 4_000.0)] {
            let from = (at + (delay * f64::from(SAMPLE_RATE)) as usize).min(count);
            let mut low = 0.0;
            for (index, sample) in samples[from..].iter_mut().take(SAMPLE_RATE as usize / 2).enumerate() {
                let since = index as f64 / f64::from(SAMPLE_RATE);
                let white = random.bits() as u32 as f64 / f64::from(u32::MAX) * 2.0 - 1.0;
                low = 0.9 * low + 0.1 * white;
                *sample += loudness * (-14.0 * since).exp() * (3.0 * low + 0.4 * (TAU * 90.0 * since).sin());
            }
        }
        at += 2 * SAMPLE_RATE as usize + random.below(2 * SAMPLE_RATE as usize);
    }
    samples.into_iter().map(to_i16).collect()
}

#[cfg(test)]
mod tests {
    use super::super::noise::dbfs;
    use super::*;

    #[test]
    fn every_kind_is_there_and_of_its_loudness() {
        let items = items();
        assert_eq!(items.len(), 12 + 4 + 10 + 1);
        let level = |id: &str| dbfs(&items.iter().find(|item| item.id == id).unwrap().samples);
        assert_eq!(level("digital silence"), f64::NEG_INFINITY);
        assert!((level("noise pink -40") + 40.0).abs() < 0.1);
        assert!((-50.0..-15.0).contains(&level("door slams")), "{}", level("door slams"));
    }
}
