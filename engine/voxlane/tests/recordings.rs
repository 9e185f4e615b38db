//! Recordings as people have them, with the real models and `Config::recordings()`: silence around speech loses no
//! words, and times are those of the speech.
#![cfg(all(feature = "fetch", feature = "files"))]
#![expect(clippy::print_stdout, reason = "absent recordings are to be seen")]

use std::path::{Path, PathBuf};
use std::sync::OnceLock;
use std::time::Duration;
use voxlane::audio::file::{Samples, read};
use voxlane::{Config, Engine, Event, Stream, StreamOptions, Transcript};
use voxlane_models::manager;

fn engine() -> &'static Engine {
    static ENGINE: OnceLock<Engine> = OnceLock::new();
    ENGINE.get_or_init(|| {
        let mut config = Config::recordings();
        config.warm.enabled = false;
        manager::fetch(&config.model).unwrap();
        manager::fetch("silero-vad").unwrap();
        Engine::start(config).unwrap()
    })
}

fn open(sample_rate: u32) -> Stream {
    loop {
        match engine().open(StreamOptions::new(sample_rate)) {
            Ok(stream) => return stream,
            Err(_) => std::thread::sleep(Duration::from_millis(5)),
        }
    }
}

/// The segments of samples; all that is heard in them as one text.
fn hear(samples: &[i16], sample_rate: u32) -> (Vec<Transcript>, String) {
    let mut stream = open(sample_rate);
    stream.push_wait(samples).unwrap();
    stream.finish().unwrap();
    let mut segments = Vec::new();
    while !stream.is_closed() {
        match stream.next_timeout(Duration::from_secs(60)) {
            Some(Event::Final(said)) => segments.push(said),
            Some(Event::Error { error, .. }) => assert!(error.is_notice(), "{error}"),
            _ => {}
        }
    }
    let texts: Vec<&str> =
        segments.iter().map(|said| said.text.trim()).filter(|text| !text.is_empty()).collect();
    let text = texts.join(" ");
    (segments, text)
}

/// A recording of `../shared/inputs`; nothing, said so, where that folder is absent.
fn input(name: &str) -> Option<(Vec<i16>, u32)> {
    let path: PathBuf = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../../shared/inputs").join(name);
    if !path.exists() {
        println!("absent: {}", path.display());
        return None;
    }
    let recording = read(&path).unwrap();
    let Samples::I16(samples) = recording.samples else { panic!("{name}: 16-bit samples") };
    Some((samples, recording.sample_rate))
}

/// The recording that comes with the model.
fn sample() -> Vec<i16> {
    let files = manager::fetch("moonshine-tiny").unwrap();
    let recording = read(files.sample().unwrap()).unwrap();
    let Samples::I16(samples) = recording.samples else { panic!("16-bit samples") };
    assert_eq!(recording.sample_rate, 16_000);
    samples
}

fn words(text: &str) -> Vec<String> {
    let text = text.to_lowercase();
    text.split(|c: char| !c.is_alphanumeric() && c != '\'')
        .filter(|w| !w.is_empty())
        .map(str::to_owned)
        .collect()
}

/// Noise of this root mean square, in dB of full scale.
fn noise(samples: usize, decibels: f64) -> Vec<i16> {
    let amplitude = 32768.0 * 10f64.powf(decibels / 20.0);
    let mut state = 1u64;
    let mut even = || {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (state >> 40) as f64 / f64::from(1u32 << 24) - 0.5
    };
    (0..samples).map(|_| ((0..12).map(|_| even()).sum::<f64>() * amplitude).round() as i16).collect()
}

#[test]
fn quiet_room_pauses_around_a_sentence_do_not_delete_it() {
    let Some((samples, rate)) = input("quiet_room_pauses.flac") else { return };
    let (segments, text) = hear(&samples, rate);
    assert_eq!(text, "Every measure pursued by the Commons.");
    let [said] = &segments[..] else { panic!("{segments:#?}") };
    assert!((4.5..5.5).contains(&said.start) && (7.5..8.8).contains(&said.end), "{said:#?}");
}

#[test]
fn two_seconds_of_silence_first_do_not_delete_a_sentence() {
    let Some((samples, rate)) = input("two_seconds_silence_first.flac") else { return };
    assert_eq!(hear(&samples, rate).1, "Every measure pursued by the Commons.");
}

#[test]
fn one_word_in_a_second_is_heard() {
    let Some((samples, rate)) = input("one_word_four.wav") else { return };
    assert_eq!(hear(&samples, rate).1, "Four.");
}

#[test]
fn a_phrase_does_not_loop_in_babble() {
    let Some((samples, rate)) = input("loop_in_babble.wav") else { return };
    let (segments, text) = hear(&samples, rate);
    let words = words(&text);
    for period in 1..=words.len() / 3 {
        let is_loop = |run: &[String]| run[..2 * period] == run[period..];
        assert!(!words.windows(3 * period).any(is_loop), "{period} words come three times in a row: {text}");
    }
    for said in &segments {
        assert!(!said.text.is_empty() || said.warning.is_some(), "speech is gone without a word: {said:#?}");
        assert!(!said.token_limit, "{said:#?}");
    }
}

#[test]
fn a_cue_starts_with_the_speech_and_not_ten_seconds_early() {
    let Some((samples, rate)) = input("cue_starts_ten_seconds_early.flac") else { return };
    let (segments, _) = hear(&samples, rate);
    assert!((9.8..10.4).contains(&segments[0].start), "{:#?}", segments[0]);
}

#[test]
fn a_reading_of_44_seconds_is_heard_from_its_first_word_to_its_last() {
    let Some((samples, rate)) = input("reading_44s.flac") else { return };
    let (segments, text) = hear(&samples, rate);
    let said = words(&text).join(" ");
    assert!(said.starts_with("it was the best of times it was the worst of times"), "{text}");
    assert!(said.ends_with("of comparison only"), "{text}");
    // The passage has 119 words.
    assert!((112..=126).contains(&words(&text).len()), "{} words: {text}", words(&text).len());
    assert!(segments.iter().all(|said| said.end - said.start <= 28.0), "{segments:#?}");
}

#[test]
fn silence_and_room_noise_around_speech_change_few_words() {
    let bare = sample();
    let (_, expected) = hear(&bare, 16_000);
    for decibels in [f64::NEG_INFINITY, -60.0, -50.0] {
        let room = noise(bare.len() + 160_000, decibels);
        let padded: Vec<i16> = (room.iter().enumerate())
            .map(|(i, &noise)| {
                noise.saturating_add(*i.checked_sub(80_000).and_then(|i| bare.get(i)).unwrap_or(&0))
            })
            .collect();
        let (segments, text) = hear(&padded, 16_000);
        assert_eq!(words(&text), words(&expected), "{decibels} dB");
        assert!((4.5..6.0).contains(&segments[0].start), "{:#?}", segments[0]);
    }
}

#[test]
fn very_quiet_speech_is_detected_like_loud_speech() {
    let bare = sample();
    let power = bare.iter().map(|&sample| f64::from(sample).powi(2)).sum::<f64>() / bare.len() as f64;
    let (expected, _) = hear(&bare, 16_000);
    for decibels in [-59.0, -74.0] {
        let gain = 32768.0 * 10f64.powf(decibels / 20.0) / power.sqrt();
        let quiet: Vec<i16> = bare.iter().map(|&sample| (f64::from(sample) * gain).round() as i16).collect();
        let (segments, text) = hear(&quiet, 16_000);
        let length = |said: &[Transcript]| said.iter().map(|said| said.end - said.start).sum::<f64>();
        assert!((length(&segments) - length(&expected)).abs() < 1.0, "{decibels} dB: {segments:#?}");
        assert!(!text.is_empty(), "{decibels} dB");
    }
}

#[test]
fn silence_and_noise_open_no_segment() {
    for decibels in [f64::NEG_INFINITY, -80.0, -60.0, -40.0, -20.0] {
        let (segments, _) = hear(&noise(16_000 * 12, decibels), 16_000);
        assert!(segments.is_empty(), "{decibels} dB: {segments:#?}");
    }
}
