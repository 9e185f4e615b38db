//! The measurements of `voxlane-bench commands` on a small network with random weights, whose text is nonsense and
//! always the same.

use std::io::Cursor;
use std::path::Path;
use std::sync::{Arc, LazyLock};
use voxlane::config::DetectorKind;
use voxlane::{Config, Engine};
use voxlane_bench::commands::accuracy::Recognizers;
use voxlane_bench::commands::false_finals::FalseFinals;
use voxlane_bench::commands::streams::{self, Pace};
use voxlane_bench::commands::{capacity, compute, serve};
use voxlane_bench::live::conversation::Conversation;
use voxlane_bench::spoken::Recording;
use voxlane_bench::stopwatch::Stopwatch;
use voxlane_models::decode::TransducerGreedy;
use voxlane_models::families::emformer::{Emformer, from_state_dict, prepare};
use voxlane_models::formats::checkpoint::{self, Statistics};
use voxlane_models::layers::linear::Precision;
use voxlane_models::tokenizers::vocabulary::Vocabulary;

static NETWORK: LazyLock<Arc<Emformer>> = LazyLock::new(|| {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../models/tests/data/emformer");
    let file = folder.join("base-like.pt");
    let config = prepare::config(&folder.join("base-like.config.json")).unwrap();
    let Statistics { mean, invstddev } = Statistics::read(&folder.join("base-like.stats.json")).unwrap();
    let tensors = checkpoint::read(&file).unwrap();
    let weights = from_state_dict(tensors, config, Some((mean, invstddev)), &file).unwrap();
    Arc::new(Emformer::new(&weights, Precision::Int8))
});

/// Tokens as words: `w3 w5`.
struct Numbers;

impl Vocabulary for Numbers {
    fn text(&self, ids: &[u32]) -> String {
        ids.iter().map(|id| format!("w{id}")).collect::<Vec<_>>().join(" ")
    }

    fn begins_word(&self, _: u32) -> bool {
        true
    }
}

fn engine(config: Config) -> Engine {
    Engine::with_model(config, Arc::clone(&*NETWORK), Arc::new(Numbers)).unwrap()
}

/// A tone that sweeps up and down and falls silent in between.
fn recording(seconds: usize, seed: usize) -> Recording {
    let sample = |i: usize| {
        let phase = (i * (i / 1_600 % 7 + 1 + seed)) % 200;
        let loudness = (i / 800 % 11) as i16;
        (phase as i16 - 100) * loudness * 8
    };
    Recording { samples: (0..seconds * 16_000).map(sample).collect(), transcript: "w1 w2".into() }
}

#[test]
fn streams_are_scored_and_equal_to_the_parts_alone() {
    let recordings = [recording(3, 0), recording(2, 3)];
    let engine = engine(streams::config(2, DetectorKind::Off));
    let mut recognizers = Recognizers::<TransducerGreedy>::new(engine, &NETWORK, &Numbers);
    let fast = recognizers.measure(&recordings, Pace::Fast).unwrap();
    assert_eq!((fast.clips, fast.finals, fast.different, fast.streamed.words), (2, 2, 0, 4));
    assert!(fast.streamed == fast.offline && fast.streamed.errors > 0, "{fast:?}");
    assert_eq!(recognizers.measure(&recordings, Pace::Realtime).unwrap(), fast);
}

#[test]
fn finals_with_text_are_counted() {
    let recordings = [recording(3, 0), Recording { samples: Vec::new(), transcript: String::new() }];
    let engine = engine(streams::config(1, DetectorKind::Off));
    let runs = streams::run(&engine, &recordings, Pace::Fast).unwrap();
    let found = FalseFinals::of(&recordings, &runs);
    assert_eq!(found.finals, 1);
    assert!(found.words > 1 && (found.a_minute() - 20.0).abs() < 1e-9, "{found:?}");
}

#[test]
fn every_whole_chunk_is_timed() {
    let recordings = [recording(2, 0)];
    let chunks = compute::measure(&NETWORK, &recordings, 2, Stopwatch::Cpu).unwrap();
    let config = NETWORK.config();
    let (segment, right) = (config.segment_length, config.right_context_length);
    // The last half window of a recording is known only at its end.
    let whole = (2 * 100 - 1 - right) / segment;
    assert!((whole - 1..=whole).contains(&(chunks.whole.len() as usize / 2)), "{}", chunks.whole.len());
    assert_eq!(chunks.frames, config.segment_frames());
    assert_eq!(chunks.decoders.len(), if NETWORK.has_ctc() { 4 } else { 1 });
    assert!(chunks.decoders.iter().all(|(_, times)| times.len() == chunks.whole.len()));
    assert!(chunks.whole.max() >= chunks.encoder.min());
}

#[test]
fn files_are_answered_with_their_chunks() {
    let folder = tempfile::tempdir().unwrap();
    let whole = Conversation { samples: recording(2, 0).samples, utterances: Vec::new() };
    whole.write(folder.path()).unwrap();
    let asked = format!("{}\n", folder.path().join("conversation.wav").display());
    let mut answered = Vec::new();
    serve::serve(&NETWORK, Stopwatch::Wall, Cursor::new(asked), &mut answered).unwrap();
    let answer: serde_json::Value = serde_json::from_slice(&answered).unwrap();
    let length = |key: &str| answer[key].as_array().unwrap().len();
    assert!(length("tokens") > 0 && length("encoder_us") > 5);
    assert_eq!((length("front_end_us"), length("decoder_us")), (length("encoder_us"), length("encoder_us")));
}

#[test]
fn streams_in_real_time_have_delays() {
    let engine = engine(streams::config(3, DetectorKind::Off));
    let load = capacity::load(&engine, &recording(1, 0).samples).unwrap();
    assert_eq!(load.streams, 3);
    assert!(load.delays.len() >= 3 && load.delays.is_sorted() && load.lag.len() == 3 * 50);
    assert!(load.delays[0] >= 0.0 && capacity::rank(&load.delays, 1.0) < 60_000.0);
}
