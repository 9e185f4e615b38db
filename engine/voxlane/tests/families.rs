//! Room for families of models: one that a program brings is a folder (`toy_family`) and a line of a table.
#![cfg(feature = "fetch")]

mod support;
mod toy_family;

use std::path::Path;
use support::{drain, finals, noise};
use toy_family::{FILE, SIZE, ToyFamily, Weights, reference};
use voxlane::{Config, Engine, OpenError, StreamOptions};
use voxlane_models::families::{FAMILIES, ModelFamily};
use voxlane_models::manager::{Manager, Options};

/// The one line.
static TABLE: &[&dyn ModelFamily] = &[&ToyFamily];

/// Arbitrary weights; the first layer's offsets make it say something at any loudness.
fn weights() -> Vec<u8> {
    let mut state = 7u32;
    let mut next = || {
        state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        (state >> 8) as f32 / (1 << 23) as f32 - 1.0
    };
    let mut weights: Vec<f32> = (0..SIZE / 4).map(|_| next()).collect();
    for row in weights[..16 * 9].chunks_mut(9) {
        row[8] = -10.0 * row[..8].iter().sum::<f32>();
    }
    weights.into_iter().flat_map(f32::to_le_bytes).collect()
}

/// A manager with the model `mine` of these weights.
fn imported(folder: &Path, weights: &[u8]) -> Manager {
    let file = folder.join("weights");
    std::fs::write(&file, weights).unwrap();
    let cache_dir = Some(folder.join("cache"));
    let manager = Manager::new(Options { cache_dir, offline: true, ..Options::default() }).unwrap();
    manager.import("mine", "toy", "MIT", &[(FILE, &file)]).unwrap();
    manager
}

fn config() -> Config {
    let mut config = Config { model: "mine".into(), ..support::config(2) };
    config.warm.enabled = true;
    config
}

#[test]
fn a_family_of_a_programs_own_is_a_model_like_the_others() {
    let folder = tempfile::tempdir().unwrap();
    let manager = imported(folder.path(), &weights());
    let engine = Engine::start_with(config(), &manager, TABLE).unwrap();
    // Its loudness runs up and down.
    let audio: Vec<i16> =
        noise(20_000, 3).iter().enumerate().map(|(place, sample)| sample >> (place / 700 % 12)).collect();
    let expected = reference(&Weights::parse(&weights()).unwrap(), &audio);
    assert!(expected.len() > 5, "{expected:?}");
    let said = |options: StreamOptions| {
        let mut stream = engine.open(options).unwrap();
        stream.push_wait(&audio).unwrap();
        stream.finish().unwrap();
        finals(&drain(&mut stream)).remove(0)
    };
    for _ in 0..2 {
        assert_eq!(said(StreamOptions::default()), expected);
        let in_b: Vec<u32> = expected.iter().map(|token| token + 100).collect();
        assert_eq!(said(StreamOptions::default().language("B")), in_b, "options reach the decoder");
    }
    let refused = |options| engine.open(options).map(drop).unwrap_err();
    let unknown = refused(StreamOptions::default().language("c")).to_string();
    assert_eq!(unknown, "language \"c\": not one of the model's (expected a, b)");
    let translated = refused(StreamOptions::default().task(voxlane::Task::Translate));
    assert!(matches!(translated, OpenError::Translation), "{translated}");
    let prompted = refused(StreamOptions::default().prompt("before"));
    assert!(matches!(prompted, OpenError::Prompt { .. }), "{prompted}");
}

#[test]
fn what_cannot_be_loaded_is_named() {
    let folder = tempfile::tempdir().unwrap();
    let manager = imported(folder.path(), &weights()[1..]);
    let damaged = Engine::start_with(config(), &manager, TABLE).map(drop).unwrap_err().to_string();
    assert_eq!(damaged, format!("{FILE}: {} bytes (expected {SIZE})", SIZE - 1));
    let unknown = Engine::start_with(config(), &manager, FAMILIES).map(drop).unwrap_err().to_string();
    let expected = "model mine: unknown family (expected one of moonshine, emformer-rnnt, silero-vad, smart-turn, found toy)";
    assert_eq!(unknown, expected);
}
