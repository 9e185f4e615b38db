//! An hour of clips with pauses between them, made while it is transcribed, so that only a clip at a time is in memory.

use super::heard::Heard;
use super::noise::{Color, Noise};
use super::record::Record;
use super::runner::Runner;
use crate::alignment::Errors;
use crate::bootstrap::SplitMix;
use crate::lab::process;
use crate::recordings::{Clip, SAMPLE_RATE};
use crate::spoken::samples_16k;
use crate::wav;
use crate::wer::words;
use anyhow::{Context as _, Result, ensure};
use serde::Deserialize;
use std::collections::HashMap;
use std::path::Path;
use std::process::Command;
use std::time::{Duration, Instant};
use voxlane_runtime::host::{Root, system};

/// The longest pause, in seconds; the shortest is none.
const LONGEST_PAUSE: f64 = 20.0;
/// What is heard in the pauses.
const PAUSE: Noise = Noise { color: Color::Room, dbfs: -60.0 };

/// Clips in a random order, each behind a pause, until the length is reached; all are used before one is used again.
pub struct Parts<'a> {
    clips: &'a [Clip],
    random: SplitMix,
    /// Clips of this round that have not been used.
    left: Vec<usize>,
    samples: usize,
    end: usize,
    /// The clips that were used, in order.
    pub used: Vec<usize>,
}

impl<'a> Parts<'a> {
    /// At least so many seconds of `clips`; the same seed gives the same samples.
    ///
    /// # Errors
    /// If there is no clip.
    pub fn new(clips: &'a [Clip], seconds: f64, seed: u64) -> Result<Self> {
        ensure!(!clips.is_empty(), "there are no clips to join");
        let end = (seconds * f64::from(SAMPLE_RATE)) as usize;
        Ok(Parts { clips, random: SplitMix(seed), left: Vec::new(), samples: 0, end, used: Vec::new() })
    }
}

impl Iterator for Parts<'_> {
    type Item = Result<Vec<i16>>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.samples >= self.end {
            return None;
        }
        if self.left.is_empty() {
            self.left = (0..self.clips.len()).collect();
        }
        let index = self.left.swap_remove(self.random.below(self.left.len()));
        let longest = (LONGEST_PAUSE * f64::from(SAMPLE_RATE)) as usize;
        let pause = self.random.below(longest + 1);
        let mut part = PAUSE.samples(pause, self.random.bits());
        match samples_16k(&self.clips[index].path) {
            Ok(samples) => part.extend(samples),
            Err(error) => {
                self.samples = self.end;
                return Some(Err(error));
            }
        }
        self.used.push(index);
        self.samples += part.len();
        Some(Ok(part))
    }
}

/// What came of it.
#[derive(Clone, Debug)]
pub struct Joined {
    /// The clips in order, by their place in the list.
    pub used: Vec<usize>,
    /// What was heard.
    pub heard: Heard,
    /// The length of the audio, in seconds.
    pub audio_s: f64,
    /// The time that it took.
    pub time: Duration,
    /// The largest resident memory of this process so far, in bytes, if the system says.
    pub peak_bytes: Option<u64>,
}

/// What `voxlane transcribe` made of the same audio.
#[derive(Clone, Debug)]
pub struct Transcribed {
    /// The length of the audio, in seconds.
    pub audio_s: f64,
    /// The time of the whole process.
    pub time: Duration,
    /// The largest resident memory of the process, in bytes; 0 where the system does not say.
    pub peak_bytes: u64,
    /// The text.
    pub text: String,
}

/// Runs `transcribe` of the program on the same audio as a file.
///
/// # Errors
/// If a clip cannot be read, the file cannot be written or the program fails.
pub fn transcribe(program: &Path, clips: &[Clip], seconds: f64, seed: u64) -> Result<Transcribed> {
    #[derive(Deserialize)]
    struct Line {
        text: String,
    }
    let samples = Parts::new(clips, seconds, seed)?.collect::<Result<Vec<_>>>()?.concat();
    let file = tempfile::Builder::new().suffix(".wav").tempfile()?;
    wav::write(file.path(), &samples)?;
    let mut command = Command::new(program);
    let ran = process::run(command.args(["transcribe", "--offline", "--format", "json"]).arg(file.path()))?;
    let line: Line = serde_json::from_str(ran.output.trim()).context("what transcribe wrote")?;
    let audio_s = samples.len() as f64 / f64::from(SAMPLE_RATE);
    Ok(Transcribed { audio_s, time: ran.wall, peak_bytes: ran.peak_bytes, text: line.text })
}

/// A comparison with the same clips one by one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Losses {
    /// The errors of the whole.
    pub errors: Errors,
    /// The errors of the same clips, each transcribed by itself.
    pub alone: Errors,
    /// The longest run of words that are missing.
    pub longest: Vec<String>,
}

impl Joined {
    /// Transcribes at least so many seconds of `clips`.
    ///
    /// # Errors
    /// If a clip cannot be read or the engine fails.
    pub fn run(runner: &Runner, clips: &[Clip], seconds: f64, seed: u64) -> Result<Self> {
        let mut parts = Parts::new(clips, seconds, seed)?;
        let begun = Instant::now();
        let heard = runner.hear(&mut parts)?;
        let audio_s = parts.samples as f64 / f64::from(SAMPLE_RATE);
        Ok(Joined { heard, audio_s, time: begun.elapsed(), peak_bytes: peak_bytes(), used: parts.used })
    }

    /// The whole as a record of a set of its own.
    pub fn record(&self, clips: &[Clip]) -> Record {
        let transcripts = self.used.iter().map(|&index| clips[index].transcript.as_str());
        Record {
            set: "joined".to_owned(),
            id: "joined".to_owned(),
            speaker: "joined".to_owned(),
            reference: transcripts.collect::<Vec<_>>().join(" "),
            text: self.heard.text(),
            audio_s: self.audio_s,
            segments: self.heard.segments.clone(),
        }
    }

    /// Compares the text with the transcripts. `alone` has the errors of each clip by itself, by its name.
    ///
    /// # Errors
    /// If a clip is missing in `alone`.
    pub fn losses(&self, clips: &[Clip], alone: &HashMap<&str, Errors>) -> Result<Losses> {
        let mut sum = Errors::default();
        for &index in &self.used {
            let id = clips[index].id.as_str();
            sum = sum + *alone.get(id).with_context(|| format!("{id}: not transcribed by itself"))?;
        }
        let record = self.record(clips);
        let (alignment, reference) = (record.alignment(), words(&record.reference));
        let (from, count) = alignment.longest_loss();
        Ok(Losses { errors: alignment.errors(), alone: sum, longest: reference[from..from + count].to_vec() })
    }
}

/// The largest resident memory that this process has had.
fn peak_bytes() -> Option<u64> {
    let status = Root::system().read("/proc/self/status")?;
    system::meminfo(&status, "VmHWM").map(|kib| kib << 10)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_clip_is_used_before_one_is_used_again() {
        let folder = tempfile::tempdir().unwrap();
        let clip = |number: i16| {
            let path = folder.path().join(format!("{number}.wav"));
            wav::write(&path, &vec![1000 + number; 1600]).unwrap();
            let text = || number.to_string();
            Clip { id: text(), path, subset: text(), speaker: text(), transcript: text() }
        };
        let clips: Vec<Clip> = (0..4).map(clip).collect();
        let mut parts = Parts::new(&clips, 100.0, 1).unwrap();
        let whole: Vec<Vec<i16>> = parts.by_ref().map(Result::unwrap).collect();
        let mut first: Vec<usize> = parts.used[..4].to_vec();
        first.sort_unstable();
        assert_eq!(first, [0, 1, 2, 3]);
        assert!(whole.concat().len() >= 1_600_000 && parts.used.len() > 6, "{:?}", parts.used);
        for (part, &index) in whole.iter().zip(&parts.used) {
            assert!(part[part.len() - 1600..].iter().all(|&sample| sample == 1000 + index as i16));
        }
        let again: Vec<Vec<i16>> = Parts::new(&clips, 100.0, 1).unwrap().map(Result::unwrap).collect();
        assert_eq!(again, whole);
        assert!(Parts::new(&[], 1.0, 1).is_err());
    }
}
