//! Recordings joined to one long piece of audio, with silences between them.

use crate::recordings::{Clip, SAMPLE_RATE, read_samples};
use crate::wav;
use anyhow::Result;
use serde::{Deserialize, Serialize};
use std::path::Path;

/// The window of the rule for where speech starts and ends: 10 ms.
const WINDOW: usize = SAMPLE_RATE as usize / 100;
/// A window is speech if it is at least this share as loud as the clip's loud windows (the 95th percentile of
/// their root mean squares): 5 %, or 26 dB below.
const SPEECH_SHARE: f64 = 0.05;

/// Where one recording stands in the whole, in seconds.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Utterance {
    /// The recording's name.
    pub id: String,
    /// Its first sample.
    pub start: f64,
    /// After its last sample.
    pub end: f64,
    /// Where speech starts in it, by loudness.
    pub speech_start: f64,
    /// Where it ends.
    pub speech_end: f64,
    /// What is said.
    pub transcript: String,
}

/// The whole.
#[derive(Clone, Debug, Default)]
pub struct Conversation {
    /// At 16 kHz.
    pub samples: Vec<i16>,
    /// In order.
    pub utterances: Vec<Utterance>,
}

/// Evenly spread numbers from 0 to 1, the same in every run (a 64-bit linear congruential generator).
pub(crate) struct Spread(pub(crate) u64);

impl Spread {
    pub(crate) fn next(&mut self) -> f64 {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 33) as f64 / (1u64 << 31) as f64
    }

    pub(crate) fn silence(&mut self, seconds: f64) -> impl Iterator<Item = i16> {
        let count = (seconds * f64::from(SAMPLE_RATE)) as usize;
        (0..count).map(|_| (self.next() * 9.0) as i16 - 4)
    }
}

impl Conversation {
    /// Joins clips in an order that `seed` chooses, with 0.3 to 3 s of faint noise after each.
    ///
    /// # Errors
    /// If a clip cannot be read.
    pub fn of(clips: &[Clip], seed: u64) -> Result<Self> {
        let mut spread = Spread(seed);
        let mut order: Vec<usize> = (0..clips.len()).collect();
        for i in (1..order.len()).rev() {
            order.swap(i, (spread.next() * (i + 1) as f64) as usize);
        }
        let mut whole = Conversation::default();
        whole.samples.extend(spread.silence(1.0));
        for index in order {
            let (clip, samples) = (&clips[index], read_samples(&clips[index].path)?);
            let start = whole.samples.len();
            let (from, to) = speech(&samples);
            let seconds = |sample: usize| sample as f64 / f64::from(SAMPLE_RATE);
            whole.utterances.push(Utterance {
                id: clip.id.clone(),
                start: seconds(start),
                end: seconds(start + samples.len()),
                speech_start: seconds(start + from),
                speech_end: seconds(start + to),
                transcript: clip.transcript.clone(),
            });
            whole.samples.extend(samples);
            let pause = 0.3 + 2.7 * spread.next();
            whole.samples.extend(spread.silence(pause));
        }
        Ok(whole)
    }

    /// Keeps what lies whole within the first `seconds`.
    pub fn truncate(&mut self, seconds: f64) {
        self.utterances.retain(|utterance| utterance.end <= seconds);
        let end = self.utterances.last().map_or(0.0, |utterance| utterance.end + 1.0);
        self.samples.truncate((end * f64::from(SAMPLE_RATE)) as usize);
    }

    /// Writes it for other programs: `conversation.wav`, and `utterances.json` with the places.
    ///
    /// # Errors
    /// If the folder cannot be written.
    pub fn write(&self, folder: &Path) -> Result<()> {
        std::fs::create_dir_all(folder)?;
        std::fs::write(folder.join("utterances.json"), serde_json::to_string_pretty(&self.utterances)?)?;
        wav::write(&folder.join("conversation.wav"), &self.samples)
    }
}

/// Where speech starts and ends in a clip, by loudness; all of a silent one.
pub fn speech(samples: &[i16]) -> (usize, usize) {
    let rms = |window: &[i16]| {
        let energy: f64 = window.iter().map(|&sample| f64::from(sample).powi(2)).sum();
        (energy / window.len() as f64).sqrt()
    };
    let loudness: Vec<f64> = samples.chunks_exact(WINDOW).map(rms).collect();
    let mut sorted = loudness.clone();
    sorted.sort_by(f64::total_cmp);
    let Some(loud) = sorted.get(sorted.len() * 95 / 100) else { return (0, samples.len()) };
    let is_speech = |rms: &f64| *rms >= SPEECH_SHARE * loud;
    let first = loudness.iter().position(is_speech).unwrap_or(0);
    let last = loudness.iter().rposition(is_speech).unwrap_or(loudness.len());
    (first * WINDOW, ((last + 1) * WINDOW).min(samples.len()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn speech_is_found_by_loudness() {
        let mut samples = vec![3i16; 16_000];
        samples[4000..12_000]
            .iter_mut()
            .enumerate()
            .for_each(|(i, s)| *s = if i % 2 == 0 { 4000 } else { -4000 });
        assert_eq!(speech(&samples), (4000, 12_000));
        assert_eq!(speech(&[]), (0, 0));
    }

    #[test]
    fn a_written_conversation_is_a_wave_file_that_is_read_back() {
        let folder = tempfile::tempdir().unwrap();
        let samples: Vec<i16> = (0..1000).collect();
        Conversation { samples: samples.clone(), utterances: Vec::new() }.write(folder.path()).unwrap();
        assert_eq!(read_samples(&folder.path().join("conversation.wav")).unwrap(), samples);
    }
}
