//! Packed files of the Emformer family: fields that somebody altered, and hashed again, are refused or make a network that
//! runs.

#[path = "support/altered.rs"]
mod altered;
#[allow(dead_code, reason = "each test program uses its part")]
mod streaming;
#[allow(dead_code, reason = "each test program uses its part")]
mod support;

use altered::altered;
use std::fs;
use streaming::{NETWORKS, data, network, samples};
use support::Noise;
use voxlane_models::decode::{CtcGreedy, CtcPrefixBeam, TransducerBeam, TransducerGreedy};
use voxlane_models::families::emformer::{Emformer, packed};
use voxlane_models::formats::packed::{Origin, PackedError, PackedFile};
use voxlane_models::layers::linear::Precision;
use voxlane_models::model::Model;
use voxlane_models::offline::transcribe_tokens;
use voxlane_models::tokenizers::SentencePiece;

/// Larger networks are let in, and not run here: it would take long.
const MAX_RUN_BYTES: usize = 64 << 20;

fn origin() -> Origin {
    Origin { model: "toy".into(), precision: "any".into(), sources: "0123456789abcdef".into() }
}

fn load(file: &std::path::Path) -> Result<(Emformer<TransducerGreedy>, SentencePiece), PackedError> {
    packed::load(&PackedFile::open(file)?, &origin())
}

/// Runs `model` by every strategy that it has a head for.
fn run(model: &Emformer, tokens: &SentencePiece, samples: &[i16]) {
    let memory = model.working_memory(1).unwrap();
    if memory.parts + memory.span > MAX_RUN_BYTES {
        return;
    }
    let (found, _) = transcribe_tokens(model, samples);
    tokens.tokenizer().decode(found.iter().map(|token| token.id));
    tokens.encode("so many words");
    transcribe_tokens(&model.decoded_by::<TransducerBeam<4>>(), samples);
    if model.has_ctc() {
        transcribe_tokens(&model.decoded_by::<CtcGreedy>(), samples);
        transcribe_tokens(&model.decoded_by::<CtcPrefixBeam<4>>(), samples);
    }
}

#[test]
fn fields_of_an_emformer_that_were_changed_and_hashed_again_are_refused_or_run() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("toy.packed");
    let tokens = SentencePiece::read(&data("unigram.spm")).unwrap();
    let samples = &samples()[..6_000];
    let mut noise = Noise::new(12);
    for (name, precision) in NETWORKS.into_iter().zip([Precision::Int8, Precision::F32, Precision::Int8]) {
        packed::write(&file, &origin(), &network(name, precision), &tokens).unwrap();
        let whole = fs::read(&file).unwrap();
        let (mut ran, mut refused) = (0, 0);
        for round in 0..1000 {
            fs::write(&file, altered(&whole, round, &mut noise)).unwrap();
            match load(&file) {
                Ok((model, tokens)) => {
                    run(&model, &tokens, samples);
                    ran += 1;
                }
                Err(_) => refused += 1,
            }
        }
        assert!(ran > 0 && refused > 0, "{name}: {ran} ran, {refused} were refused");
    }
}

#[test]
fn an_emformer_that_is_read_back_gives_the_same_bits() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("toy.packed");
    let tokens = SentencePiece::read(&data("bpe.spm")).unwrap();
    for (name, precision) in NETWORKS.into_iter().flat_map(|name| Precision::ALL.map(|by| (name, by))) {
        let model = network(name, precision);
        packed::write(&file, &origin(), &model, &tokens).unwrap();
        PackedFile::open(&file).unwrap().verify().unwrap();
        let (read, vocabulary) = load(&file).unwrap();
        assert!(vocabulary == tokens);
        assert_eq!(transcribe_tokens(&read, &samples()), transcribe_tokens(&model, &samples()), "{name}");
    }
}
