//! Recordings of speech: those in the tree, the model's sample, and the development set where it is there.

use std::fs;
use std::path::{Path, PathBuf};
use voxlane_models::manager;

/// A file of `tests/golden`.
pub fn golden(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/golden").join(name)
}

/// The samples of a 16-bit mono file whose chunks before the samples are all of even length.
pub fn wav(path: &Path) -> Vec<i16> {
    let bytes = fs::read(path).unwrap();
    let (mut chunk, length) =
        (12, |at: usize| u32::from_le_bytes(bytes[at..at + 4].try_into().unwrap()) as usize);
    while &bytes[chunk..chunk + 4] != b"data" {
        chunk += 8 + length(chunk + 4);
    }
    let data = &bytes[chunk + 8..][..length(chunk + 4)];
    data.chunks_exact(2).map(|pair| i16::from_le_bytes([pair[0], pair[1]])).collect()
}

/// The samples of a clip of the references, if it is there at all. A clip of another set than `dev` is named `SET/CLIP`.
pub fn recording(clip: &str) -> Option<Vec<i16>> {
    let in_tree = golden(&format!("{clip}.wav"));
    let (set, id) = clip.split_once('/').unwrap_or(("dev", clip));
    let sets = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../shared/speech");
    let shared = sets.join(set).join("audio").join(format!("{id}.flac"));
    if clip == "beckett" {
        Some(wav(manager::fetch("moonshine-tiny").unwrap().sample().unwrap()))
    } else if in_tree.exists() {
        Some(wav(&in_tree))
    } else if shared.exists() {
        let mut reader = claxon::FlacReader::open(shared).unwrap();
        Some(reader.samples().map(|sample| i16::try_from(sample.unwrap()).unwrap()).collect())
    } else {
        None
    }
}
