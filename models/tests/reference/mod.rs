//! The golden results of `tests/golden/README.md`, and how results are compared with them.

use crate::recordings::{golden, recording};
use std::fs;
use std::path::Path;
use std::sync::OnceLock;
use voxlane_models::families::moonshine::import::import;
use voxlane_models::fault::Faults;
use voxlane_models::manager::{self, ModelFiles};
use voxlane_models::networks::moonshine::config::END_TOKEN;
use voxlane_models::networks::moonshine::weights::MoonshineWeights;

/// The clips whose activations are kept in the tree.
pub const CLIPS: [&str; 3] = ["LJ001-0002", "LJ001-0013", "8226-274369-0000"];
/// Every so many hidden frames is kept in the golden files.
const FRAME_STEP: usize = 5;
/// Below this distance between the two best logits, rounding decides which token is taken.
const TIE: f32 = 1e-3;

pub fn files() -> &'static ModelFiles {
    static FILES: OnceLock<ModelFiles> = OnceLock::new();
    FILES.get_or_init(|| manager::fetch("moonshine-tiny").unwrap())
}

pub fn weights() -> MoonshineWeights {
    import(files().path("encoder_model.onnx"), files().path("decoder_model_merged.onnx")).unwrap()
}

/// The values of a NumPy file of little-endian f32.
pub fn npy(path: &Path) -> Vec<f32> {
    let bytes = fs::read(path).unwrap();
    let header = usize::from(u16::from_le_bytes([bytes[8], bytes[9]]));
    bytes[10 + header..].chunks_exact(4).map(|four| f32::from_le_bytes(four.try_into().unwrap())).collect()
}

pub fn largest(values: impl Iterator<Item = f32>) -> f32 {
    values.fold(0.0, |most, value| most.max(value.abs()))
}

/// The largest distance of every fifth frame of `hidden` from `expected`, as a share of the latter's largest
/// magnitude.
pub fn distance(hidden: &[f32], expected: &[f32], width: usize) -> f32 {
    let kept = hidden.chunks_exact(width).step_by(FRAME_STEP).flatten();
    assert_eq!(kept.clone().count(), expected.len());
    largest(kept.zip(expected).map(|(x, y)| x - y)) / largest(expected.iter().copied())
}

/// One line of `tokens.tsv`.
pub struct Reference {
    pub clip: String,
    pub samples: usize,
    pub tokens: Vec<u32>,
    pub gaps: Vec<f32>,
}

pub fn references() -> Vec<Reference> {
    fn numbers<T: std::str::FromStr<Err: std::fmt::Debug>>(field: &str) -> Vec<T> {
        field.split(' ').map(|number| number.parse().unwrap()).collect()
    }
    let table = fs::read_to_string(golden("tokens.tsv")).unwrap();
    let rows = table.lines().skip(1).map(|line| {
        let fields: Vec<&str> = line.split('\t').collect();
        Reference {
            clip: fields[0].into(),
            samples: fields[1].parse().unwrap(),
            tokens: numbers(fields[3]),
            gaps: numbers(fields[4]),
        }
    });
    rows.collect()
}

/// The recording of a line of the table, if it is on this machine.
pub fn audio(reference: &Reference) -> Option<Vec<i16>> {
    let audio = recording(&reference.clip)?;
    assert_eq!(audio.len(), reference.samples, "{} is another recording", reference.clip);
    Some(audio)
}

/// Compares tokens, the end token left out, with the reference by the rule of `tests/golden/README.md`. Where they
/// part at a near tie, says so.
pub fn compare(reference: &Reference, tokens: &[u32], faults: Faults) {
    let Reference { clip, tokens: expected, gaps, .. } = reference;
    assert_eq!(faults.has(Faults::TOKEN_LIMIT), expected.last() != Some(&END_TOKEN), "{clip}");
    let ended = if faults.has(Faults::TOKEN_LIMIT) { None } else { Some(END_TOKEN) };
    let ours: Vec<u32> = tokens.iter().copied().chain(ended).collect();
    if let Some(step) = (0..expected.len()).find(|&step| ours.get(step) != Some(&expected[step])) {
        assert!(
            gaps[step] < TIE,
            "{clip} differs at step {step}, where the reference's gap is {}",
            gaps[step]
        );
        println!("{clip}: another token at step {step}, a near tie of {}", gaps[step]);
    } else {
        assert_eq!(ours.len(), expected.len(), "{clip} goes on after the reference's end");
    }
}
