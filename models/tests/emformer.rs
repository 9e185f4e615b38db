//! The network against torchaudio's, by small networks with random weights that
//! `bench/peers/emformer_reference.py` made, with what torchaudio computes.

mod streaming;

use proptest::prelude::*;
use std::path::PathBuf;
use std::sync::Arc;
use streaming::{BASE, NETWORKS, Reference, distance, integers, network, reference, samples, weights};
use voxlane_models::budget::{Budget, Progress};
use voxlane_models::decode::{
    CtcGreedy, CtcPrefixBeam, DecodeOptions, Hotwords, StreamStrategy, TransducerBeam, TransducerGreedy,
};
use voxlane_models::families::emformer::Emformer;
use voxlane_models::families::emformer::prepare::{self, Source};
use voxlane_models::families::prepare::prepare as ready;
use voxlane_models::families::{emformer, pack, verify};
use voxlane_models::fault::Faults;
use voxlane_models::formats::checkpoint;
use voxlane_models::heads::transducer::Heads;
use voxlane_models::heads::transducer::decoder::TransducerDecoder;
use voxlane_models::hypothesis::Token;
use voxlane_models::layers::linear::Precision;
use voxlane_models::manager::{Manager, Options};
use voxlane_models::model::{Decoder, Encoder, FrontEnd, Goal, Model};
use voxlane_models::offline::Transcriber;
use voxlane_models::team::Team;
use voxlane_models::tokenizers::SentencePiece;

#[test]
fn features_are_torchaudios() {
    NETWORKS.into_iter().for_each(check_features);
}

fn check_features(name: &str) {
    let model = network(name, Precision::F32);
    let (mut front_end, mut span) = (model.front_end(1), model.span());
    let samples = samples();
    let mut faults = Faults::NONE;
    front_end.push(0, &samples, &mut faults);
    front_end.begin(0, samples.len(), Goal::Final);
    assert_eq!(front_end.step(&mut span, &Budget::unlimited(), &mut faults), Progress::Done);
    let expected = reference(name);
    let expected = expected.get("features").unwrap();
    let features = span.features();
    // Every seventh frame is stored.
    assert_eq!(expected.shape(), [features.count.div_ceil(7), 80]);
    for (index, row) in expected.data().chunks_exact(80).enumerate() {
        let difference = distance(features.row(index * 7, 80), row);
        assert!(difference < 1e-4, "{name}, frame {}: {difference:e}", index * 7);
    }
    assert!(faults.is_none());
}

#[test]
fn a_slot_that_was_reset_is_as_new() {
    let audio = samples();
    for (name, precision) in
        NETWORKS.iter().flat_map(|name| [(name, Precision::F32), (name, Precision::Int8)])
    {
        let mut transcriber = Transcriber::new(&network(name, precision));
        let first = transcriber.transcribe(&audio);
        // Shorter, longer, and the same again.
        for length in [12_345, audio.len(), 30_000, audio.len()] {
            let (tokens, faults) = transcriber.transcribe(&audio[..length]);
            assert!(faults.is_none());
            let new = Transcriber::new(&network(name, precision)).transcribe(&audio[..length]);
            assert_eq!(tokens, new.0, "{name} {precision:?}, {length} samples");
        }
        assert_eq!(transcriber.transcribe(&audio).0, first.0);
    }
}

#[test]
fn frames_are_torchaudios() {
    NETWORKS.into_iter().for_each(check_frames);
}

fn check_frames(name: &str) {
    let model = network(name, Precision::F32);
    let (frames, tokens) = whole(&model, &samples());
    let Reference { frames: expected, .. } = Reference::new(name);
    assert_eq!(frames.len(), expected.len(), "{name}");
    let difference = distance(&frames, &expected);
    assert!(difference < 1e-4, "{name}: {difference:e}");
    assert!(!tokens.is_empty());
}

#[test]
fn greedy_tokens_are_those_of_the_plain_loop() {
    NETWORKS.into_iter().for_each(check_greedy);
}

fn check_greedy(name: &str) {
    let model = network(name, Precision::F32);
    let (_, tokens) = whole(&model, &samples());
    let expected = reference(name);
    let ids: Vec<u32> = tokens.iter().map(|token| token.id).collect();
    assert_eq!(ids, integers(&expected, "greedy_tokens"), "{name}");
    let stride = model.config().frame_samples() as u32;
    let frames: Vec<u32> = tokens.iter().map(|token| token.start / stride).collect();
    assert_eq!(frames, integers(&expected, "greedy_frames"), "{name}");
    let log_probs: Vec<f32> = tokens.iter().map(|token| token.log_prob).collect();
    let difference = distance(&log_probs, expected.get("greedy_log_probs").unwrap().data());
    assert!(difference < 1e-3, "{name}: {difference:e}");
    assert!(tokens.iter().all(|token| token.end == token.start + stride));
}

#[test]
fn eight_bit_frames_are_close() {
    for name in NETWORKS {
        let (exact, _) = whole(&network(name, Precision::F32), &samples());
        let (rounded, _) = whole(&network(name, Precision::Int8), &samples());
        let difference = exact.iter().zip(&rounded).map(|(a, b)| (a - b).powi(2)).sum::<f32>();
        let size = exact.iter().map(|a| a.powi(2)).sum::<f32>();
        assert!(difference < 0.01 * size, "{name}: {difference} of {size}");
    }
}

/// 77 M weights, with audio as it comes.
#[test]
#[ignore = "wants `bench/peers/emformer_reference.py base target/emformer-base`; seconds in release"]
fn the_base_configuration_is_torchaudios() {
    for check in [check_features, check_frames, check_greedy, check_beam, check_ctc] {
        check(BASE);
    }
    let (model, samples) = (network(BASE, Precision::F32), samples());
    let mut stream = Stream::new(&model, 1);
    for (index, chunk) in samples.chunks(1000).enumerate() {
        stream.push(0, chunk);
        if stream.front_end.is_ready(0) {
            stream.look(0, index * 1000 + chunk.len(), Goal::Partial);
        }
    }
    stream.look(0, samples.len(), Goal::Final);
    assert!((stream.frames[0].clone(), stream.tokens(0)) == whole(&model, &samples));
}

/// Whatever unit of a call a slot is reset after, at no cost of its own: the other slot of the call and the slot's next
/// segment are as alone.
#[test]
fn a_slot_that_is_reset_within_a_call_disturbs_nobody() {
    let model = network(NETWORKS[0], Precision::F32);
    let (samples, budget) = (samples(), Budget::one_unit());
    let expected = [0, 5_000].map(|start| whole(&model, &samples[start..]));
    for units in 1..8 {
        let mut stream = Stream::new(&model, 2);
        for (slot, start) in [(0, 0), (1, 5_000)] {
            stream.push(slot, &samples[start..]);
            stream.send(slot, samples.len() - start, Goal::Final);
        }
        let mut faults = Faults::NONE;
        for _ in 0..units {
            let progress = stream.encoder.step(&mut stream.spans[0], &budget, &mut faults);
            assert_eq!(progress, Progress::More, "the call goes on");
        }
        stream.reset(0);
        stream.push(0, &samples);
        stream.send(0, samples.len(), Goal::Final);
        for (slot, (frames, tokens)) in expected.iter().enumerate().rev() {
            stream.finish(slot, Goal::Final);
            assert!(stream.frames[slot] == *frames, "other frames in slot {slot} after {units} units");
            assert_eq!(stream.tokens(slot), *tokens);
        }
    }
}

/// Frames and tokens of `samples` as one segment at once.
fn whole(model: &Emformer, samples: &[i16]) -> (Vec<f32>, Vec<Token>) {
    let mut stream = Stream::new(model, 1);
    stream.push(0, samples);
    stream.look(0, samples.len(), Goal::Final);
    (std::mem::take(&mut stream.frames[0]), stream.tokens(0))
}

/// The parts of a lane, driven as a lane drives them.
struct Stream {
    front_end: <Emformer as Model>::FrontEnd,
    encoder: <Emformer as Model>::Encoder,
    decoder: <Emformer as Model>::Decoder,
    spans: Vec<<Emformer as Model>::Span>,
    budget: Budget,
    frames: Vec<Vec<f32>>,
}

impl Stream {
    fn new(model: &Emformer, slots: usize) -> Self {
        Stream {
            front_end: model.front_end(slots),
            encoder: model.encoder(slots, Team::alone()),
            decoder: model.decoder(slots),
            spans: (0..slots).map(|_| model.span()).collect(),
            budget: Budget::one_unit(),
            frames: vec![Vec::new(); slots],
        }
    }

    fn push(&mut self, slot: usize, samples: &[i16]) {
        let mut faults = Faults::NONE;
        self.front_end.push(slot, samples, &mut faults);
        assert!(faults.is_none());
    }

    fn look(&mut self, slot: usize, samples: usize, goal: Goal) {
        self.send(slot, samples, goal);
        self.finish(slot, goal);
    }

    /// As far as the encoder has the features.
    fn send(&mut self, slot: usize, samples: usize, goal: Goal) {
        let (span, mut faults) = (&mut self.spans[slot], Faults::NONE);
        self.front_end.begin(slot, samples, goal);
        while self.front_end.step(span, &self.budget, &mut faults) == Progress::More {}
        self.encoder.begin(slot, span);
    }

    fn finish(&mut self, slot: usize, goal: Goal) {
        let (span, mut faults) = (&mut self.spans[slot], Faults::NONE);
        while self.encoder.step(span, &self.budget, &mut faults) == Progress::More {}
        self.frames[slot].extend_from_slice(span.frames().data);
        self.decoder.begin(slot, span, goal.into());
        while self.decoder.step(span, &self.budget, &mut faults) == Progress::More {}
        assert!(faults.is_none());
    }

    fn reset(&mut self, slot: usize) {
        self.front_end.reset(slot);
        self.encoder.reset(slot);
        self.decoder.reset(slot);
        self.frames[slot].clear();
    }

    fn tokens(&self, slot: usize) -> Vec<Token> {
        self.decoder.hypothesis(slot).tokens().to_vec()
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 24, failure_persistence: None, ..ProptestConfig::default() })]

    /// Chunked equals offline, to the bit, for audio of any length, and again after a reset.
    #[test]
    fn chunks_of_any_size_give_the_same(
        network_index in 0..NETWORKS.len(),
        length in 100usize..30_000,
        chunks in prop::collection::vec(1usize..3000, 1..40),
        int8: bool,
    ) {
        let precision = if int8 { Precision::Int8 } else { Precision::F32 };
        let model = network(NETWORKS[network_index], precision);
        let samples = &samples()[..length];
        let expected = whole(&model, samples);
        let mut stream = Stream::new(&model, 2);
        for _ in 0..2 {
            let mut rest = samples;
            let mut sizes = chunks.iter().cycle();
            while !rest.is_empty() {
                let (chunk, after) = rest.split_at(rest.len().min(*sizes.next().unwrap()));
                stream.push(1, chunk);
                rest = after;
                if stream.front_end.is_ready(1) {
                    stream.look(1, length - rest.len(), Goal::Partial);
                    prop_assert!(!stream.front_end.is_ready(1));
                }
            }
            stream.look(1, length, Goal::Final);
            prop_assert!(stream.frames[1] == expected.0, "other frames");
            prop_assert_eq!(stream.tokens(1), expected.1.clone());
            stream.reset(1);
        }
    }

    /// Streams that share the encoder's calls, each at its own place, get what each would get alone.
    #[test]
    fn streams_in_one_batch_do_not_touch_each_other(
        network_index in 0..NETWORKS.len(),
        starts in prop::collection::vec(0usize..20_000, 2..7),
        int8: bool,
    ) {
        let precision = if int8 { Precision::Int8 } else { Precision::F32 };
        let model = network(NETWORKS[network_index], precision);
        let all = samples();
        let mut stream = Stream::new(&model, starts.len());
        let clips: Vec<&[i16]> = starts.iter().map(|&start| &all[start..]).collect();
        const CHUNK: usize = 1280;
        let longest = clips.iter().map(|clip| clip.len()).max().unwrap_or(0);
        for end in (CHUNK..longest + 2 * CHUNK).step_by(CHUNK) {
            let mut begun = Vec::new();
            for (slot, clip) in clips.iter().enumerate() {
                let chunk = &clip[(end - CHUNK).min(clip.len())..end.min(clip.len())];
                stream.push(slot, chunk);
                if chunk.len() < CHUNK && (end - CHUNK) <= clip.len() {
                    stream.send(slot, clip.len(), Goal::Final);
                    begun.push((slot, Goal::Final));
                } else if chunk.len() == CHUNK && stream.front_end.is_ready(slot) {
                    stream.send(slot, end, Goal::Partial);
                    begun.push((slot, Goal::Partial));
                }
            }
            for (slot, goal) in begun {
                stream.finish(slot, goal);
            }
        }
        for (slot, clip) in clips.iter().enumerate() {
            let (frames, tokens) = whole(&model, clip);
            prop_assert!(stream.frames[slot] == frames, "other frames in slot {slot}");
            prop_assert_eq!(stream.tokens(slot), tokens);
        }
    }
}

#[test]
fn sizes_that_do_not_fit_are_named() {
    let mut wrong = weights("base-like").config;
    wrong.segment_length = 15;
    assert!(wrong.check().unwrap_err().to_string().contains("multiple"));
}

#[test]
fn an_imported_network_is_the_same_from_its_packed_file() {
    let folder = tempfile::tempdir().unwrap();
    let config = folder.path().join("config.json");
    let mut text = std::fs::read_to_string(streaming::data("base-like.config.json")).unwrap();
    text = text.replacen('{', r#"{"arch": "emformer-rnnt", "sample_rate": 16000, "ctc": true,"#, 1);
    std::fs::write(&config, &text).unwrap();
    let source = Source {
        checkpoint: streaming::data("base-like.pt"),
        tokens: streaming::data("unigram.spm"),
        statistics: Some(streaming::data("base-like.stats.json")),
        config: Some(config.clone()),
    };
    let statistics = source.statistics.clone().unwrap();
    let cache_dir = Some(folder.path().join("cache"));
    let manager = Manager::new(Options { cache_dir, ..Options::default() }).unwrap();
    for precision in [Precision::F32, Precision::Int8] {
        let files = [&source.checkpoint, &source.tokens, &statistics, &config];
        let files: Vec<_> = emformer::FILES.into_iter().zip(files.map(PathBuf::as_path)).collect();
        let files = manager.import("small", "emformer-rnnt", "MIT", &files).unwrap();
        let packed = pack(&files, precision).unwrap();
        assert_eq!(verify(&files).unwrap().last(), Some(&packed));
        let mut no_note = |note: &str| panic!("{note}");
        let (model, tokens): (Emformer, SentencePiece) = ready(&files, precision, &mut no_note).unwrap();
        let (expected, found) = (network("base-like", precision), model);
        assert_eq!(whole(&found, &samples()), whole(&expected, &samples()));
        assert_eq!(tokens, SentencePiece::read(&source.tokens).unwrap());
    }
    std::fs::write(&config, text.replace("16000", "8000")).unwrap();
    let refused = prepare::config(&config).unwrap_err().to_string();
    assert!(refused.contains("sample_rate: wrong value (expected 16000, found 8000)"), "{refused}");
    std::fs::write(&config, text.replace("num_symbols", "symbols")).unwrap();
    assert!(prepare::config(&config).unwrap_err().to_string().contains("symbols"));
}

#[test]
fn damaged_checkpoints_are_refused_and_nothing_worse() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("damaged.pt");
    let whole = std::fs::read(streaming::data("stateless.pt")).unwrap();
    for end in (0..whole.len()).step_by(997) {
        std::fs::write(&file, &whole[..end]).unwrap();
        assert!(checkpoint::read(&file).is_err(), "cut off at {end}");
    }
    // Flipped bits in what describes the tensors: refused, or other tensors, but never a panic.
    for at in (0..2000).step_by(7) {
        let mut bytes = whole.clone();
        bytes[at] ^= 0x55;
        std::fs::write(&file, &bytes).unwrap();
        let _ = checkpoint::read(&file);
    }
    let tokens = folder.path().join("damaged.spm");
    std::fs::write(&tokens, b"no such model").unwrap();
    assert!(SentencePiece::read(&tokens).is_err());
    assert!(SentencePiece::read(&folder.path().join("absent")).is_err());
}

#[test]
fn text_is_cut_as_sentencepiece_cuts_it() {
    let expected = std::fs::read_to_string(streaming::data("vocabularies.json")).unwrap();
    let expected: serde_json::Value = serde_json::from_str(&expected).unwrap();
    for kind in ["unigram", "bpe"] {
        let tokens = SentencePiece::read(&streaming::data(&format!("{kind}.spm"))).unwrap();
        assert_eq!(tokens.tokenizer().len(), expected[kind]["pieces"].as_array().unwrap().len());
        for encoding in expected[kind]["encodings"].as_array().unwrap() {
            let phrase = encoding[0].as_str().unwrap();
            let ids: Vec<u32> = serde_json::from_value(encoding[1].clone()).unwrap();
            // Id 0 is the unknown piece.
            let ids = (!ids.contains(&0)).then_some(ids);
            assert_eq!(tokens.encode(phrase), ids, "{kind}: {phrase}");
        }
    }
}

/// The decoder after all of `samples` as one segment, listening for `hotwords`.
fn decoded<S: StreamStrategy<Heads>>(name: &str, hotwords: Option<Arc<Hotwords>>) -> TransducerDecoder<S> {
    let model: Emformer<S> = network(name, Precision::F32).decoded_by();
    let (samples, budget, mut faults) = (samples(), Budget::unlimited(), Faults::NONE);
    let (mut front_end, mut encoder) = (model.front_end(1), model.encoder(1, Team::alone()));
    let (mut decoder, mut span) = (model.decoder(1), model.span());
    let mut options = DecodeOptions::default();
    options.hotwords = hotwords;
    assert!(decoder.set_options(0, Some(Arc::new(options))).is_none());
    front_end.push(0, &samples, &mut faults);
    // Twice: what a segment leaves behind does not matter to the next, and hotwords stay.
    for _ in 0..2 {
        encoder.reset(0);
        decoder.reset(0);
        front_end.begin(0, samples.len(), Goal::Final);
        while front_end.step(&mut span, &budget, &mut faults) == Progress::More {}
        encoder.begin(0, &mut span);
        while encoder.step(&mut span, &budget, &mut faults) == Progress::More {}
        decoder.begin(0, &mut span, Goal::Final.into());
        while decoder.step(&mut span, &budget, &mut faults) == Progress::More {}
    }
    assert!(faults.is_none());
    decoder
}

fn ids(tokens: &[Token]) -> Vec<u32> {
    tokens.iter().map(|token| token.id).collect()
}

/// Compares n-best lists with those of the reference.
fn same_hypotheses(name: &str, kind: &str, n_best: impl Fn(usize, &mut Vec<Token>) -> Option<f32>) {
    let expected = reference(name);
    let tokens = expected.get(&format!("{kind}_tokens")).unwrap();
    let scores = expected.get(&format!("{kind}_scores")).unwrap().data();
    let width = tokens.shape()[1];
    for (rank, (row, score)) in tokens.data().chunks_exact(width).zip(scores).enumerate() {
        let row: Vec<u32> = row.iter().take_while(|&&id| id >= 0.0).map(|&id| id as u32).collect();
        let mut found = Vec::new();
        let found_score = n_best(rank, &mut found).unwrap();
        assert_eq!(ids(&found), row, "{name}, {kind} {rank}");
        assert!((found_score - score).abs() < 1e-2, "{name}, {kind} {rank}: {found_score} {score}");
    }
    assert_eq!(n_best(scores.len(), &mut Vec::new()), None);
}

#[test]
fn beams_find_the_hypotheses_of_the_plain_search() {
    NETWORKS.into_iter().for_each(check_beam);
}

fn check_beam(name: &str) {
    let decoder = decoded::<TransducerBeam<4>>(name, None);
    same_hypotheses(name, "beam", |rank, tokens| decoder.strategy().n_best(0, rank, tokens));
    let mut best = Vec::new();
    decoder.strategy().n_best(0, 0, &mut best);
    let hypothesis = decoder.hypothesis(0);
    assert_eq!((hypothesis.tokens(), hypothesis.stable()), (&best[..], best.len()));
}

#[test]
fn ctc_finds_what_the_plain_loops_find() {
    NETWORKS.into_iter().for_each(check_ctc);
}

fn check_ctc(name: &str) {
    let greedy = decoded::<CtcGreedy>(name, None);
    let expected = integers(&reference(name), "ctc_greedy_tokens");
    assert_eq!(ids(greedy.hypothesis(0).tokens()), expected, "{name}");
    let beam = decoded::<CtcPrefixBeam<4>>(name, None);
    same_hypotheses(name, "ctc_beam", |rank, tokens| beam.strategy().n_best(0, rank, tokens));
}

fn phrase_is_raised<S: StreamStrategy<Heads>>(name: &str, phrase: [u32; 2]) {
    let count = |decoder: &TransducerDecoder<S>| {
        let found = ids(decoder.hypothesis(0).tokens());
        found.windows(2).filter(|pair| **pair == phrase).count()
    };
    let without = decoded::<S>(name, None);
    let hotwords = |cap| Some(Arc::new(Hotwords::new([(&phrase[..], 8.0)], cap)));
    assert!(count(&decoded::<S>(name, hotwords(200.0))) > count(&without), "{name}");
    // A cap of nothing leaves everything as it is.
    let capped = decoded::<S>(name, hotwords(0.0));
    assert_eq!(capped.hypothesis(0).tokens(), without.hypothesis(0).tokens(), "{name}");
}

#[test]
fn hotwords_raise_their_phrases_in_every_strategy() {
    phrase_is_raised::<TransducerGreedy>("base-like", [11, 23]);
    phrase_is_raised::<TransducerBeam<4>>("base-like", [11, 23]);
    phrase_is_raised::<CtcGreedy>("base-like", [11, 23]);
    phrase_is_raised::<CtcPrefixBeam<4>>("base-like", [11, 23]);
}
