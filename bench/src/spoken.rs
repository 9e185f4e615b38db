//! The recordings that a small vocabulary is measured on.

use crate::live::conversation::Spread;
use crate::recordings::{self, Clip, SAMPLE_RATE, read_samples};
use anyhow::{Context as _, Result, ensure};
use std::path::{Path, PathBuf};
use voxlane::audio::file::{self, Samples};
use voxlane::audio::resample::Resampler;

/// Faint noise behind each recording: the stream goes on when the speaker has finished.
pub const TAIL_SECONDS: f64 = 0.6;

/// Samples and what is said in them.
#[derive(Clone, Debug)]
pub struct Recording {
    /// At 16 kHz.
    pub samples: Vec<i16>,
    /// Lower case; empty where nothing is said that the network knows.
    pub transcript: String,
}

impl Recording {
    /// A recording with faint noise behind it.
    fn with_tail(mut samples: Vec<i16>, transcript: &str) -> Self {
        samples.extend(Spread(samples.len() as u64).silence(TAIL_SECONDS));
        Recording { samples, transcript: transcript.to_owned() }
    }

    /// Its length.
    pub fn seconds(&self) -> f64 {
        self.samples.len() as f64 / f64::from(SAMPLE_RATE)
    }
}

/// The clips of a folder whose `transcripts.tsv` has the columns `path`, `text` and `split`, of one split.
///
/// # Errors
/// If the table cannot be read or has none of that split.
pub fn split(folder: &Path, split: &str) -> Result<Vec<Clip>> {
    let file = folder.join("transcripts.tsv");
    let table =
        std::fs::read_to_string(&file).with_context(|| format!("no recordings: {}", file.display()))?;
    let clips = of_split(folder, &table, split).with_context(|| file.display().to_string())?;
    ensure!(!clips.is_empty(), "{}: nothing of the split {split}", file.display());
    Ok(clips)
}

fn of_split(folder: &Path, table: &str, split: &str) -> Result<Vec<Clip>> {
    let mut lines = table.lines().map(|line| line.split('\t').collect::<Vec<_>>());
    let header = lines.next().context("the file is empty")?;
    let column = |name: &str| {
        header.iter().position(|have| *have == name).with_context(|| format!("no column {name}"))
    };
    let [path, text, of] = [column("path")?, column("text")?, column("split")?];
    let mut clips = Vec::new();
    for fields in lines {
        let field = |column: usize| fields.get(column).copied().context("a line is too short");
        if field(of)? == split {
            clips.push(Clip {
                id: field(path)?.to_owned(),
                path: folder.join(field(path)?),
                subset: split.to_owned(),
                speaker: field(path)?.to_owned(),
                transcript: field(text)?.to_owned(),
            });
        }
    }
    Ok(clips)
}

/// Clips with faint noise behind each.
///
/// # Errors
/// If one cannot be read.
pub fn of_clips(clips: &[Clip]) -> Result<Vec<Recording>> {
    let one = |clip: &Clip| Ok(Recording::with_tail(read_samples(&clip.path)?, &clip.transcript));
    clips.iter().map(one).collect()
}

/// Recordings of ordinary speech, of which the network is to know nothing: the development clips of a folder of
/// recordings.
///
/// # Errors
/// If one cannot be read.
pub fn ordinary(speech: &Path) -> Result<Vec<Recording>> {
    let folders = recordings::DEV.map(|name| speech.join(name));
    let mut all = of_clips(&recordings::read_sets(&folders)?)?;
    all.iter_mut().for_each(|recording| recording.transcript.clear());
    Ok(all)
}

/// The digits of a folder with one subfolder for each word that is said.
pub const DIGITS: [&str; 10] =
    ["zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine"];

/// The letters, likewise.
pub fn letters() -> Vec<String> {
    ('a'..='z').map(String::from).collect()
}

/// Recordings of single words, those of each word in the order of their names.
///
/// # Errors
/// If a folder or a recording cannot be read.
pub fn words(folder: &Path, words: &[impl AsRef<str>]) -> Result<Vec<Recording>> {
    let mut all = Vec::new();
    for word in words {
        let folder = folder.join(word.as_ref());
        let entries =
            std::fs::read_dir(&folder).with_context(|| format!("no recordings: {}", folder.display()))?;
        let mut files = entries.map(|entry| Ok(entry?.path())).collect::<Result<Vec<PathBuf>>>()?;
        files.sort();
        for file in files {
            all.push(Recording::with_tail(samples_16k(&file)?, word.as_ref()));
        }
    }
    Ok(all)
}

/// The samples of a file at 16 kHz, resampled where it has another rate.
///
/// # Errors
/// If the file cannot be read.
pub fn samples_16k(path: &Path) -> Result<Vec<i16>> {
    let recording = file::read(path).with_context(|| path.display().to_string())?;
    let floats = match recording.samples {
        Samples::I16(samples) if recording.sample_rate == SAMPLE_RATE => return Ok(samples),
        Samples::I16(samples) => samples.into_iter().map(|sample| f32::from(sample) / 32_768.0).collect(),
        Samples::F32(samples) => samples,
    };
    let resampled = Resampler::whole(recording.sample_rate, &floats)?;
    Ok(resampled.into_iter().map(|sample| (sample * 32_768.0) as i16).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_split_is_read_by_column_names() {
        let table = "split\tpath\ttext\ndev\ta.flac\tone coffee\ntrain\tb.flac\ttwo\n";
        let clips = of_split(Path::new("set"), table, "dev").unwrap();
        assert_eq!((clips.len(), clips[0].transcript.as_str()), (1, "one coffee"));
        assert_eq!(clips[0].path, Path::new("set/a.flac"));
        assert!(of_split(Path::new("set"), "path\ttext\n", "dev").is_err());
        assert!(of_split(Path::new("set"), "path\ttext\tsplit\na\n", "dev").is_err());
    }

    #[test]
    fn a_tail_is_faint_and_as_long_as_said() {
        let recording = Recording::with_tail(vec![9_000; 16_000], "one");
        assert!((recording.seconds() - 1.0 - TAIL_SECONDS).abs() < 1e-3);
        assert!(recording.samples[16_000..].iter().all(|sample| sample.abs() < 10));
    }
}
