//! Moonshine tiny against onnxruntime on the same recordings: activations, probabilities and tokens.
//!
//! The golden results and their origin are described in `tests/golden/README.md`.
#![cfg(feature = "fetch")]
#![expect(clippy::print_stdout, reason = "the reference's near ties and absent clips are to be seen")]

mod recordings;

use recordings::{golden, recording, wav};
use std::fs;
use std::path::Path;
use std::sync::OnceLock;
use voxlane_models::budget::{Budget, Progress};
use voxlane_models::fault::Faults;
use voxlane_models::linear::Precision;
use voxlane_models::manager::{self, ModelFiles};
use voxlane_models::model::{Encoder, FrontEnd, Goal, Model};
use voxlane_models::moonshine::config::END_TOKEN;
use voxlane_models::moonshine::import::import;
use voxlane_models::moonshine::offline::Transcriber;
use voxlane_models::moonshine::{Moonshine, transcribe_tokens};
use voxlane_models::team::Team;

/// The clips whose activations are kept in the tree.
const CLIPS: [&str; 3] = ["LJ001-0002", "LJ001-0013", "8226-274369-0000"];
/// Every so many hidden frames is kept in the golden files.
const FRAME_STEP: usize = 5;
/// Below this distance between the two best logits, rounding decides which token is taken.
const TIE: f32 = 1e-3;

fn files() -> &'static ModelFiles {
    static FILES: OnceLock<ModelFiles> = OnceLock::new();
    FILES.get_or_init(|| manager::fetch("moonshine-tiny").unwrap())
}

fn model() -> &'static Moonshine {
    static MODEL: OnceLock<Moonshine> = OnceLock::new();
    MODEL.get_or_init(|| {
        let encoder = files().path("encoder_model.onnx");
        let weights = import(encoder, files().path("decoder_model_merged.onnx")).unwrap();
        Moonshine::new(&weights, Precision::F32)
    })
}

/// The values of a NumPy file of little-endian f32.
fn npy(path: &Path) -> Vec<f32> {
    let bytes = fs::read(path).unwrap();
    let header = usize::from(u16::from_le_bytes([bytes[8], bytes[9]]));
    bytes[10 + header..].chunks_exact(4).map(|four| f32::from_le_bytes(four.try_into().unwrap())).collect()
}

fn largest(values: impl Iterator<Item = f32>) -> f32 {
    values.fold(0.0, |most, value| most.max(value.abs()))
}

/// The largest distance of every fifth frame of `hidden` from `expected`, as a share of the latter's largest
/// magnitude.
fn distance(hidden: &[f32], expected: &[f32], width: usize) -> f32 {
    let kept = hidden.chunks_exact(width).step_by(FRAME_STEP).flatten();
    assert_eq!(kept.clone().count(), expected.len());
    largest(kept.zip(expected).map(|(x, y)| x - y)) / largest(expected.iter().copied())
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

/// One line of `tokens.tsv`.
struct Reference {
    clip: String,
    samples: usize,
    tokens: Vec<u32>,
    gaps: Vec<f32>,
}

fn references() -> Vec<Reference> {
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

#[test]
fn tokens_are_those_of_the_reference() {
    let mut transcriber = Transcriber::new(model());
    let (mut compared, mut absent) = (0, 0);
    for Reference { clip, samples, tokens, gaps } in references() {
        let Some(audio) = recording(&clip) else {
            absent += 1;
            continue;
        };
        assert_eq!(audio.len(), samples, "{clip} is another recording");
        let (ours, faults) = transcriber.transcribe(&audio);
        assert_eq!(faults.has(Faults::TOKEN_LIMIT), tokens.last() != Some(&END_TOKEN), "{clip}");
        let ended = if faults.has(Faults::TOKEN_LIMIT) { None } else { Some(END_TOKEN) };
        let ours: Vec<u32> = ours.iter().map(|token| token.id).chain(ended).collect();
        if let Some(step) = (0..tokens.len()).find(|&step| ours.get(step) != Some(&tokens[step])) {
            assert!(
                gaps[step] < TIE,
                "{clip} differs at step {step}, where the reference's gap is {}",
                gaps[step]
            );
            println!("{clip}: another token at step {step}, a near tie of {}", gaps[step]);
        } else {
            assert_eq!(ours.len(), tokens.len(), "{clip} goes on after the reference's end");
        }
        compared += 1;
    }
    println!("{compared} recordings compared; {absent} are not on this machine");
    assert!(compared >= CLIPS.len());
}
