//! When tokens are spoken, by Moonshine tiny: on real recordings, and joined ones whose joints are known.
#![cfg(feature = "fetch")]

mod recordings;

use recordings::recording;
use std::sync::OnceLock;
use voxlane_models::decode::{AttentionGreedy, AttentionVerified, DecodeStrategy};
use voxlane_models::families::moonshine::Moonshine;
use voxlane_models::families::moonshine::import::import;
use voxlane_models::hypothesis::Token;
use voxlane_models::layers::linear::Precision;
use voxlane_models::manager;
use voxlane_models::networks::moonshine::weights::MoonshineWeights;
use voxlane_models::offline::transcribe_tokens;

const CLIPS: [&str; 4] = ["LJ001-0002", "LJ001-0013", "8226-274369-0000", "beckett"];

fn model<S: DecodeStrategy>(precision: Precision) -> Moonshine<S> {
    static WEIGHTS: OnceLock<MoonshineWeights> = OnceLock::new();
    let weights = WEIGHTS.get_or_init(|| {
        let files = manager::fetch("moonshine-tiny").unwrap();
        import(files.path("encoder_model.onnx"), files.path("decoder_model_merged.onnx")).unwrap()
    });
    Moonshine::new(weights, precision)
}

fn tokens<S: DecodeStrategy>(model: &Moonshine<S>, samples: &[i16]) -> Vec<Token> {
    let (tokens, faults) = transcribe_tokens(model, samples);
    assert!(faults.is_none());
    tokens
}

#[test]
fn tokens_are_in_order_and_inside_the_segment_whatever_the_strategy() {
    let greedily = model::<AttentionGreedy>(Precision::Int8);
    let verified = model::<AttentionVerified>(Precision::Int8);
    for clip in CLIPS {
        let samples = recording(clip).unwrap();
        let greedy = tokens(&greedily, &samples);
        assert_eq!(greedy, tokens(&verified, &samples), "{clip}");
        assert!(!greedy.is_empty());
        assert!(greedy.iter().all(|token| token.start < token.end), "{clip}: every token takes time");
        assert!(greedy.is_sorted_by(|a, b| a.end <= b.start), "{clip}: tokens do not overlap");
        assert!(greedy.last().unwrap().end as usize <= samples.len(), "{clip}");
    }
}

#[test]
fn what_is_said_after_a_joint_is_placed_after_it() {
    const SILENCE: usize = 8_000;
    let (first, second) = (recording("LJ001-0002").unwrap(), recording("8226-274369-0000").unwrap());
    let model = model::<AttentionGreedy>(Precision::F32);
    let alone = tokens(&model, &second);
    let mut joined = first.clone();
    joined.extend([0; SILENCE]);
    joined.extend(&second);
    let tokens = tokens(&model, &joined);
    // The last words are the second recording's, in both; the middle of its silence parts them.
    let joint = (first.len() + SILENCE / 2) as u32;
    let after: Vec<&Token> = tokens.iter().filter(|token| token.end > joint).collect();
    let pairs = after.iter().rev().zip(alone.iter().rev()).take_while(|(a, b)| a.id == b.id);
    let mut count = 0;
    for (token, alone) in pairs {
        let shift = (first.len() + SILENCE) as i64;
        let distance = i64::from(token.start) - i64::from(alone.start) - shift;
        assert!(distance.abs() < 3_200, "the same word, {distance} samples away: {token:?} and {alone:?}");
        count += 1;
    }
    assert!(count >= 4, "the second recording is recognized behind the first: {count} tokens");
}
