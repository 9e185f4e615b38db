//! Turns: Smart Turn against the probabilities of its own package, run by onnxruntime.
//!
//! The golden results and their origin are described in `tests/golden/README.md`.
#![cfg(feature = "fetch")]
#![expect(clippy::print_stdout, reason = "absent clips and the distances are to be seen")]

mod recordings;

use recordings::{golden, recording, wav};
use std::fs;
use std::sync::OnceLock;
use voxlane_models::budget::{Budget, Progress};
use voxlane_models::families::smart_turn;
use voxlane_models::manager;
use voxlane_models::turn::{SmartTurn, SmartTurnError, TURN_SAMPLES, TurnDetector};

fn smart_turn() -> &'static SmartTurn {
    static SMART_TURN: OnceLock<SmartTurn> = OnceLock::new();
    let load = || {
        let files = manager::fetch("smart-turn").unwrap();
        smart_turn::load(files.path("smart-turn-v3.2-cpu.onnx")).unwrap()
    };
    SMART_TURN.get_or_init(load)
}

fn look(detector: &mut TurnDetector, samples: &[i16]) -> f32 {
    detector.begin(samples);
    assert_eq!(detector.step(&Budget::unlimited()), Progress::Done);
    detector.probability()
}

#[test]
fn smart_turn_gives_the_probabilities_of_its_own_package() {
    // Where products are not fused, the last bits of what is rounded differ, and with them some bytes.
    let is_exact = voxlane_kernels::isa::active() != voxlane_kernels::isa::Isa::Scalar;
    let mut detector = smart_turn().detector();
    let (mut distances, mut absent, mut flips) = (Vec::new(), 0, 0);
    for line in fs::read_to_string(golden("turn.tsv")).unwrap().lines().skip(1) {
        let [clip, percent, samples, expected] = line.split('\t').collect::<Vec<_>>()[..] else {
            panic!("four columns: {line}");
        };
        let Some(audio) = recording(clip) else {
            absent += 1;
            continue;
        };
        let audio = &audio[..audio.len() * percent.parse::<usize>().unwrap() / 100];
        assert_eq!(audio.len(), samples.parse::<usize>().unwrap(), "{clip} is another recording");
        let (ours, expected) = (look(&mut detector, audio), expected.parse::<f32>().unwrap());
        let distance = (ours - expected).abs();
        assert!(!is_exact || distance <= 0.02, "{clip}, {percent} %: {ours}, the package says {expected}");
        flips += usize::from((ours > 0.5) != (expected > 0.5));
        distances.push(distance);
    }
    distances.sort_by(f32::total_cmp);
    let [median, tenth, largest] =
        [0.5, 0.9, 1.0].map(|share| distances[(share * (distances.len() - 1) as f64) as usize]);
    let count = distances.len();
    println!("{count} looks, off by {median:e} (median), {tenth:e} (90th percentile), {largest:e} (most)");
    println!("{flips} on the other side of one half; {absent} recordings are not on this machine");
    assert!(count >= 6 && median <= 0.02);
}

#[test]
fn a_look_in_units_and_after_another_gives_the_same_bits() {
    let speech = wav(&golden("LJ001-0013.wav"));
    let mut detector = smart_turn().detector();
    let expected = look(&mut detector, &speech);
    let (mut steps, budget) = (1, Budget::one_unit());
    let mut other = smart_turn().detector();
    // A look in flight that is dropped leaves nothing behind.
    other.begin(&speech[..9000]);
    for _ in 0..500 {
        other.step(&budget);
    }
    other.begin(&speech);
    while other.step(&budget) == Progress::More {
        steps += 1;
    }
    assert_eq!(other.probability().to_bits(), expected.to_bits());
    assert!(steps > 400, "{steps} units");
    assert_eq!(other.step(&budget), Progress::Done, "nothing is left");
    assert_eq!(other.probability().to_bits(), expected.to_bits());
}

#[test]
fn only_the_newest_samples_count_and_any_number_of_them_will_do() {
    let mut detector = smart_turn().detector();
    let speech: Vec<i16> =
        wav(&golden("LJ001-0013.wav")).into_iter().cycle().take(TURN_SAMPLES + 777).collect();
    let newest = look(&mut detector, &speech[777..]);
    assert_eq!(look(&mut detector, &speech).to_bits(), newest.to_bits());
    let extremes: Vec<i16> = (0..70_000).map(|i| if i / 40 % 2 == 0 { i16::MIN } else { i16::MAX }).collect();
    for samples in [&[][..], &[1], &[0; 5000], &extremes] {
        let probability = look(&mut detector, samples);
        assert!((0.0..=1.0).contains(&probability), "{probability} of {} samples", samples.len());
    }
}

#[test]
fn another_file_is_refused_with_the_place_where_it_parts() {
    let files = manager::fetch("silero-vad").unwrap();
    let error = smart_turn::load(files.path("silero_vad_16k_op15.onnx")).unwrap_err();
    assert!(
        matches!(error, SmartTurnError::File(_)) && error.to_string().contains("QuantizeLinear"),
        "{error}"
    );
    let missing = smart_turn::load(&golden("no-such.onnx")).unwrap_err();
    assert!(missing.to_string().contains("cannot be read"), "{missing}");
}

#[test]
fn weights_of_another_size_or_without_a_scale_are_refused() {
    let files = manager::fetch("smart-turn").unwrap();
    let weights = smart_turn::import(files.path("smart-turn-v3.2-cpu.onnx")).unwrap();
    let refused = |change: &dyn Fn(&mut voxlane_models::networks::smart_turn::SmartTurnWeights),
                   what: &str| {
        let mut changed = weights.clone();
        change(&mut changed);
        let error = SmartTurn::new(&changed).unwrap_err().to_string();
        assert!(error.contains(what), "{error}");
    };
    refused(&|weights| weights.layers.truncate(3), "layers");
    refused(&|weights| weights.positions.truncate(7), "positions");
    refused(&|weights| weights.layers[1].key.scales.truncate(9), "scales");
    refused(&|weights| weights.second.weight.clear(), "weights");
    refused(&|weights| weights.layers[2].scores.scale = 0.0, "scale");
    refused(&|weights| weights.first.to.scale = f32::NAN, "scale");
    refused(&|weights| weights.norm.bias.clear(), "norm");
    refused(&|weights| weights.layers[0].weights.zero_point = 3, "weight of zero");
}

#[test]
fn a_file_with_damaged_bytes_gives_an_error_or_a_probability() {
    let files = manager::fetch("smart-turn").unwrap();
    let bytes = fs::read(files.path("smart-turn-v3.2-cpu.onnx")).unwrap();
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("damaged.onnx");
    let mut place = 1u64;
    for round in 0..12 {
        let mut damaged = bytes.clone();
        for _ in 0..4 {
            place = place.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            // Half of the rounds strike the graph, which lies before and behind the weights.
            let at = (place >> 33) as usize % if round % 2 == 0 { bytes.len() } else { 60_000 };
            damaged[at] ^= 1 << (place % 8);
        }
        fs::write(&file, damaged).unwrap();
        if let Ok(network) = smart_turn::load(&file) {
            look(&mut network.detector(), &[1000; 20_000]);
        }
    }
    fs::write(&file, &bytes[..bytes.len() / 2]).unwrap();
    assert!(smart_turn::load(&file).is_err());
}
