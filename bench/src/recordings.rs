//! Recordings with transcripts: a folder with a `transcripts.tsv` and the audio files that it names.

use anyhow::{Context, Result, bail, ensure};
use std::path::{Path, PathBuf};
use voxlane::audio::file::{self, Samples};

/// The sample rate of all recordings here, in Hz.
pub const SAMPLE_RATE: u32 = 16_000;

/// A recording that somebody has transcribed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Clip {
    /// Its name within the set.
    pub id: String,
    /// The audio file.
    pub path: PathBuf,
    /// The collection it comes from.
    pub subset: String,
    /// Who speaks; the clip's own name where that is not known.
    pub speaker: String,
    /// What is said, lower case, no punctuation.
    pub transcript: String,
}

/// The folders of the development clips within the folder of all recordings.
pub const DEV: [&str; 2] = ["dev", "dev-other"];

/// The clips of several folders, one folder after the other.
///
/// # Errors
/// As for [`read_set`].
pub fn read_sets<P: AsRef<Path>>(folders: &[P]) -> Result<Vec<Clip>> {
    let sets = folders.iter().map(|folder| read_set(folder.as_ref())).collect::<Result<Vec<_>>>()?;
    Ok(sets.into_iter().flatten().collect())
}

/// The clips of a folder, in the order of its `transcripts.tsv`: tab-separated, not quoted, a header line with at
/// least `id`, `path` (from the folder), `subset` and `ref_norm`; `speaker` is used where it is there.
///
/// # Errors
/// If the file cannot be read, lacks a column, has a short line or no line at all.
pub fn read_set(folder: &Path) -> Result<Vec<Clip>> {
    let file = folder.join("transcripts.tsv");
    let text =
        std::fs::read_to_string(&file).with_context(|| format!("no recordings: {}", file.display()))?;
    parse_set(folder, &text).with_context(|| file.display().to_string())
}

fn parse_set(folder: &Path, text: &str) -> Result<Vec<Clip>> {
    let mut lines = text.lines().enumerate();
    let (_, header) = lines.next().context("the file is empty")?;
    let names: Vec<&str> = header.split('\t').collect();
    let column =
        |name: &str| names.iter().position(|have| *have == name).with_context(|| format!("no column {name}"));
    let [id, path, subset, transcript] =
        [column("id")?, column("path")?, column("subset")?, column("ref_norm")?];
    let speaker = column("speaker").unwrap_or(id);
    let mut clips = Vec::new();
    for (number, line) in lines {
        let fields: Vec<&str> = line.split('\t').collect();
        ensure!(
            fields.len() == names.len(),
            "line {}: {} fields of {}",
            number + 1,
            fields.len(),
            names.len()
        );
        clips.push(Clip {
            id: fields[id].to_owned(),
            path: folder.join(fields[path]),
            subset: fields[subset].to_owned(),
            speaker: fields[speaker].to_owned(),
            transcript: fields[transcript].to_owned(),
        });
    }
    ensure!(!clips.is_empty(), "no recordings in it");
    Ok(clips)
}

/// The samples of a mono file of 16 bits at [`SAMPLE_RATE`], exactly as they are.
///
/// # Errors
/// If the file cannot be read or is of another kind: results on resampled audio are not compared.
pub fn read_samples(path: &Path) -> Result<Vec<i16>> {
    let recording = file::read(path)?;
    match recording.samples {
        Samples::I16(samples) if recording.sample_rate == SAMPLE_RATE => Ok(samples),
        _ => bail!("{}: not 16-bit mono at {SAMPLE_RATE} Hz", path.display()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn columns_are_found_by_name() {
        let text = "path\tdur_s\tid\tsubset\tref_norm\na/b.flac\t1.5\tb\tbooks\tsome words\n";
        let clips = parse_set(Path::new("dev"), text).unwrap();
        let expected = Clip {
            id: "b".into(),
            path: "dev/a/b.flac".into(),
            subset: "books".into(),
            speaker: "b".into(),
            transcript: "some words".into(),
        };
        assert_eq!(clips, [expected]);
        let named = text.replace("dur_s", "speaker");
        assert_eq!(parse_set(Path::new("dev"), &named).unwrap()[0].speaker, "1.5");
    }

    #[test]
    fn what_is_missing_is_named() {
        let error = |text: &str| parse_set(Path::new("dev"), text).unwrap_err().to_string();
        assert_eq!(error(""), "the file is empty");
        assert_eq!(error("id\tpath\tsubset\n"), "no column ref_norm");
        assert_eq!(error("id\tpath\tsubset\tref_norm\na\tb\n"), "line 2: 2 fields of 4");
        assert_eq!(error("id\tpath\tsubset\tref_norm\n"), "no recordings in it");
        let absent = read_set(Path::new("no/such/folder")).unwrap_err();
        assert!(absent.to_string().contains("no/such/folder"), "{absent}");
    }
}
