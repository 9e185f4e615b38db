//! Speech in compressed files that went wrong becomes the right text, from the file to the final.
#![cfg(all(feature = "files", feature = "fetch"))]
#![allow(clippy::print_stdout, reason = "says that the files are absent")]

use std::path::PathBuf;
use std::time::Duration;

use voxlane::audio::file::{Block, Reader};
use voxlane::{Config, Engine, Event, StreamOptions};
use voxlane_models::manager;

/// What all of the files begin with.
const SENTENCE: &str = "every measure pursued by the commons";

#[test]
fn speech_in_files_that_went_wrong_becomes_text() {
    let folder = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../../shared/inputs");
    if !folder.is_dir() {
        println!("shared/inputs is absent");
        return;
    }
    let mut config = Config::live();
    // The machine may be busy.
    config.supervise.watchdog_ms = 600_000;
    manager::fetch(&config.model).unwrap();
    for name in config.endpoint.models() {
        manager::fetch(name).unwrap();
    }
    let engine = Engine::start(config).unwrap();
    for (name, sentences) in [
        ("two_mp3_joined.mp3", 2),
        ("xing_frames_zero.mp3", 1),
        ("mono_then_stereo.mp3", 2),
        ("chained.ogg", 2),
        ("flac_with_id3v1_tail.flac", 1),
        ("flac_min_block_0.flac", 1),
        ("video.mkv", 1),
        ("voice_memo.m4a", 1),
        ("voice_note.opus", 1),
    ] {
        let text = transcribe(&engine, &folder.join(name));
        let words: Vec<String> = text.split_whitespace().map(plain).collect();
        let wanted: Vec<&str> = SENTENCE.split(' ').collect();
        let right = words.iter().zip(&wanted).filter(|(said, word)| said == *word).count();
        // In some of the files a word is heard as another.
        assert!(right + 2 >= wanted.len(), "{name}: {text}");
        assert!(words.len() > (sentences - 1) * wanted.len() + 3, "{name}: {text}");
    }
    engine.shutdown(Duration::from_secs(5));
}

fn plain(word: &str) -> String {
    word.chars().filter(|c| c.is_alphanumeric()).flat_map(char::to_lowercase).collect()
}

fn transcribe(engine: &Engine, path: &std::path::Path) -> String {
    let mut reader = Reader::open(path).unwrap();
    let options = StreamOptions::new(reader.sample_rate());
    let mut stream = engine.open(options).unwrap();
    let mut finals = Vec::new();
    let mut keep = |event| {
        if let Event::Final(said) = event {
            finals.push(said.text.to_string());
        }
    };
    while let Some(block) = reader.next_block().unwrap() {
        match block {
            Block::I16(samples) => stream.push_wait(samples).unwrap(),
            Block::F32(samples) => stream.push_wait(samples).unwrap(),
        };
        std::iter::from_fn(|| stream.try_next()).for_each(&mut keep);
    }
    stream.finish().unwrap();
    while !stream.is_closed() {
        stream.next_timeout(Duration::from_secs(1)).into_iter().for_each(&mut keep);
    }
    finals.join(" ")
}
