//! Hotwords of a stream, through whole lanes: a small network with random weights that says other things when it
//! listens for them.

mod support;

use std::sync::{Arc, LazyLock};
use support::{Hex, drain, emformer, finals, noise, open_soon, when_there_is_room};
use voxlane::config::{Config, Hotword};
use voxlane::{Engine, EngineError, HotwordError, OpenError, Stream, StreamError, StreamOptions};
use voxlane_models::families::emformer::Emformer;
use voxlane_models::offline::Transcriber;

static NETWORK: LazyLock<Arc<Emformer>> = LazyLock::new(|| Arc::new(emformer()));

/// A token that the network does not say by itself.
static WANTED: LazyLock<u32> = LazyLock::new(|| {
    let (said, _) = Transcriber::new(&**NETWORK).transcribe(&audio());
    (1..).find(|id| said.iter().all(|token| token.id != *id)).unwrap()
});

/// That token as a phrase.
fn wanted() -> Vec<Hotword> {
    vec![Hotword { phrase: format!("{:08x}", *WANTED), boost: 12.0 }]
}

fn engine(config: Config) -> Engine {
    Engine::with_model(config, Arc::clone(&*NETWORK), Arc::new(Hex)).unwrap()
}

fn listening(engine: &Engine) -> Stream {
    let options = || StreamOptions::default().hotwords(wanted());
    loop {
        match engine.open(options()) {
            Ok(stream) => return stream,
            Err(OpenError::Saturated { .. }) => std::thread::yield_now(),
            Err(error) => panic!("{error}"),
        }
    }
}

/// 4 s, loud and nearly silent in turns.
fn audio() -> Vec<i16> {
    let mut samples = noise(64_000, 3);
    samples[..10_000].iter_mut().for_each(|sample| *sample /= 1000);
    for quiet in [22_000..32_000, 44_000..54_000] {
        samples[quiet].iter_mut().for_each(|sample| *sample /= 1000);
    }
    samples
}

/// What a stream says of `audio`, pushed in chunks of `chunk` samples.
fn said(stream: &mut Stream, audio: &[i16], chunk: usize) -> Vec<Vec<u32>> {
    audio.chunks(chunk).for_each(|part| stream.push_wait(part).unwrap());
    stream.finish().unwrap();
    finals(&drain(stream))
}

#[test]
fn a_hotword_changes_the_text_of_its_stream_alone_and_only_while_it_lasts() {
    let (engine, audio) = (engine(support::config(2)), audio());
    let plain = said(&mut open_soon(&engine), &audio, 320);
    assert!(plain[0].len() > 3, "{plain:?}");
    let (mut first, mut second) = (listening(&engine), open_soon(&engine));
    for part in audio.chunks(777) {
        first.push_wait(part).unwrap();
        second.push_wait(part).unwrap();
    }
    first.finish().unwrap();
    second.finish().unwrap();
    let heard = finals(&drain(&mut first));
    assert!(heard[0].contains(&*WANTED), "{heard:?}");
    assert_eq!(finals(&drain(&mut second)), plain, "the other stream of the lane");
    drop((first, second));
    // Later streams in the same slots.
    let (mut first, mut second) = (open_soon(&engine), open_soon(&engine));
    assert_eq!((said(&mut first, &audio, 500), said(&mut second, &audio, 500)), (plain.clone(), plain));
}

#[test]
fn an_abandoned_stream_leaves_no_hotwords_behind() {
    let (engine, audio) = (engine(support::config(1)), audio());
    let plain = said(&mut open_soon(&engine), &audio, 320);
    for _ in 0..20 {
        let mut stream = listening(&engine);
        stream.push(&audio[..8000]).unwrap();
        stream.set_hotwords(&wanted()).unwrap();
    }
    assert_eq!(said(&mut open_soon(&engine), &audio, 320), plain);
}

#[test]
fn hotwords_change_at_their_place_in_the_audio_whatever_the_chunks() {
    let (engine, audio) = (engine(support::config(1)), audio());
    let plain = said(&mut open_soon(&engine), &audio, 320);
    let from_the_start = said(&mut listening(&engine), &audio, 320);
    let changed = |at: usize, chunk: usize| {
        let mut stream = open_soon(&engine);
        audio[..at].chunks(chunk).for_each(|part| stream.push_wait(part).unwrap());
        when_there_is_room(|| stream.set_hotwords(&wanted()));
        said(&mut stream, &audio[at..], chunk)
    };
    let reference = changed(40_000, 320);
    for chunk in [100, 3001, 40_000] {
        assert_eq!(changed(40_000, chunk), reference, "chunks of {chunk}");
    }
    let first = reference[0].iter().position(|&token| token == *WANTED).unwrap();
    assert!(first > 0 && plain[0].starts_with(&reference[0][..first]), "{reference:?} {plain:?}");
    assert_eq!(changed(0, 320), from_the_start);
    // And away again.
    let mut stream = listening(&engine);
    stream.set_hotwords(&[]).unwrap();
    assert_eq!(said(&mut stream, &audio, 320), plain);
}

#[test]
fn hotwords_stay_over_endpoints() {
    let (engine, audio) = (engine(support::config(1)), audio());
    let (first, second) = audio.split_at(30_000);
    let alone = said(&mut listening(&engine), second, 320);
    let mut stream = listening(&engine);
    stream.push_wait(first).unwrap();
    stream.end_segment().unwrap();
    let both = said(&mut stream, second, 320);
    assert_eq!(both.len(), 2);
    assert!(both[1].contains(&*WANTED));
    assert_eq!(both[1], alone[0]);
}

#[test]
fn the_configuration_gives_hotwords_to_streams_that_bring_none() {
    let config = Config { hotwords: wanted(), ..support::config(1) };
    let (with, without, audio) = (engine(config), engine(support::config(1)), audio());
    assert_eq!(said(&mut open_soon(&with), &audio, 320), said(&mut listening(&without), &audio, 320));
    let none = StreamOptions::default().hotwords([]);
    let plain = said(&mut open_soon(&without), &audio, 320);
    let mut stream = loop {
        match with.open(none.clone()) {
            Ok(stream) => break stream,
            Err(_) => std::thread::yield_now(),
        }
    };
    assert_eq!(said(&mut stream, &audio, 320), plain);
}

#[test]
fn phrases_that_cannot_be_listened_for_are_named() {
    let engine = engine(support::config(1));
    let with = |hotwords: Vec<Hotword>| StreamOptions::default().hotwords(hotwords);
    let unspelled = || vec![Hotword::new("0000000a"), Hotword::new("straw")];
    let error = engine.open(with(unspelled())).map(drop).unwrap_err();
    assert!(error.to_string().contains("straw"), "{error}");
    let mut stream = engine.open(StreamOptions::default()).unwrap();
    let error = stream.set_hotwords(&unspelled()).unwrap_err();
    assert!(matches!(error, StreamError::Hotwords(HotwordError::Spelling { phrase }) if phrase == "straw"));
    for boost in [0.0, -1.0, f32::NAN, 1000.0] {
        let error = stream.set_hotwords(&[Hotword { phrase: "0000000a".into(), boost }]).unwrap_err();
        assert!(matches!(error, StreamError::Hotwords(HotwordError::Boost { .. })), "{error}");
    }
}

#[test]
fn a_model_that_cannot_listen_says_so() {
    let engine = support::engine(support::config(1));
    let with = StreamOptions::default().hotwords(wanted());
    let unsupported = |error: &StreamError| matches!(error, StreamError::Hotwords(HotwordError::Unsupported));
    assert!(matches!(engine.open(with), Err(OpenError::Options(error)) if unsupported(&error)));
    let mut stream = open_soon(&engine);
    assert!(unsupported(&stream.set_hotwords(&wanted()).unwrap_err()));
    let config = Config { hotwords: wanted(), ..support::config(1) };
    let started = Engine::with_model(config, Arc::new(support::Toy::default()), Arc::new(Hex));
    assert!(matches!(started, Err(EngineError::Hotwords(HotwordError::Unsupported))));
}
