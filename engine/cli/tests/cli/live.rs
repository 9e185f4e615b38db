//! `voxlane live` from outside.

use super::tools::{command, fed, model, path, run, sample, sample_values};
use serde_json::Value;
use std::fs;

/// The sample as raw audio: a second of faint noise before and after, and three in the middle.
pub fn raw() -> Vec<u8> {
    let samples = sample_values();
    let quiet = |seconds: usize| (0..seconds * 16_000).map(|i| (i * 7919 % 5) as i16 - 2);
    let all = quiet(1).chain(samples.clone()).chain(quiet(3)).chain(samples).chain(quiet(1));
    all.flat_map(i16::to_le_bytes).collect()
}

pub fn events(text: &str) -> Vec<Value> {
    text.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

pub fn piped(input: &[u8], args: &[&str]) -> (Vec<Value>, String) {
    model();
    let said = fed(input, &mut command(args));
    assert_eq!(said.code, 0, "{}", said.err);
    (events(&said.out), said.err)
}

pub fn texts(events: &[Value], kind: &str) -> Vec<String> {
    let of_kind = events.iter().filter(|event| event["type"] == kind);
    of_kind.map(|event| event["text"].as_str().unwrap().to_owned()).collect()
}

#[test]
fn raw_audio_becomes_events_in_order() {
    let (events, err) = piped(&raw(), &["live", "--format", "json"]);
    let mut open = None;
    for event in &events {
        match event["type"].as_str().unwrap() {
            "speech_start" => assert!(open.replace(event["segment"].clone()).is_none()),
            "partial" | "endpoint" => assert_eq!(open, Some(event["segment"].clone()), "{event}"),
            "final" => assert_eq!(open.take(), Some(event["segment"].clone())),
            "closed" => assert!(open.is_none()),
            other => panic!("{other}: {event}"),
        }
    }
    assert_eq!(events.last().unwrap()["type"], "closed");
    let endpoint = events.iter().find(|event| event["type"] == "endpoint").unwrap();
    assert_eq!(endpoint["cause"], "end_of_turn");
    assert!((300.0..350.0).contains(&endpoint["silence_ms"].as_f64().unwrap()), "{endpoint}");
    let finals = texts(&events, "final");
    let said = finals.join(" ").to_lowercase();
    assert_eq!(said.matches("ever tried").count(), 2, "{said}");
    assert!(err.contains("final_after_endpoint"), "{err}");
}

#[test]
fn a_file_gives_the_same_finals_at_either_pace_and_as_raw_audio() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("a.wav");
    let samples: Vec<i16> = raw().as_chunks::<2>().0.iter().map(|pair| i16::from_le_bytes(*pair)).collect();
    super::tools::write_i16_wav(&file, &samples[..16_000 * 6]);
    let of_file = |pace: &str| {
        let said = run(&["live", "--input", &path(&file), "--pace", pace, "--format", "json"]);
        assert_eq!(said.code, 0, "{}", said.err);
        texts(&events(&said.out), "final")
    };
    let fast = of_file("fast");
    assert!(!fast.is_empty());
    assert_eq!(of_file("realtime"), fast);
    let (raw_events, _) = piped(&raw()[..2 * 16_000 * 6], &["live", "--format", "json"]);
    assert_eq!(texts(&raw_events, "final"), fast);
}

#[test]
fn text_has_a_line_for_each_final() {
    let said = run(&["live", "--input", &path(&sample()), "--pace", "fast"]);
    assert_eq!(said.code, 0, "{}", said.err);
    assert!(said.out.to_lowercase().contains("ever tried"), "{}", said.out);
    assert!(!said.out.contains('\x1b'), "no terminal, nothing drawn");
}

#[test]
fn wrong_input_is_named() {
    for (args, words) in [
        (&["live", "--input", "no/such.wav"][..], "no/such.wav"),
        (&["live", "--input", "mic"], "microphone"),
        (&["live", "--silence-ms", "5"], "silence_ms"),
        (&["live", "--rate", "100"], "4000..=192000"),
        (&["live", "--input", "mic", "--rate", "8000"], "--rate"),
    ] {
        let said = run(args);
        // A recording that cannot be read is bad input, the others are wrong usage.
        assert_eq!(said.code, if words.contains(".wav") { 1 } else { 2 }, "{}", said.err);
        assert!(said.err.starts_with("error: ") && said.err.contains(words), "{}", said.err);
    }
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("a.toml");
    fs::write(&file, "[endpoint]\nsilence = 3\n").unwrap();
    let said = run(&["live", "--config", &path(&file)]);
    assert_eq!(said.code, 2);
    assert!(said.err.contains("a.toml:2") && said.err.contains("silence"), "{}", said.err);
}
