//! The clips that all sets are made from, and how they are divided.

use crate::recordings::{Clip, DEV, read_sets};
use anyhow::{Context as _, Result, ensure};
use clap::ValueEnum;
use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

/// Half of the speakers: thresholds are chosen on one and reported on the other. Every second speaker of each subset, in
/// the order of their names; a subset of one speaker is in the first half.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Half {
    /// The half to choose on.
    Choose,
    /// The half to report on.
    Report,
}

/// The clips.
#[derive(Clone, Debug)]
pub struct Material {
    /// Transcribed sentences.
    pub clips: Vec<Clip>,
    /// Single words: digits and letters.
    pub words: Vec<Clip>,
}

impl Material {
    /// Reads the tables of a folder of recordings.
    ///
    /// # Errors
    /// If `dev`, `dev-other` or `alnum` is missing in it or cannot be read.
    pub fn read(speech: &Path) -> Result<Self> {
        let clips = read_sets(&DEV.map(|name| speech.join(name)))?;
        Ok(Material { clips, words: single_words(&speech.join("alnum"))? })
    }

    /// The clips of one half of the speakers.
    #[must_use]
    pub fn of_half(self, half: Half) -> Self {
        Material { clips: of_half(self.clips, half), words: of_half(self.words, half) }
    }

    /// At most `count` sentences and as many words, spread evenly.
    #[must_use]
    pub fn thinned(self, count: usize) -> Self {
        Material { clips: thinned(self.clips, count), words: thinned(self.words, count) }
    }
}

fn of_half(clips: Vec<Clip>, half: Half) -> Vec<Clip> {
    let mut speakers: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
    for clip in &clips {
        speakers.entry(clip.subset.clone()).or_default().insert(clip.speaker.clone());
    }
    let is_chosen = |clip: &Clip| {
        let rank = speakers[&clip.subset].iter().position(|speaker| *speaker == clip.speaker);
        (half == Half::Choose) == rank.is_some_and(|rank| rank.is_multiple_of(2))
    };
    clips.into_iter().filter(is_chosen).collect()
}

fn thinned(clips: Vec<Clip>, count: usize) -> Vec<Clip> {
    if count >= clips.len() {
        return clips;
    }
    (0..count).map(|index| clips[index * clips.len() / count].clone()).collect()
}

/// The recordings below a folder with one subfolder for each word that is said, named `SPEAKER_nohash_NUMBER`.
fn single_words(folder: &Path) -> Result<Vec<Clip>> {
    let mut clips = Vec::new();
    for subfolder in sorted(folder)? {
        let word = name(&subfolder)?;
        for path in sorted(&subfolder)? {
            let file = name(&path)?;
            let speaker = file.split_once("_nohash_").map_or(&*file, |(speaker, _)| speaker).to_owned();
            let subset = if word.len() == 1 { "letters" } else { "digits" };
            clips.push(Clip {
                id: format!("{word}/{file}"),
                path,
                subset: subset.to_owned(),
                speaker,
                transcript: word.clone(),
            });
        }
    }
    ensure!(!clips.is_empty(), "{}: no recordings in it", folder.display());
    Ok(clips)
}

fn sorted(folder: &Path) -> Result<Vec<PathBuf>> {
    let entries =
        std::fs::read_dir(folder).with_context(|| format!("no recordings: {}", folder.display()))?;
    let mut paths = entries.map(|entry| Ok(entry?.path())).collect::<Result<Vec<PathBuf>>>()?;
    paths.sort();
    Ok(paths)
}

fn name(path: &Path) -> Result<String> {
    let stem = path.file_stem().and_then(|stem| stem.to_str());
    Ok(stem.with_context(|| format!("{}: a name that is not UTF-8", path.display()))?.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn clip(id: &str, subset: &str, speaker: &str) -> Clip {
        let [id, subset, speaker] = [id, subset, speaker].map(str::to_owned);
        Clip { id, path: PathBuf::new(), subset, speaker, transcript: String::new() }
    }

    #[test]
    fn halves_share_no_speaker_and_make_the_whole() {
        let clips = vec![
            clip("1", "a", "x"),
            clip("2", "a", "y"),
            clip("3", "a", "x"),
            clip("4", "b", "y"),
            clip("5", "a", "z"),
        ];
        let ids = |half| of_half(clips.clone(), half).into_iter().map(|clip| clip.id).collect::<Vec<_>>();
        assert_eq!(ids(Half::Choose), ["1", "3", "4", "5"]);
        assert_eq!(ids(Half::Report), ["2"]);
    }

    #[test]
    fn thinning_spreads_over_the_whole() {
        let clips: Vec<Clip> = (0..10).map(|number| clip(&number.to_string(), "a", "x")).collect();
        let ids: Vec<String> = thinned(clips.clone(), 3).into_iter().map(|clip| clip.id).collect();
        assert_eq!(ids, ["0", "3", "6"]);
        assert_eq!(thinned(clips, 20).len(), 10);
    }
}
