//! Whether a speaker has finished: what the text and the Smart Turn network say of a pause decides how long it may be.

mod support;

use proptest::prelude::*;
use std::sync::Arc;
use std::time::Duration;
use support::{Hex, IDS, Marks, Toy, drain, in_chunks};
use voxlane::config::{DetectorKind, EndpointConfig, PartialConfig, TurnRule};
use voxlane::{Config, EndCause, Engine, EngineError, Event, OpenError, StreamOptions, Transcript};
use voxlane_models::families::smart_turn;
use voxlane_models::manager;

fn rules(turn: TurnRule) -> EndpointConfig {
    EndpointConfig { detector: DetectorKind::Energy, turn, trail_ms: 200, ..EndpointConfig::default() }
}

fn start(endpoint: EndpointConfig) -> Result<Engine, EngineError> {
    let config = Config { endpoint, partial: PartialConfig { every_ms: 200 }, ..support::config(2) };
    let toy = Toy { ids_below: Some(IDS), ..Toy::default() };
    Engine::with_model(config, Arc::new(toy), Arc::new(Marks))
}

/// Loud and faint noise in turns, so many seconds each.
fn audio(seconds: &[f64], seed: u32) -> Vec<i16> {
    let parts = seconds.iter().enumerate().map(|(i, seconds)| {
        let loudness = if i % 2 == 1 { 4 } else { 1500 };
        let samples = support::noise((seconds * 16_000.0) as usize, seed + i as u32);
        samples.into_iter().map(|sample| (i32::from(sample) / loudness) as i16).collect::<Vec<i16>>()
    });
    parts.collect::<Vec<_>>().concat()
}

/// Twelve sentences with pauses that are heard as half a second or more than one: loudness falls slowly.
fn conversation(seed: u32) -> Vec<i16> {
    let seconds = (0..25).map(|i| if i % 2 == 0 { [1.6, 0.8][i / 2 % 2] } else { 0.8 });
    audio(&seconds.collect::<Vec<_>>(), seed)
}

/// Each segment's final, with why it ended, after how many milliseconds of silence, and the probability of that.
fn ends(events: &[Event]) -> Vec<(&Transcript, EndCause, f64, Option<f32>)> {
    let mut ends = Vec::new();
    let mut endpoint = None;
    for event in events {
        match event {
            Event::Endpoint { cause, silence_ms, turn, .. } => endpoint = Some((*cause, *silence_ms, *turn)),
            Event::Final(said) => {
                let (cause, silence_ms, turn) = endpoint.take().expect("an endpoint before its final");
                ends.push((said, cause, silence_ms, turn));
            }
            _ => {}
        }
    }
    ends
}

#[test]
fn text_that_ends_a_sentence_shortens_the_wait() {
    let engine = start(rules(TurnRule::Text)).unwrap();
    let events = in_chunks(&engine, &conversation(1), &[320]);
    let ends = ends(&events);
    let mut causes = [0, 0];
    for (said, cause, silence_ms, turn) in &ends[..ends.len() - 1] {
        let is_finished = said.tokens.last().unwrap().id < IDS / 2;
        assert_eq!(*turn, Some(f32::from(u8::from(is_finished))));
        let (expected, range) =
            if is_finished { (EndCause::EndOfTurn, 300.0..340.0) } else { (EndCause::Silence, 700.0..740.0) };
        assert_eq!(*cause, expected);
        assert!(range.contains(silence_ms), "{silence_ms} ms after {:?}", said.text);
        causes[usize::from(is_finished)] += 1;
    }
    assert!(causes.iter().all(|&count| count > 0), "both happen: {causes:?}");
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(16))]
    #[test]
    fn any_chunking_gives_the_same_ends(chunks in prop::collection::vec(1usize..40_000, 1..12), seed in 0u32..1000) {
        let engine = start(EndpointConfig { eager_threshold: 0.5, ..rules(TurnRule::Text) }).unwrap();
        let audio = conversation(seed);
        let whole = in_chunks(&engine, &audio, &[audio.len()]);
        let parts = in_chunks(&engine, &audio, &chunks);
        let facts = |events: &[Event]| -> Vec<(String, f64, f64, EndCause, f64, Option<f32>)> {
            ends(events).iter().map(|(said, cause, silence, turn)| {
                (said.text.clone(), said.start, said.end, *cause, *silence, *turn)
            }).collect()
        };
        prop_assert!(facts(&whole).len() >= 5);
        prop_assert_eq!(facts(&parts), facts(&whole));
    }
}

#[test]
fn an_eager_end_is_taken_back_or_becomes_the_final() {
    let patient = EndpointConfig {
        eager_threshold: 0.5,
        silence_ms: 2000,
        silence_max_ms: 3000,
        silence_without_speech_ms: 2000,
        ..rules(TurnRule::Text)
    };
    let config = Config { endpoint: patient, partial: PartialConfig { every_ms: 200 }, ..support::config(1) };
    // Every token ends a sentence.
    let toy = Toy { ids_below: Some(IDS / 2), ..Toy::default() };
    let engine = Engine::with_model(config, Arc::new(toy), Arc::new(Marks)).unwrap();
    let mut stream = support::open(&engine);
    let next = |stream: &mut voxlane::Stream| loop {
        match stream.next_timeout(Duration::from_secs(20)).expect("an event") {
            Event::Partial(_) | Event::SpeechStart { .. } => {}
            event => return event,
        }
    };
    stream.push_wait(&audio(&[0.5, 0.8, 1.5], 1)).unwrap();
    let Event::EagerEnd(said) = next(&mut stream) else { panic!("no eager end") };
    assert_eq!((said.turn, said.segment, said.stable), (Some(1.0), 0, None));
    // Loud from its first sample on.
    stream.push_wait(&audio(&[0.0, 0.8], 2)).unwrap();
    assert!(matches!(next(&mut stream), Event::Resumed { segment: 0, .. }));
    stream.push_wait(&audio(&[4.0], 3)).unwrap();
    let Event::EagerEnd(said) = next(&mut stream) else { panic!("no second eager end") };
    assert!(matches!(next(&mut stream), Event::Endpoint { cause: EndCause::EndOfTurn, turn: Some(1.0), .. }));
    let Event::Final(last) = next(&mut stream) else { panic!("no final") };
    assert_eq!((last.text, last.end), (said.text, said.end));
}

#[test]
fn who_cannot_be_asked_is_refused_by_name() {
    let config = Config { endpoint: rules(TurnRule::Text), ..support::config(1) };
    let refused = Engine::with_model(config, Arc::new(Toy::default()), Arc::new(Hex)).err().unwrap();
    assert!(refused.to_string().contains("endpoint.turn"), "{refused}");
    let engine = start(rules(TurnRule::Text)).unwrap();
    let both = StreamOptions::default().endpoint(rules(TurnRule::Both));
    assert!(matches!(engine.open(both), Err(OpenError::Rules { field: "endpoint.turn", .. })));
    let eager = EndpointConfig { eager_threshold: 0.5, ..rules(TurnRule::Off) };
    let refused = engine.open(StreamOptions::default().endpoint(eager));
    assert!(matches!(refused, Err(OpenError::Rules { field: "endpoint.eager_threshold", .. })));
}

#[test]
fn the_network_is_asked_about_the_audio_of_the_turn() {
    let files = manager::fetch(TurnRule::SMART_TURN_MODEL).unwrap();
    let network = smart_turn::load(files.path("smart-turn-v3.2-cpu.onnx")).unwrap();
    let mut detector = network.detector();
    let engine = start(rules(TurnRule::Audio)).unwrap();
    let audio = audio(&[1.2, 1.5, 0.7, 0.4, 0.9, 2.6, 1.0, 1.0], 3);
    let mut streams: Vec<_> = (0..2).map(|_| support::open(&engine)).collect();
    for stream in &mut streams {
        stream.push_wait(&audio).unwrap();
        stream.finish().unwrap();
    }
    let events: Vec<_> = streams.iter_mut().map(drain).collect();
    let facts = |events: &[Event]| -> Vec<(f64, EndCause, Option<f32>)> {
        ends(events).iter().map(|(said, cause, _, turn)| (said.end, *cause, *turn)).collect()
    };
    assert_eq!(facts(&events[0]), facts(&events[1]), "a look at one stream changes nothing for another");
    let ends = ends(&events[0]);
    assert!(ends.len() >= 3, "{ends:?}");
    let mut turn_start: Option<(f64, f64)> = None;
    for (said, cause, _, turn) in &ends[..ends.len() - 1] {
        let start =
            turn_start.filter(|(_, end)| said.start - end < 2.0).map_or(said.start, |(start, _)| start);
        // Asked when the silence that belongs to the segment is over, at the end of a window of 32 ms.
        let windows = |seconds: f64| (seconds * 16e3 / 512.0 - 1e-6).ceil() as usize * 512;
        let asked = windows(said.end);
        detector.begin(&audio[(start * 16e3).round() as usize..asked]);
        detector.step(&voxlane_models::budget::Budget::unlimited());
        assert_eq!(*turn, Some(detector.probability()), "{said:?}");
        let expected = if detector.probability() >= EndpointConfig::default().turn_threshold {
            EndCause::EndOfTurn
        } else {
            EndCause::Silence
        };
        assert_eq!(*cause, expected);
        turn_start = (*cause == EndCause::Silence).then_some((start, said.end));
    }
}
