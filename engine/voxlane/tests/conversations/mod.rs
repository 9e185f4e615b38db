//! Conversations with everything that the profile for them has: a detector, the stage that hears turns, context, eager ends.

use crate::support::{IDS, Toy, log_prob_behind, noise};
use std::path::Path;
use voxlane::config::{DetectorKind, LaneConfig, TurnRule};
use voxlane::{Config, EndCause, Event};

/// Sentences that people speak, with pauses of 0.4 s to 2.5 s in a quiet room: the recordings of the networks' references,
/// each twice.
pub fn audio() -> Vec<i16> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../models/tests/golden");
    let mut audio = Vec::new();
    let pauses = [0.4, 1.2, 0.5, 2.5, 1.6, 1.2];
    for (name, pause) in ["LJ001-0002", "LJ001-0013", "8226-274369-0000"].iter().cycle().zip(pauses) {
        let recording = voxlane::audio::file::read(folder.join(format!("{name}.wav"))).unwrap();
        let voxlane::audio::file::Samples::I16(sentence) = recording.samples else {
            panic!("16-bit samples")
        };
        assert_eq!(recording.sample_rate, 16_000);
        let room = noise((pause * 16e3) as usize, audio.len() as u32).into_iter().map(|sample| sample / 2000);
        audio.extend(sentence.into_iter().chain(room));
    }
    audio
}

/// The profile for conversations with [`Toy`] and [`Marks`]: a detector, the stage that hears turns, context, and eager
/// ends. Fetches the networks.
pub fn config(slots: usize) -> Config {
    for name in [DetectorKind::SILERO_MODEL, TurnRule::SMART_TURN_MODEL] {
        voxlane_models::manager::fetch(name).unwrap();
    }
    let mut config = Config { lanes: vec![LaneConfig::with_slots(slots)], ..Config::live() };
    config.endpoint.eager_threshold = 0.5;
    // The text of a toy is no language: the sound alone decides. Of the recordings it gives one 0.9, the others 0.99.
    config.endpoint.turn = TurnRule::Audio;
    config.endpoint.turn_threshold = 0.95;
    config.warm.after_ms = 1;
    config
}

/// A [`Toy`] for it.
pub fn toy() -> Toy {
    Toy { follows: true, ids_below: Some(IDS), ..Toy::default() }
}

/// Whether all of it has happened: the answers have ended a segment and have kept one open, a speaker has taken an
/// eager end back, and a final came behind the segment before that was in doubt by itself.
pub fn assert_all_happened(events: &[Event]) {
    let mut causes = Vec::new();
    let (mut eager, mut resumed, mut behind) = (0, 0, 0);
    for event in events {
        match event {
            Event::Endpoint { cause, turn, .. } => causes.extend(turn.map(|_| *cause)),
            Event::EagerEnd(_) => eager += 1,
            Event::Resumed { .. } => resumed += 1,
            Event::Final(said) => {
                behind += usize::from(said.tokens.iter().any(|t| t.log_prob == log_prob_behind(1)));
            }
            _ => {}
        }
    }
    assert!(causes.contains(&EndCause::EndOfTurn) && causes.contains(&EndCause::Silence), "{causes:?}");
    assert!(eager > 0 && resumed > 0 && behind > 0, "{eager} {resumed} {behind}: {events:#?}");
}
