//! Moonshine tiny against onnxruntime on the same recordings: activations, probabilities and tokens.
//!
//! The golden results and their origin are described in `tests/golden/README.md`.
#![cfg(feature = "fetch")]
#![expect(clippy::print_stdout, reason = "the reference's near ties and absent clips are to be seen")]

mod recordings;
mod reference;

use recordings::{golden, wav};
use reference::{CLIPS, audio, compare, distance, npy, references, weights};
use std::sync::OnceLock;
use voxlane_models::budget::{Budget, Progress};
use voxlane_models::families::moonshine::Moonshine;
use voxlane_models::fault::Faults;
use voxlane_models::layers::linear::Precision;
use voxlane_models::model::{Encoder, FrontEnd, Goal, Model};
use voxlane_models::offline::Transcriber;
use voxlane_models::offline::transcribe_tokens;
use voxlane_models::team::Team;

fn model() -> &'static Moonshine {
    static MODEL: OnceLock<Moonshine> = OnceLock::new();
    MODEL.get_or_init(|| Moonshine::new(&weights(), Precision::F32))
}

#[test]
fn hidden_frames_are_those_of_the_reference_after_the_stem_and_every_layer() {
    let (model, budget, mut faults) = (model(), Budget::one_unit(), Faults::NONE);
    let width = model.config().sizes.hidden;
    let (mut stem, mut encoder, mut span) =
        (model.front_end(1), model.encoder(1, Team::alone()), model.span());
    for clip in CLIPS {
        let samples = wav(&golden(&format!("{clip}.wav")));
        let expected = npy(&golden(&format!("{clip}.hidden.npy")));
        stem.reset(0);
        stem.push(0, &samples, &mut faults);
        stem.begin(0, samples.len(), Goal::Final);
        while stem.step(&mut span, &budget, &mut faults) == Progress::More {}
        let places = model.config().encoder_layers + 2;
        let mut expected = expected.chunks_exact(expected.len() / places);
        let stem_distance = distance(span.hidden(), expected.next().unwrap(), width);
        assert!(stem_distance < 1e-4, "{clip}: the stem is off by {stem_distance}");
        // The layers work in place: after one of the encoder's units each golden state must have come by.
        let mut wanted = expected.next();
        encoder.begin(0, &mut span);
        let mut progress = Progress::More;
        while progress == Progress::More {
            progress = encoder.step(&mut span, &budget, &mut faults);
            if wanted.is_some_and(|wanted| distance(span.hidden(), wanted, width) < 1e-4) {
                wanted = expected.next();
            }
        }
        assert!(wanted.is_none(), "{clip}: {} states did not come by", 1 + expected.count());
    }
    assert!(faults.is_none());
}

#[test]
fn the_first_token_has_the_references_probability() {
    for clip in CLIPS {
        let logits = npy(&golden(&format!("{clip}.logits.npy")));
        let most = logits.iter().copied().fold(f32::NEG_INFINITY, f32::max);
        let sum: f64 = logits.iter().map(|&logit| f64::from(logit - most).exp()).sum();
        let (tokens, faults) = transcribe_tokens(model(), &wav(&golden(&format!("{clip}.wav"))));
        assert!(faults.is_none());
        assert_eq!(logits[tokens[0].id as usize], most, "{clip}");
        assert!((f64::from(tokens[0].log_prob) + sum.ln()).abs() < 1e-4, "{clip}");
    }
}

#[test]
fn tokens_are_those_of_the_reference() {
    let mut transcriber = Transcriber::new(model());
    let (mut compared, mut absent) = (0, 0);
    for reference in references() {
        let Some(audio) = audio(&reference) else {
            absent += 1;
            continue;
        };
        let (tokens, faults) = transcriber.transcribe(&audio);
        let tokens: Vec<u32> = tokens.iter().map(|token| token.id).collect();
        compare(&reference, &tokens, faults);
        compared += 1;
    }
    println!("{compared} recordings compared; {absent} are not on this machine");
    assert!(compared >= CLIPS.len());
}
