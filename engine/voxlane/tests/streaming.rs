//! A network that takes audio in chunks, through whole lanes: a small Emformer with random weights, whose text is
//! nonsense and always the same.

mod support;

use proptest::prelude::*;
use std::sync::{Arc, LazyLock};
use support::{Hex, drain, noise};
use voxlane::EndCause;
use voxlane::config::{DetectorKind, EndpointConfig};
use voxlane::{Config, Engine, Event, StreamOptions, Transcript};
use voxlane_models::families::emformer::Emformer;
use voxlane_models::model::Model;
use voxlane_models::offline::Transcriber;

/// The network.
static NETWORK: LazyLock<Arc<Emformer>> = LazyLock::new(|| Arc::new(support::emformer()));

fn engine(config: Config) -> Engine {
    Engine::with_model(config, Arc::clone(&*NETWORK), Arc::new(Hex)).unwrap()
}

/// 5.6 s: three loud stretches with near silence around them, to which a detector can get used first.
fn conversation(seed: u32) -> Vec<i16> {
    let parts = [(0.6, 1500), (0.8, 30), (0.7, 1500), (1.6, 30), (0.6, 1500), (0.7, 30), (0.6, 1500)];
    let part = |(seconds, divisor)| {
        let samples = noise((seconds * 16_000.0) as usize, seed);
        samples.into_iter().map(move |sample| (i32::from(sample) / divisor) as i16)
    };
    parts.into_iter().flat_map(part).collect()
}

/// Token ids with their places in samples, by the network's parts alone.
fn offline(samples: &[i16]) -> Vec<(u32, u32, u32)> {
    let (tokens, faults) = Transcriber::new(&**NETWORK).transcribe(samples);
    assert!(faults.is_none());
    tokens.iter().map(|token| (token.id, token.start, token.end)).collect()
}

fn ids(said: &Transcript) -> Vec<(u32, u32, u32)> {
    said.tokens.iter().map(|token| (token.id, token.start, token.end)).collect()
}

fn live(slots: usize) -> Config {
    let endpoint = EndpointConfig { detector: DetectorKind::Energy, ..EndpointConfig::default() };
    Config { endpoint, ..support::config(slots) }
}

/// Pushes the streams' audio in turns, in chunks of the given sizes; the events of each.
fn run(engine: &Engine, audios: &[Vec<i16>], chunks: &[usize]) -> Vec<Vec<Event>> {
    let mut streams: Vec<_> = audios.iter().map(|_| support::open_soon(engine)).collect();
    let mut events = vec![Vec::new(); audios.len()];
    let (mut at, mut sizes) = (vec![0; audios.len()], chunks.iter().cycle());
    while at.iter().zip(audios).any(|(at, audio)| *at < audio.len()) {
        for (number, audio) in audios.iter().enumerate() {
            let end = audio.len().min(at[number] + sizes.next().unwrap());
            streams[number].push_wait(&audio[at[number]..end]).unwrap();
            at[number] = end;
            events[number].extend(std::iter::from_fn(|| streams[number].try_next()));
        }
    }
    for (stream, events) in streams.iter_mut().zip(&mut events) {
        stream.finish().unwrap();
        events.extend(drain(stream));
    }
    events
}

/// Segments end after 40 ms without a token: the network is talkative.
fn by_blanks(slots: usize, detector: DetectorKind) -> Config {
    let endpoint = EndpointConfig { blank_ms: 40, detector, ..EndpointConfig::default() };
    Config { endpoint, ..support::config(slots) }
}

fn finals(events: &[Event]) -> Vec<&Transcript> {
    events.iter().filter_map(|event| if let Event::Final(said) = event { Some(said) } else { None }).collect()
}

/// Each final is what the network says of its segment alone, and what partials said of it stays.
fn check(events: &[Event], audio: &[i16]) -> usize {
    let at = |seconds: f64| (seconds * 16_000.0).round() as usize;
    let mut tokens = 0;
    let mut partial: Vec<(u32, u32, u32)> = Vec::new();
    for event in events {
        match event {
            Event::SpeechStart { .. } => partial.clear(),
            Event::Partial(said) => {
                assert!(ids(said).starts_with(&partial), "what was said is taken back");
                assert_eq!(said.stable.as_ref(), Some(&said.text), "all of a partial is stable");
                assert_ne!(ids(said), partial, "a partial says something new");
                partial = ids(said);
            }
            Event::Final(said) => {
                assert_eq!(ids(said), offline(&audio[at(said.start)..at(said.end)]));
                assert!(ids(said).starts_with(&partial) && !said.revised);
                tokens += said.tokens.len();
            }
            _ => {}
        }
    }
    tokens
}

#[test]
fn a_stream_says_what_the_network_says_of_the_whole() {
    let engine = engine(support::config(1));
    let audio = conversation(3);
    let events = run(&engine, std::slice::from_ref(&audio), &[320]).remove(0);
    assert_eq!(finals(&events).len(), 1);
    assert!(check(&events, &audio) > 5);
}

#[test]
fn text_comes_while_audio_does() {
    let events = support::follow(&engine(support::config(1)), &conversation(3));
    let mut said: Vec<_> = events
        .iter()
        .filter_map(|event| if let Event::Partial(said) = event { Some(ids(said)) } else { None })
        .collect();
    assert!(said.windows(2).all(|pair| pair[1].starts_with(&pair[0])));
    said.dedup();
    assert!(said.len() > 5, "{said:?}");
}

#[test]
fn a_marker_is_answered_by_a_partial_that_may_say_nothing_new() {
    let audio = conversation(3);
    let events = support::follow(&engine(support::config(1)), &audio);
    let is_marker = |event: &Event| matches!(event, Event::Marker { .. });
    assert_eq!(events.iter().filter(|event| is_marker(event)).count(), audio.len().div_ceil(8000));
    for pair in events.windows(2).filter(|pair| is_marker(&pair[1])) {
        let [before, _] = pair else { unreachable!() };
        assert!(matches!(before, Event::Partial(_) | Event::Final(_) | Event::Marker { .. }), "{before:?}");
    }
}

#[test]
fn streams_that_share_a_lane_are_as_alone() {
    let engine = engine(live(4));
    let audios: Vec<_> = (0..4).map(|seed| conversation(10 + seed)).collect();
    for (events, audio) in run(&engine, &audios, &[320]).iter().zip(&audios) {
        assert!(finals(events).len() >= 2 && check(events, audio) > 5);
    }
}

#[test]
fn the_client_ends_a_segment() {
    let engine = engine(support::config(1));
    let audio = conversation(5);
    let mut stream = engine.open(StreamOptions::default()).unwrap();
    let mut events = Vec::new();
    for part in audio.chunks(20_000) {
        stream.push_wait(part).unwrap();
        support::when_there_is_room(|| stream.end_segment());
        events.extend(std::iter::from_fn(|| stream.try_next()));
    }
    stream.finish().unwrap();
    events.extend(drain(&mut stream));
    assert_eq!(finals(&events).len(), audio.len().div_ceil(20_000));
    check(&events, &audio);
}

#[test]
fn a_segment_ends_at_the_first_chunk_that_leaves_the_network_without_a_word_for_long_enough() {
    let (engine, audio) = (engine(by_blanks(1, DetectorKind::Off)), conversation(3));
    let events = run(&engine, std::slice::from_ref(&audio), &[320]).remove(0);
    assert!(check(&events, &audio) > 5);
    let chunks = NETWORK.info().chunks.unwrap();
    let (mut start, mut ended) = (0, 0);
    let endpoints = events.iter().filter_map(|event| match event {
        Event::Endpoint { end, cause, silence_ms, .. } => Some(((end * 16e3) as u64, *cause, *silence_ms)),
        _ => None,
    });
    for ((end, cause, silence_ms), said) in endpoints.zip(finals(&events)) {
        assert_eq!(
            ((said.start * 16e3) as u64, (said.end * 16e3) as u64),
            (start, end),
            "nothing is lost or repeated"
        );
        let length = end - start;
        start = end;
        if cause != EndCause::TrailingBlanks {
            assert_eq!((cause, end), (EndCause::Client, audio.len() as u64));
            continue;
        }
        ended += 1;
        assert_eq!((length - chunks.first) % chunks.step, 0, "at the end of a chunk");
        let heard = length - chunks.look_ahead();
        let last = said.tokens.iter().rfind(|token| u64::from(token.end) <= heard).unwrap();
        let quiet = heard - u64::from(last.end);
        assert!((640..640 + chunks.step).contains(&quiet), "{quiet}");
        assert_eq!(silence_ms, (length - u64::from(last.end)) as f64 / 16.0);
    }
    assert!(ended > 0, "{events:?}");
}

#[test]
fn blanks_are_for_networks_that_take_chunks() {
    let toy = Arc::new(support::Toy::default());
    let started = Engine::with_model(by_blanks(1, DetectorKind::Off), toy, Arc::new(Hex));
    assert!(started.map(drop).unwrap_err().to_string().contains("endpoint.blank_ms = 40"));
    let engine = support::engine(support::config(1));
    let endpoint = by_blanks(1, DetectorKind::Off).endpoint;
    let opened = engine.open(StreamOptions::default().endpoint(endpoint));
    assert!(opened.map(drop).unwrap_err().to_string().contains("endpoint.blank_ms = 40"));
}

#[test]
fn streams_whose_segments_end_by_blanks_are_as_alone() {
    let (shared, alone) = (engine(by_blanks(3, DetectorKind::Off)), engine(by_blanks(1, DetectorKind::Off)));
    let audios: Vec<_> = (0..3).map(|seed| conversation(30 + seed)).collect();
    for (events, audio) in run(&shared, &audios, &[320]).iter().zip(&audios) {
        check(events, audio);
        let expected = run(&alone, std::slice::from_ref(audio), &[5000]).remove(0);
        assert_eq!(places(events), places(&expected));
    }
}

/// Where a final begins and ends in seconds, and its tokens.
type Place = (f64, f64, Vec<(u32, u32, u32)>);

/// Each final's place and tokens.
fn places(events: &[Event]) -> Vec<Place> {
    finals(events).iter().map(|said| (said.start, said.end, ids(said))).collect()
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(12))]

    #[test]
    fn any_chunking_gives_the_same_finals(chunks in prop::collection::vec(1usize..12_000, 1..8)) {
        let engine = engine(live(1));
        let audio = conversation(7);
        let events = run(&engine, std::slice::from_ref(&audio), &chunks).remove(0);
        check(&events, &audio);
        let reference = run(&engine, std::slice::from_ref(&audio), &[320]).remove(0);
        let texts = |events: &[Event]| finals(events).iter().map(|said| ids(said)).collect::<Vec<_>>();
        prop_assert_eq!(texts(&events), texts(&reference));
    }

    #[test]
    fn any_chunking_gives_the_same_segments_by_blanks(
        chunks in prop::collection::vec(1usize..12_000, 1..8),
        detects in any::<bool>(),
    ) {
        let detector = if detects { DetectorKind::Energy } else { DetectorKind::Off };
        let engine = engine(by_blanks(1, detector));
        let audio = conversation(7);
        let events = run(&engine, std::slice::from_ref(&audio), &chunks).remove(0);
        check(&events, &audio);
        let reference = run(&engine, std::slice::from_ref(&audio), &[320]).remove(0);
        prop_assert_eq!(places(&events), places(&reference));
    }
}
