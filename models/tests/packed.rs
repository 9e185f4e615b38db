//! Packed files: what is read back is what was written, and nothing else is ever taken for it.

#[path = "support/altered.rs"]
mod altered;
mod support;

use altered::altered;
use std::fs;
use std::path::{Path, PathBuf};
use support::{Noise, network};
use voxlane_models::buffer::bytes_made;
use voxlane_models::decode::AttentionGreedy;
use voxlane_models::families::moonshine::{Moonshine, packed};
use voxlane_models::formats::packed::{Origin, PackedError, PackedFile};
use voxlane_models::layers::linear::Precision;
use voxlane_models::model::{Model, WorkingMemory};
use voxlane_models::offline::transcribe_tokens;
use voxlane_models::team::Team;
use voxlane_models::tokenizers::{PieceKind, Tokenizer};

fn origin(precision: Precision) -> Origin {
    Origin { model: "toy".into(), precision: precision.name().into(), sources: "0123456789abcdef".into() }
}

fn tokenizer() -> Tokenizer {
    let pieces: [(PieceKind, &[u8]); 3] =
        [(PieceKind::Special, b"<s>"), (PieceKind::Text, b" so"), (PieceKind::Byte, &[0xc3])];
    Tokenizer::from_pieces(pieces).unwrap()
}

fn network_in(precision: Precision) -> Moonshine {
    Moonshine::new(&Noise::new(1).weights(), precision)
}

/// Writes the small network into `folder`.
fn written(folder: &Path, precision: Precision) -> PathBuf {
    let file = folder.join("toy.packed");
    packed::write(&file, &origin(precision), &network_in(precision), &tokenizer()).unwrap();
    file
}

fn load(file: &Path, precision: Precision) -> Result<(Moonshine<AttentionGreedy>, Tokenizer), PackedError> {
    packed::load(&PackedFile::open(file)?, &origin(precision))
}

#[test]
fn what_is_read_back_gives_the_same_bits_in_every_precision() {
    let folder = tempfile::tempdir().unwrap();
    let samples = Noise::new(5).samples(30_000);
    for precision in Precision::ALL {
        let file = written(folder.path(), precision);
        PackedFile::open(&file).unwrap().verify().unwrap();
        let (model, vocabulary) = load(&file, precision).unwrap();
        assert_eq!(vocabulary, tokenizer());
        let expected = transcribe_tokens(&network_in(precision), &samples);
        assert!(!expected.0.is_empty());
        assert_eq!(transcribe_tokens(&model, &samples), expected, "{precision}");
    }
}

#[test]
fn a_mapped_network_survives_its_file() {
    let folder = tempfile::tempdir().unwrap();
    let file = written(folder.path(), Precision::F32);
    let (model, _) = load(&file, Precision::F32).unwrap();
    fs::remove_file(&file).unwrap();
    let samples = Noise::new(6).samples(20_000);
    let expected = transcribe_tokens(&network(), &samples);
    assert_eq!(transcribe_tokens(&model, &samples), expected);
}

#[test]
fn a_file_of_other_origin_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    let file = written(folder.path(), Precision::Int8);
    let refused = load(&file, Precision::F32).err().unwrap();
    assert!(matches!(refused, PackedError::Origin { .. }), "{refused}");
    let opened = PackedFile::open(&file).unwrap();
    let other = Origin { sources: "another".into(), ..origin(Precision::Int8) };
    assert!(packed::load::<AttentionGreedy>(&opened, &other).is_err());
}

#[test]
fn a_file_of_another_version_or_byte_order_is_told_from_a_damaged_one() {
    let folder = tempfile::tempdir().unwrap();
    let file = written(folder.path(), Precision::Int8);
    let whole = fs::read(&file).unwrap();
    for at in [8, 12] {
        let mut other = whole.clone();
        other[at] ^= 0x55;
        fs::write(&file, other).unwrap();
        assert!(matches!(PackedFile::open(&file).unwrap_err(), PackedError::Layout { .. }));
    }
}

#[test]
fn a_truncated_or_longer_file_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    let file = written(folder.path(), Precision::Int8);
    let whole = fs::read(&file).unwrap();
    let mut noise = Noise::new(7);
    let mut lengths: Vec<usize> = (0..200).map(|_| noise.below(whole.len())).collect();
    lengths.extend((0..80).chain([whole.len() - 1]));
    for length in lengths {
        fs::write(&file, &whole[..length]).unwrap();
        assert!(PackedFile::open(&file).is_err(), "{length} bytes of {}", whole.len());
    }
    fs::write(&file, [&whole[..], &[0]].concat()).unwrap();
    assert!(PackedFile::open(&file).is_err());
}

#[test]
fn a_flipped_bit_is_found_on_opening_or_verifying_and_never_misread_as_structure() {
    let folder = tempfile::tempdir().unwrap();
    let file = written(folder.path(), Precision::Int8);
    let whole = fs::read(&file).unwrap();
    let samples = Noise::new(8).samples(2_000);
    let mut noise = Noise::new(9);
    let (mut opened, mut refused) = (0, 0);
    // Half of the flips fall into the first pages, where header and fields are.
    for round in 0..300 {
        let byte = noise.below(if round % 2 == 0 { 8192 } else { whole.len() });
        let mut damaged = whole.clone();
        damaged[byte] ^= 1 << noise.below(8);
        fs::write(&file, damaged).unwrap();
        let Ok(packed) = PackedFile::open(&file) else {
            refused += 1;
            continue;
        };
        opened += 1;
        // Only weights, or the gap before them, can be wrong now: the network runs, whatever it says.
        let (model, _) = packed::load::<AttentionGreedy>(&packed, &origin(Precision::Int8)).unwrap();
        transcribe_tokens(&model, &samples);
        let is_in_gap = packed.verify().is_ok();
        assert!(!is_in_gap || whole[byte] == 0, "a flip of byte {byte} went unseen");
    }
    assert!(opened > 0 && refused > 0, "{opened} opened, {refused} refused");
}

#[test]
fn the_memory_that_is_computed_is_that_which_is_taken_or_a_little_more() {
    for precision in Precision::ALL {
        let model = network_in(precision);
        for slots in [1, 5] {
            let taken = bytes_made(|| {
                (model.front_end(slots), model.encoder(slots, Team::alone()), model.decoder(slots))
            });
            let WorkingMemory { parts, span } = model.working_memory(slots).unwrap();
            assert!((taken..8 * taken).contains(&parts), "{precision}, {slots}: {parts} for {taken}");
            let taken = bytes_made(|| model.span());
            assert!((taken..2 * taken).contains(&span), "{span} for {taken}");
        }
    }
}

#[test]
fn fields_that_were_changed_and_hashed_again_are_refused_or_run() {
    let folder = tempfile::tempdir().unwrap();
    let samples = Noise::new(8).samples(4_000);
    let mut noise = Noise::new(11);
    for precision in [Precision::Int8, Precision::F32] {
        let file = written(folder.path(), precision);
        let whole = fs::read(&file).unwrap();
        let (mut ran, mut refused) = (0, 0);
        for round in 0..1500 {
            fs::write(&file, altered(&whole, round, &mut noise)).unwrap();
            match load(&file, precision) {
                Ok((model, _)) => {
                    transcribe_tokens(&model, &samples);
                    ran += 1;
                }
                Err(_) => refused += 1,
            }
        }
        assert!(ran > 0 && refused > ran, "{precision}: {ran} ran, {refused} were refused");
    }
}
