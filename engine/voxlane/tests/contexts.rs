//! Segments behind those before them: the audio and the text that a segment is decoded with once more, and which of the two
//! texts is its final.

mod support;

use proptest::prelude::*;
use std::sync::Arc;
use support::{Hex, TOKEN_SAMPLES, Toy, expected, in_chunks, log_prob_behind, sum_of};
use voxlane::config::{DetectorKind, EndpointConfig, PartialConfig};
use voxlane::{Config, Engine, Event, OpenError, StreamOptions, Transcript};

fn rules(context_s: u8) -> EndpointConfig {
    EndpointConfig { detector: DetectorKind::Energy, context_s, ..EndpointConfig::default() }
}

fn engine(endpoint: EndpointConfig) -> Engine {
    let config = Config { endpoint, partial: PartialConfig { every_ms: 200 }, ..support::config(2) };
    let toy = Toy { follows: true, ..Toy::default() };
    Engine::with_model(config, Arc::new(toy), Arc::new(Hex)).unwrap()
}

/// Speech of half a second to two seconds, with pauses of 0.8 s, 1.5 s and 3 s.
fn conversation(seed: u32) -> Vec<i16> {
    let parts = (0..17).map(|i| {
        let is_speech = i % 2 == 1;
        let seconds =
            if is_speech { 0.5 + f64::from(i % 4) / 2.0 } else { [0.8, 1.5, 3.0][i as usize / 2 % 3] };
        let samples = support::noise((seconds * 16_000.0) as usize, seed + i);
        let divisor = if is_speech { 4 } else { 1500 };
        samples.into_iter().map(|sample| (i32::from(sample) / divisor) as i16).collect::<Vec<i16>>()
    });
    parts.collect::<Vec<_>>().concat()
}

fn run(engine: &Engine, audio: &[i16], chunks: &[usize]) -> Vec<Transcript> {
    let said = |event| if let Event::Final(said) = event { Some(said) } else { None };
    in_chunks(engine, audio, chunks).into_iter().filter_map(said).collect()
}

fn ids(said: &Transcript) -> Vec<u32> {
    said.tokens.iter().map(|token| token.id).collect()
}

/// The texts that segments of these places must have, and how many are those behind the segment before.
fn wanted(audio: &[i16], finals: &[Transcript], context_s: usize) -> (Vec<Vec<u32>>, usize) {
    let mut texts: Vec<Vec<u32>> = Vec::new();
    let (mut earlier, mut behind): (Option<(usize, usize)>, usize) = (None, 0);
    for said in finals {
        let [start, end] = [said.start, said.end].map(|seconds| (seconds * 16e3).round() as usize);
        let mut text = expected(&audio[start..end]);
        if let Some((from, to)) = earlier
            && start - to < 32_000
            && end - from <= context_s * 16_000
        {
            let sum = sum_of(&texts[texts.len() - 1]);
            if log_prob_behind(sum) > log_prob_behind(0) {
                let whole = expected(&audio[from..end]);
                let rest = &whole[(start - from).div_ceil(TOKEN_SAMPLES)..];
                text = rest.iter().map(|id| id.wrapping_add(sum)).collect();
                behind += 1;
            }
        }
        texts.push(text);
        earlier = Some((start, end));
    }
    (texts, behind)
}

#[test]
fn the_likelier_of_two_texts_is_the_final() {
    let mut taken = 0;
    for seed in 0..6 {
        let (engine, audio) = (engine(rules(20)), conversation(seed));
        let finals = run(&engine, &audio, &[320]);
        let (texts, behind) = wanted(&audio, &finals, 20);
        assert!(finals.len() >= 6, "{finals:#?}");
        assert_eq!(finals.iter().map(ids).collect::<Vec<_>>(), texts);
        taken += behind;
    }
    assert!(taken >= 4, "{taken} finals behind the segment before");
}

#[test]
fn a_short_limit_and_none_are_kept_to() {
    for context_s in [0, 2] {
        let (engine, audio) = (engine(rules(context_s)), conversation(9));
        let finals = run(&engine, &audio, &[1000]);
        let (texts, _) = wanted(&audio, &finals, usize::from(context_s));
        assert_eq!(finals.iter().map(ids).collect::<Vec<_>>(), texts, "{context_s} s");
    }
}

#[test]
fn a_stream_may_ask_for_less_than_the_engine_has_and_not_for_more() {
    let engine = engine(rules(10));
    let with = |context_s| engine.open(StreamOptions::default().endpoint(rules(context_s)));
    assert!(with(0).is_ok());
    let refused = with(11);
    assert!(matches!(refused, Err(OpenError::Rules { field: "endpoint.context_s", .. })));
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(12))]
    #[test]
    fn any_chunking_gives_the_same_finals(chunks in prop::collection::vec(1usize..60_000, 1..10), seed in 0u32..1000) {
        // Without speculation finals are begun at the end; with it they are ready.
        for speculate_ms in [0, 100] {
            let engine = engine(EndpointConfig { speculate_ms, ..rules(20) });
            let audio = conversation(seed);
            let finals = run(&engine, &audio, &chunks);
            prop_assert_eq!(finals.iter().map(ids).collect::<Vec<_>>(), wanted(&audio, &finals, 20).0);
            let facts = |finals: &[Transcript]| -> Vec<_> {
                finals.iter().map(|said| (said.start, said.end, said.text.clone())).collect()
            };
            prop_assert_eq!(facts(&finals), facts(&run(&engine, &audio, &[audio.len()])));
        }
    }
}
