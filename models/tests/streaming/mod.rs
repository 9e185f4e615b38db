//! The small streaming networks in `tests/data/emformer`, and what torchaudio makes of them.

use std::path::PathBuf;
use voxlane_models::families::emformer::{Emformer, from_state_dict};
use voxlane_models::formats::checkpoint::{self, Statistics};
use voxlane_models::layers::linear::Precision;
use voxlane_models::networks::emformer::weights::EmformerWeights;
use voxlane_models::weights::Weights;

/// A network like torchaudio's base configuration; one with a memory bank; one without recurrence.
pub const NETWORKS: [&str; 3] = ["base-like", "memory", "stateless"];
const SAMPLES: usize = 39_000;

/// torchaudio's base configuration itself: 300 MB that are not in the tree. See `is_torchaudios_base`.
pub const BASE: &str = "base";

pub fn data(file: &str) -> PathBuf {
    let folder =
        if file.split('.').next() == Some(BASE) { "../target/emformer-base" } else { "tests/data/emformer" };
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join(folder).join(file)
}

/// The same integers as the reference script makes: noise that swells and falls, over a triangle wave.
pub fn samples() -> Vec<i16> {
    let mut state = 1u32;
    (0..SAMPLES as i64)
        .map(|i| {
            state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            let noise = i64::from(state >> 16) - 32_768;
            let loudness = (i / 200 % 64 - 32).abs();
            let period = 40 + i / 3000 * 9;
            let triangle = ((i % period - period / 2).abs() * 16_000).div_euclid(period) - 4_000;
            let swell = (triangle * (i / 4_000 % 3)).div_euclid(2);
            ((noise * loudness).div_euclid(256) + swell) as i16
        })
        .collect()
}

pub fn weights(name: &str) -> EmformerWeights {
    let file = data(&format!("{name}.pt"));
    let config = std::fs::read_to_string(data(&format!("{name}.config.json"))).unwrap();
    let config = serde_json::from_str(&config).unwrap();
    let Statistics { mean, invstddev } = Statistics::read(&data(&format!("{name}.stats.json"))).unwrap();
    let tensors = checkpoint::read(&file).unwrap();
    from_state_dict(tensors, config, Some((mean, invstddev)), &file).unwrap()
}

pub fn network(name: &str, precision: Precision) -> Emformer {
    Emformer::new(&weights(name), precision)
}

pub fn reference(name: &str) -> Weights {
    checkpoint::read(&data(&format!("{name}.reference.pt"))).unwrap()
}

/// The encoder's frames.
pub struct Reference {
    pub frames: Vec<f32>,
}

impl Reference {
    pub fn new(name: &str) -> Self {
        Reference { frames: reference(name).remove("frames").unwrap().into_data() }
    }
}

pub fn integers(tensors: &Weights, name: &str) -> Vec<u32> {
    tensors.get(name).unwrap().data().iter().map(|&value| value as u32).collect()
}

/// The largest difference.
pub fn distance(a: &[f32], b: &[f32]) -> f32 {
    assert_eq!(a.len(), b.len());
    a.iter().zip(b).map(|(a, b)| (a - b).abs()).fold(0.0, f32::max)
}
