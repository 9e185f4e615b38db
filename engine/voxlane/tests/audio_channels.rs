//! What becomes of several channels: their mean, one of them, and the louder one where they cancel.
#![cfg(feature = "files")]
#![allow(clippy::print_stdout, reason = "says that the clips are absent")]

use std::io::Write;
use std::path::{Path, PathBuf};

use voxlane::audio::file::{
    Block, Channels, Oddity, Place, Problem, Reader, ReaderOptions, Samples, Warning, read,
};

#[path = "support/containers.rs"]
mod containers;
use containers::{Container, Encoding, Layout, Number};

const S16: Encoding = Encoding(Number::S16, false);
const F32: Encoding = Encoding(Number::F32, false);

fn read_as(bytes: &[u8], channels: Channels) -> (Vec<f64>, Vec<Warning>, bool) {
    let mut file = tempfile::NamedTempFile::new().unwrap();
    file.write_all(bytes).unwrap();
    let mut reader =
        Reader::open_with(file.path(), ReaderOptions { channels, ..ReaderOptions::default() }).unwrap();
    let (mut samples, mut is_exact) = (Vec::new(), true);
    while let Some(block) = reader.next_block().unwrap() {
        match block {
            Block::I16(block) => samples.extend(block.iter().map(|&s| f64::from(s) / 32_768.0)),
            Block::F32(block) => {
                is_exact = false;
                samples.extend(block.iter().map(|&s| f64::from(s)));
            }
        }
    }
    (samples, reader.warnings().to_vec(), is_exact)
}

/// The mix of channels in a file of floating-point samples, and its warnings.
fn mix(channels: &[&[f64]]) -> (Vec<f64>, Vec<Warning>) {
    let (samples, warnings, _) =
        read_as(&Layout::of_channels(Container::Wav, F32, channels).bytes(), Channels::Mix);
    assert_eq!(samples.len(), channels[0].len());
    (samples, warnings)
}

/// A voice of its own for each `pitch` in Hz: harmonics that swell and fade, with pauses.
fn voice(pitch: f64, seconds: f64) -> Vec<f64> {
    let value = |i: usize| {
        let t = i as f64 / 16_000.0;
        let phase = std::f64::consts::TAU * pitch * (t + 0.002 * (3.0 * t).sin());
        let harmonics: f64 = (1..12).map(|k| (f64::from(k) * phase).sin() / f64::from(k)).sum();
        0.2 * harmonics * (2.0 * std::f64::consts::TAU * t + pitch).sin().max(0.0)
    };
    (0..(16_000.0 * seconds) as usize).map(value).collect()
}

fn noise(seed: u64, level: f64, count: usize) -> Vec<f64> {
    let mut state = seed;
    let mut next = || {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (state >> 33) as f64 / f64::from(1u32 << 30) - 1.0
    };
    (0..count).map(|_| level * next()).collect()
}

fn map(samples: &[f64], change: impl Fn(f64) -> f64) -> Vec<f64> {
    samples.iter().map(|&s| change(s)).collect()
}

fn add(a: &[f64], b: &[f64]) -> Vec<f64> {
    a.iter().zip(b).map(|(a, b)| a + b).collect()
}

fn level(samples: &[f64]) -> f64 {
    (samples.iter().map(|s| s * s).sum::<f64>() / samples.len() as f64).sqrt()
}

fn assert_close(samples: &[f64], right: &[f64], what: &str) {
    let worst = samples.iter().zip(right).map(|(a, b)| (a - b).abs()).fold(0.0, f64::max);
    assert!(worst < 1e-6, "{what}: off by {worst}");
}

fn opposite(warnings: &[Warning]) -> Option<(usize, Place)> {
    match warnings {
        [] => None,
        [Warning { problem: Oddity::OppositePhase { channel }, place }] => Some((*channel, *place)),
        other => panic!("{other:?}"),
    }
}

#[test]
fn opposite_phase_costs_nothing_and_is_reported() {
    let voice = voice(120.0, 3.0);
    for (left, right, channel) in [(1.0, -1.0, 1), (-1.0, 1.0, 1), (0.4, -0.8, 2), (0.5, -0.3, 1)] {
        let (samples, warnings) = mix(&[&map(&voice, |s| left * s), &map(&voice, |s| right * s)]);
        let louder = map(&voice, |s| if channel == 1 { left * s } else { right * s });
        assert_close(&samples, &louder, "the louder channel");
        assert_eq!(opposite(&warnings).map(|(channel, _)| channel), Some(channel), "{left} and {right}");
    }
}

#[test]
fn opposite_phase_is_noticed_behind_silence_noise_and_offsets() {
    let voice = voice(150.0, 3.0);
    let silence = vec![0.0; 160_000];
    let first = [&silence[..], &voice].concat();
    let (samples, warnings) = mix(&[&first, &map(&first, |s| -s)]);
    assert_close(&samples, &first, "behind ten seconds of digital silence");
    let Some((1, Place::Time(start))) = opposite(&warnings) else { panic!("{warnings:?}") };
    assert!((9.9..10.6).contains(&start), "{start}");

    // Room noise of its own on each channel, and a constant part as of a cheap sound card.
    for (noise_level, offset) in [(0.001, 0.0), (0.02, 0.0), (0.0, 0.05), (0.01, 0.1)] {
        let [n1, n2] = [1, 2].map(|seed| noise(seed, noise_level, first.len()));
        let left = map(&add(&first, &n1), |s| s + offset);
        let right = map(&add(&map(&first, |s| -s), &n2), |s| s + offset);
        let (samples, warnings) = mix(&[&left, &right]);
        // The noise decides which of the two is louder.
        let Some((channel, _)) = opposite(&warnings) else { panic!("noise {noise_level}, offset {offset}") };
        let taken = if channel == 1 { &left } else { &right };
        let voiced = silence.len() + 4_000..first.len();
        let lost = level(&add(&samples[voiced.clone()], &map(&taken[voiced.clone()], |s| -s)));
        assert!(lost < 0.1 * level(&voice), "noise {noise_level}, offset {offset}: {lost}");
    }
}

/// Two cables that take up the same hum, and one of them with the wrong polarity.
#[test]
fn opposite_phase_is_noticed_under_hum_that_is_common_to_the_channels() {
    let voice = voice(150.0, 4.0);
    for hertz in [50.0, 60.0] {
        let hum = |i: usize| (std::f64::consts::TAU * hertz * i as f64 / 16_000.0).sin();
        // 4 dB above the voice.
        let gain = 1.58 * level(&voice) * std::f64::consts::SQRT_2;
        let hum: Vec<f64> = (0..voice.len()).map(|i| gain * hum(i)).collect();
        let (left, right) = (add(&voice, &hum), add(&map(&voice, |s| -s), &hum));
        let (samples, warnings) = mix(&[&left, &right]);
        let Some((channel, _)) = opposite(&warnings) else { panic!("{hertz} Hz") };
        let taken = if channel == 1 { &left } else { &right };
        // Next to all of it: the first block holds more hum than voice.
        let lost = level(&add(&samples, &map(taken, |s| -s)));
        assert!(lost < 0.1 * level(&voice), "{hertz} Hz: {lost}");
        // Hum in phase under a voice in phase is averaged as ever.
        let (samples, warnings) = mix(&[&left, &left]);
        assert_close(&samples, &left, "in phase");
        assert!(warnings.is_empty(), "{hertz} Hz: {warnings:?}");
    }
}

#[test]
fn opposite_phase_that_begins_in_the_middle_costs_no_word() {
    let (first, second) = (voice(110.0, 4.0), voice(190.0, 4.0));
    let left = [&first[..], &second].concat();
    let right = [first.clone(), map(&second, |s| -s)].concat();
    let (samples, warnings) = mix(&[&left, &right]);
    // At most the fade of 10 ms and the rest of its block of 100 ms differ.
    let wrong: Vec<usize> = (0..left.len()).filter(|&i| (samples[i] - left[i]).abs() > 1e-4).collect();
    assert!(wrong.len() <= 160, "{} samples", wrong.len());
    assert!(opposite(&warnings).is_some());
    // And back.
    let (samples, _) = mix(&[&left, &[map(&first, |s| -s), second].concat()]);
    let wrong = (0..left.len()).filter(|&i| (samples[i] - left[i]).abs() > 1e-4).count();
    assert!(wrong <= 160, "{wrong} samples");
}

#[test]
fn channels_that_do_not_cancel_are_averaged_without_a_warning() {
    let (one, two) = (voice(110.0, 6.0), voice(203.0, 6.0));
    let silence = vec![0.0; one.len()];
    let [n1, n2] = [3, 4].map(|seed| noise(seed, 0.1, one.len()));
    let cases: [(&str, Vec<f64>, Vec<f64>); 6] = [
        ("the same twice", one.clone(), one.clone()),
        ("one channel is silent", one.clone(), silence.clone()),
        ("two speakers", one.clone(), two.clone()),
        ("speech and noise", one.clone(), n1.clone()),
        ("noises", n1, n2),
        ("silence", silence.clone(), silence),
    ];
    for (what, left, right) in cases {
        let (samples, warnings) = mix(&[&left, &right]);
        assert_close(&samples, &map(&add(&left, &right), |s| s / 2.0), what);
        assert!(warnings.is_empty(), "{what}: {warnings:?}");
    }
}

#[test]
fn noise_of_opposite_phase_under_speech_in_phase_is_no_reason_to_warn() {
    let voice = voice(130.0, 6.0);
    let quiet = noise(5, 0.0005, voice.len());
    let (_, warnings) = mix(&[&add(&voice, &quiet), &add(&voice, &map(&quiet, |s| -s))]);
    assert!(warnings.is_empty(), "{warnings:?}");
}

#[test]
fn very_quiet_and_very_short_recordings_are_judged_too() {
    // -74 dB: reported at the end, because no single part of it is loud.
    let quiet = map(&voice(120.0, 3.0), |s| s * 0.001);
    let (samples, warnings) = mix(&[&quiet, &map(&quiet, |s| -s)]);
    assert!((level(&samples) / level(&quiet) - 1.0).abs() < 0.01 && opposite(&warnings).is_some());
    // Noise of its own behind a short word.
    let word = [voice(120.0, 0.6), vec![0.0; 40_000]].concat();
    let [n1, n2] = [1, 2].map(|seed| noise(seed, 0.01, word.len()));
    let (_, warnings) = mix(&[&add(&word, &n1), &add(&map(&word, |s| -s), &n2)]);
    assert!(opposite(&warnings).is_some());
    let word = &voice(120.0, 1.0)[9_000..11_000];
    let (samples, warnings) = mix(&[word, &map(word, |s| -s)]);
    assert_close(&samples, word, "an eighth of a second");
    assert!(opposite(&warnings).is_some());
}

#[test]
fn one_of_many_channels_with_the_wrong_sign_is_no_loss() {
    let voice = voice(120.0, 3.0);
    let minus = map(&voice, |s| -s);
    let silence = vec![0.0; voice.len()];
    let (samples, warnings) = mix(&[&silence, &voice, &minus, &silence]);
    assert_close(&samples, &voice, "four channels");
    assert_eq!(opposite(&warnings).map(|(channel, _)| channel), Some(2));
}

#[test]
fn how_a_pipe_is_cut_changes_nothing() {
    struct Slow(std::io::Cursor<Vec<u8>>, usize);
    impl std::io::Read for Slow {
        fn read(&mut self, out: &mut [u8]) -> std::io::Result<usize> {
            let count = out.len().min(self.1);
            self.1 = self.1 * 7 % 4_099 + 1;
            self.0.read(&mut out[..count])
        }
    }
    let left = voice(110.0, 4.0);
    let right = [map(&left[..20_000], |s| -s), voice(203.0, 4.0)[20_000..].to_vec()].concat();
    let bytes = Layout::of_channels(Container::Wav, S16, &[&left, &right]).bytes();
    let (whole, ..) = read_as(&bytes, Channels::Mix);
    for step in [1, 1_000] {
        let pipe = Box::new(Slow(std::io::Cursor::new(bytes.clone()), step));
        let mut reader = Reader::from_stream("pipe", pipe, ReaderOptions::default()).unwrap();
        let mut samples = Vec::new();
        while let Some(Block::F32(block)) = reader.next_block().unwrap() {
            samples.extend(block.iter().map(|&s| f64::from(s)));
        }
        assert!(samples == whole, "the same bits");
    }
}

#[test]
fn one_channel_is_given_bit_for_bit() {
    let (left, right) = (voice(110.0, 1.0), voice(203.0, 1.0));
    for (channel, right_one) in [(0, &left), (1, &right)] {
        for encoding in [S16, Encoding(Number::S24, false), F32] {
            let (samples, warnings, is_exact) = read_as(
                &Layout::of_channels(Container::Wav, encoding, &[&left, &right]).bytes(),
                Channels::One(channel),
            );
            let (mono, _, _) =
                read_as(&Layout::of_channels(Container::Wav, encoding, &[right_one]).bytes(), Channels::Mix);
            assert_eq!(samples, mono);
            assert_eq!((is_exact, warnings.len()), (encoding == S16, 0));
        }
    }
}

#[test]
fn a_channel_that_is_not_there_is_refused_with_their_number() {
    let left = voice(110.0, 0.1);
    for (channels, index) in [(vec![&left[..]], 1), (vec![&left, &left], 2), (vec![&left, &left], usize::MAX)]
    {
        let mut file = tempfile::NamedTempFile::new().unwrap();
        file.write_all(&Layout::of_channels(Container::Wav, S16, &channels).bytes()).unwrap();
        let options = ReaderOptions { channels: Channels::One(index), ..ReaderOptions::default() };
        let error = Reader::open_with(file.path(), options).map(drop).expect_err("no such channel");
        let count = channels.len();
        assert!(
            matches!(error.problem, Problem::NoChannel { index: i, channels: c } if (i, c) == (index, count)),
            "{error}"
        );
    }
}

/// Clips of the dev set, if they are there.
fn clips() -> Vec<(PathBuf, Vec<f64>)> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../../shared/speech/dev/audio");
    let Ok(entries) = std::fs::read_dir(&folder) else {
        println!("../shared/speech/dev/audio is absent: nothing to test");
        return Vec::new();
    };
    let mut paths: Vec<PathBuf> = entries.map(|entry| entry.unwrap().path()).collect();
    paths.retain(|path| path.extension().is_some_and(|extension| extension == "flac"));
    paths.sort();
    assert!(!paths.is_empty(), "{} holds no clips", folder.display());
    let samples = |path: &PathBuf| match read(path).unwrap().samples {
        Samples::I16(samples) => samples.iter().map(|&s| f64::from(s) / 32_768.0).collect(),
        Samples::F32(samples) => samples.iter().map(|&s| f64::from(s)).collect(),
    };
    paths.iter().take(12).map(|path| (path.clone(), samples(path))).collect()
}

#[test]
fn real_speech_is_judged_right() {
    let clips = clips();
    for (i, (path, clip)) in clips.iter().enumerate() {
        let name = path.display();
        let (samples, warnings) = mix(&[clip, &map(clip, |s| -s)]);
        assert_close(&samples, clip, &name.to_string());
        assert!(opposite(&warnings).is_some(), "{name}");
        // Two people on two channels.
        let (_, other) = &clips[(i + 1) % clips.len()];
        let count = clip.len().min(other.len());
        let (_, warnings) = mix(&[&clip[..count], &other[..count]]);
        assert!(warnings.is_empty(), "{name}: {warnings:?}");
        // A pair of microphones, the voice 0.1 … 0.6 ms later at one of them (3 … 20 cm).
        for delay in [2, 5, 10] {
            let late = [vec![0.0; delay], clip[..clip.len() - delay].to_vec()].concat();
            let (_, warnings) = mix(&[clip, &late]);
            assert!(warnings.is_empty(), "{name}, {delay} samples: {warnings:?}");
        }
    }
}
