//! Voice activity: Silero against the probabilities of its own package, and what every detector must do.
//!
//! The golden results and their origin are described in `tests/golden/README.md`.
#![cfg(feature = "fetch")]
#![expect(clippy::print_stdout, reason = "absent clips and the largest distance are to be seen")]

mod recordings;

use recordings::{golden, recording};
use std::fs;
use std::sync::OnceLock;
use voxlane_models::families::silero;
use voxlane_models::manager;
use voxlane_models::voice::{
    EnergyDetector, Silero, SileroDetector, SileroError, VOICE_FRAME_SAMPLES, VoiceDetector,
};

fn silero(slots: usize) -> SileroDetector {
    static SILERO: OnceLock<Silero> = OnceLock::new();
    let load = || {
        let files = manager::fetch("silero-vad").unwrap();
        silero::load(files.path("silero_vad_16k_op15.onnx")).unwrap()
    };
    SILERO.get_or_init(load).detector(slots)
}

/// One probability for each whole frame.
fn probabilities(detector: &mut dyn VoiceDetector, samples: &[i16]) -> Vec<f32> {
    detector.reset(0);
    samples.as_chunks::<VOICE_FRAME_SAMPLES>().0.iter().map(|frame| detector.step(0, frame)).collect()
}

/// Reproducible noise from -32768 to 32767 (a 32-bit linear congruential generator, upper bits).
struct Noise(u32);

impl Noise {
    fn sample(&mut self) -> i32 {
        self.0 = self.0.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        (self.0 >> 16) as i32 - 32768
    }

    fn below(&mut self, loudness: i32) -> i16 {
        (self.sample() * loudness / 32768) as i16
    }
}

/// The signal that the reference makes too: noise that rises and falls, under a square wave that comes and goes.
fn synthetic() -> Vec<i16> {
    let mut noise = Noise(1);
    let sample = |i: i32| {
        let loudness = (i % 16_000 - 8_000).abs();
        let square = if i / 61 % 2 == 0 { 6000 } else { -6000 };
        let sum = (noise.sample() * loudness).div_euclid(65_536) + if i / 4800 % 3 == 0 { square } else { 0 };
        sum as i16
    };
    (0..160_000).map(sample).collect()
}

#[test]
fn silero_gives_the_probabilities_of_its_own_package() {
    let mut detector = silero(1);
    let table = fs::read_to_string(golden("voice.tsv")).unwrap();
    let (mut compared, mut absent, mut largest) = (0, 0, 0f32);
    for line in table.lines().skip(1) {
        let [clip, samples, step, expected] = line.split('\t').collect::<Vec<_>>()[..] else {
            panic!("four columns: {line}");
        };
        let audio = if clip == "synthetic" { Some(synthetic()) } else { recording(clip) };
        let Some(audio) = audio else {
            absent += 1;
            continue;
        };
        assert_eq!(audio.len(), samples.parse::<usize>().unwrap(), "{clip} is another recording");
        let ours = probabilities(&mut detector, &audio);
        let ours: Vec<f32> = ours.into_iter().step_by(step.parse::<usize>().unwrap()).collect();
        let expected: Vec<f32> = expected.split(' ').map(|value| value.parse::<f32>().unwrap()).collect();
        assert_eq!(ours.len(), expected.len(), "{clip}");
        for (frame, (ours, expected)) in ours.iter().zip(&expected).enumerate() {
            let distance = (ours - expected).abs();
            assert!(distance <= 1e-4, "{clip}, value {frame}: {ours}, the package says {expected}");
            largest = largest.max(distance);
        }
        compared += 1;
    }
    println!("{compared} recordings compared, off by at most {largest:e}; {absent} are not on this machine");
    assert!(compared >= 5);
}

/// Sounds that are not speech, three seconds each.
fn sounds() -> Vec<(&'static str, Vec<i16>)> {
    let mut noise = Noise(7);
    let tone = |hertz: f32, loudness: f32| -> Vec<i16> {
        let sample = |i: usize| (i as f32 * hertz * std::f32::consts::TAU / 16_000.0).sin() * loudness;
        (0..48_000).map(|i| sample(i) as i16).collect()
    };
    vec![
        ("silence", vec![0; 48_000]),
        ("faint noise", (0..48_000).map(|_| noise.below(20)).collect()),
        ("white noise", (0..48_000).map(|_| noise.below(3000)).collect()),
        ("hum", tone(50.0, 3000.0)),
    ]
}

#[test]
fn silence_noise_and_hum_are_no_speech_and_speech_is() {
    let speech = recording("LJ001-0013").unwrap();
    let detectors: [(&str, Box<dyn VoiceDetector>); 2] =
        [("silero", Box::new(silero(1))), ("energy", Box::new(EnergyDetector::new(1)))];
    for (name, mut detector) in detectors {
        for (sound, samples) in sounds() {
            let probabilities = probabilities(&mut *detector, &samples);
            // The energy detector may take up to two seconds to learn how loud a noise is.
            let settled = &probabilities[65..];
            let most = settled.iter().copied().fold(0.0, f32::max);
            assert!(most < 0.35, "{name} finds speech in {sound}: {most}");
        }
        let found = probabilities(&mut *detector, &speech);
        let share = found.iter().filter(|&&p| p > 0.5).count() as f32 / found.len() as f32;
        assert!(share > 0.8, "{name} finds speech in {share} of a recording of speech");
    }
}

#[test]
fn the_energy_detector_agrees_with_silero_on_most_frames_of_speech_in_noise() {
    let mut noise = Noise(3);
    let mut samples = vec![0; 48_000];
    samples.extend(recording("beckett").unwrap());
    samples.extend(vec![0; 32_000]);
    samples.iter_mut().for_each(|sample| *sample = sample.saturating_add(noise.below(60)));
    let reference = probabilities(&mut silero(1), &samples);
    let energy = probabilities(&mut EnergyDetector::new(1), &samples);
    let agreed = reference.iter().zip(&energy).filter(|(a, b)| (**a > 0.5) == (**b > 0.5)).count();
    let share = agreed as f32 / reference.len() as f32;
    println!("both say the same on {share} of the frames");
    assert!(share > 0.8, "{share}");
}

#[test]
fn slots_do_not_hear_each_other_and_reset_forgets() {
    let (speech, mut noise) = (synthetic(), Noise(5));
    let detectors: [Box<dyn VoiceDetector>; 2] = [Box::new(silero(3)), Box::new(EnergyDetector::new(3))];
    for mut detector in detectors {
        let alone = probabilities(&mut *detector, &speech);
        detector.reset(0);
        for (frame, &expected) in speech.as_chunks::<VOICE_FRAME_SAMPLES>().0.iter().zip(&alone) {
            let other = std::array::from_fn(|_| noise.below(9000));
            detector.step(2, &other);
            assert_eq!(detector.step(0, frame).to_bits(), expected.to_bits());
        }
        let again = detector.step(1, speech.as_chunks().0.first().unwrap());
        assert_eq!(again.to_bits(), alone[0].to_bits(), "a fresh slot is like a reset one");
    }
}

#[test]
fn every_sample_can_be_the_loudest_and_the_probability_stays_one() {
    let extremes: Vec<i16> = (0..8192).map(|i| if i / 40 % 2 == 0 { i16::MIN } else { i16::MAX }).collect();
    let detectors: [Box<dyn VoiceDetector>; 2] = [Box::new(silero(1)), Box::new(EnergyDetector::new(1))];
    for mut detector in detectors {
        for probability in probabilities(&mut *detector, &extremes) {
            assert!((0.0..=1.0).contains(&probability), "{probability}");
        }
    }
}

#[test]
fn another_file_is_refused_with_the_place_where_it_parts() {
    let files = manager::fetch("moonshine-tiny").unwrap();
    let error = silero::load(files.path("encoder_model.onnx")).unwrap_err();
    assert!(matches!(error, SileroError::File(_)) && error.to_string().contains("Pad"), "{error}");
    let missing = silero::load(&golden("no-such.onnx")).unwrap_err();
    assert!(missing.to_string().contains("cannot be read"), "{missing}");
}
