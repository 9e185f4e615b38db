//! Audio files of every kind that is read, and of the kinds that must be refused with a message that says what
//! and where.
#![cfg(feature = "files")]

use std::f64::consts::TAU;
use std::io::Write;
use std::path::PathBuf;

use proptest::prelude::*;
use voxlane::audio::file::{AudioError, Oddity, Place, Problem, Recording, Samples, read};
use voxlane::audio::pcm::PcmError;

const FIXTURES: [&str; 7] = [
    "tone-16000-mono.flac",
    "tone-44100-stereo-24bit.flac",
    "tone-22050-mono.mp3",
    "tone-44100-mono.mp3",
    "tone-48000-stereo.ogg",
    "tone-16000-mono-pages.ogg",
    "tone-48000-mono.opus",
];

fn fixture(name: &str) -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/audio").join(name)
}

fn read_bytes(bytes: &[u8]) -> Result<Recording, AudioError> {
    let mut file = tempfile::NamedTempFile::new().unwrap();
    file.write_all(bytes).unwrap();
    read(file.path())
}

/// A WAV file; every header field can be made to lie.
#[derive(Clone)]
struct Wav {
    tag: u16,
    channels: u16,
    rate: u32,
    bits: u16,
    align: Option<u16>,
    riff_length: Option<u32>,
    data_length: Option<u32>,
    extensible: bool,
    before: Vec<u8>,
    data: Vec<u8>,
    after: Vec<u8>,
}

impl Wav {
    fn new(tag: u16, channels: u16, rate: u32, bits: u16, data: Vec<u8>) -> Wav {
        let (align, riff_length, data_length, extensible) = (None, None, None, false);
        let (before, after) = (Vec::new(), Vec::new());
        Wav { tag, channels, rate, bits, align, riff_length, data_length, extensible, before, data, after }
    }

    fn pcm16(samples: &[i16]) -> Wav {
        Wav::new(1, 1, 16_000, 16, samples.iter().flat_map(|s| s.to_le_bytes()).collect())
    }

    fn float(channels: u16, samples: &[f32]) -> Wav {
        Wav::new(3, channels, 16_000, 32, samples.iter().flat_map(|s| s.to_le_bytes()).collect())
    }

    fn bytes(&self) -> Vec<u8> {
        let align = self.align.unwrap_or(self.channels.wrapping_mul(self.bits / 8));
        let mut fmt = Vec::new();
        fmt.extend(if self.extensible { 0xFFFE } else { self.tag }.to_le_bytes());
        fmt.extend(self.channels.to_le_bytes());
        fmt.extend(self.rate.to_le_bytes());
        fmt.extend(self.rate.wrapping_mul(u32::from(align)).to_le_bytes());
        fmt.extend(align.to_le_bytes());
        fmt.extend(self.bits.to_le_bytes());
        if self.extensible {
            fmt.extend([22, 0]);
            fmt.extend(self.bits.to_le_bytes());
            fmt.extend([0; 4]);
            fmt.extend(self.tag.to_le_bytes());
            fmt.extend([0, 0, 0, 0, 0x10, 0, 0x80, 0, 0, 0xAA, 0, 0x38, 0x9B, 0x71]);
        }
        let mut body = b"WAVE".to_vec();
        body.extend(&self.before);
        body.extend(b"fmt ");
        body.extend((fmt.len() as u32).to_le_bytes());
        body.extend(fmt);
        body.extend(b"data");
        body.extend(self.data_length.unwrap_or(self.data.len() as u32).to_le_bytes());
        body.extend(&self.data);
        body.extend(&self.after);
        let mut file = b"RIFF".to_vec();
        file.extend(self.riff_length.unwrap_or(body.len() as u32).to_le_bytes());
        file.extend(body);
        file
    }

    fn read(&self) -> Result<Recording, AudioError> {
        read_bytes(&self.bytes())
    }

    fn refused(&self) -> AudioError {
        self.read().expect_err("refused")
    }
}

fn ramp(count: usize) -> Vec<i16> {
    (0..count).map(|i| (i as i32 * 7919 % 65_536 - 32_768) as i16).collect()
}

fn floats(recording: &Recording) -> &[f32] {
    match &recording.samples {
        Samples::F32(samples) => samples,
        Samples::I16(_) => panic!("expected floating-point samples"),
    }
}

#[test]
fn sixteen_bit_mono_wav_is_bit_exact() {
    for count in [1, 2, 997, 100_000] {
        let recording = Wav::pcm16(&ramp(count)).read().unwrap();
        assert_eq!(recording.samples, Samples::I16(ramp(count)));
        assert_eq!((recording.sample_rate, recording.channels), (16_000, 1));
    }
}

#[test]
fn every_wav_encoding_has_its_value() {
    let half = 0.5f32;
    let cases: [(u16, u16, Vec<u8>); 4] = [
        (1, 24, vec![0, 0, 0x40, 0, 0, 0x80]),
        (1, 32, [1i32 << 30, i32::MIN].iter().flat_map(|s| s.to_le_bytes()).collect()),
        (3, 32, [half, -1.0].iter().flat_map(|s| s.to_le_bytes()).collect()),
        (3, 64, [0.5f64, -1.0].iter().flat_map(|s| s.to_le_bytes()).collect()),
    ];
    for (tag, bits, data) in cases {
        for extensible in [false, true] {
            let wav = Wav { extensible, ..Wav::new(tag, 1, 48_000, bits, data.clone()) };
            assert_eq!(floats(&wav.read().unwrap()), [0.5, -1.0], "tag {tag}, {bits} bits");
        }
    }
    let eight = Wav::new(1, 1, 8_000, 8, vec![128, 0, 255]).read().unwrap();
    assert_eq!(eight.samples, Samples::I16(vec![0, i16::MIN, 127 << 8]));
    let mu_law = Wav::new(7, 1, 8_000, 8, vec![0x80, 0x00, 0xFF]).read().unwrap();
    assert_eq!(mu_law.samples, Samples::I16(vec![32_124, -32_124, 0]));
}

#[test]
fn channels_are_averaged() {
    let stereo = Wav::float(2, &[0.5, 0.25, -1.0, 1.0]).read().unwrap();
    assert_eq!(floats(&stereo), [0.375, 0.0]);
    let data = [100i16, 300, -2, 0].iter().flat_map(|s| s.to_le_bytes()).collect();
    let stereo = Wav::new(1, 2, 44_100, 16, data).read().unwrap();
    assert_eq!(floats(&stereo), [200.0 / 32_768.0, -1.0 / 32_768.0]);
    assert_eq!((stereo.sample_rate, stereo.channels), (44_100, 2));
}

#[test]
fn chunks_around_the_samples_are_skipped() {
    let odd = b"LIST\x03\0\0\0abc\0".to_vec();
    let wav = Wav { before: odd.clone(), after: odd, ..Wav::pcm16(&ramp(100)) };
    assert_eq!(wav.read().unwrap().samples, Samples::I16(ramp(100)));
}

#[test]
fn a_length_that_was_never_filled_in_means_to_the_end_of_the_file() {
    for (riff, data) in [(u32::MAX, u32::MAX), (0, 0), (36, 0), (0x7FFF_FFFF, 0x7FFF_FFDB)] {
        let wav = Wav { riff_length: Some(riff), data_length: Some(data), ..Wav::pcm16(&ramp(5000)) };
        assert_eq!(wav.read().unwrap().samples, Samples::I16(ramp(5000)), "{riff:#x} {data:#x}");
    }
}

#[test]
fn a_truncated_wav_is_refused_with_both_lengths() {
    let mut bytes = Wav::pcm16(&ramp(16_000)).bytes();
    bytes.truncate(44 + 8_000);
    let error = read_bytes(&bytes).unwrap_err();
    assert!(matches!((&error.problem, error.place), (Problem::Truncated(_), Place::Byte(36))), "{error}");
    let message = error.to_string();
    assert!(message.contains("32000 bytes") && message.contains("(0.250 s)"), "{message}");
    for length in 1..44 {
        let error = read_bytes(&bytes[..length]).unwrap_err();
        assert!(!error.to_string().is_empty(), "{length} bytes");
    }
}

#[test]
fn a_partial_sample_frame_is_left_out_with_a_warning() {
    let wav = Wav::new(1, 2, 16_000, 16, vec![0; 6]);
    for (data_length, riff_length) in [(None, None), (Some(u32::MAX), Some(u32::MAX))] {
        let recording = Wav { data_length, riff_length, ..wav.clone() }.read().unwrap();
        assert_eq!(floats(&recording), [0.0]);
        let last = &recording.warnings.last().unwrap().problem;
        assert_eq!(*last, Oddity::PartialFrame { found: 2, expected: 4 });
    }
}

#[test]
fn absurd_headers_are_refused() {
    let good = Wav::pcm16(&ramp(100));
    for rate in [0, 1, 3_999, 192_001, u32::MAX] {
        let error = Wav { rate, ..good.clone() }.refused();
        assert!(matches!(error.problem, Problem::SampleRate(r) if r == rate), "{error}");
    }
    for channels in [0, 65, u16::MAX] {
        let error = Wav { channels, ..good.clone() }.refused();
        assert!(matches!(error.problem, Problem::Channels(c) if c == usize::from(channels)), "{error}");
    }
    for (tag, bits) in [(1, 0), (1, 12), (1, u16::MAX), (3, 16), (2, 4), (0x55, 0), (0x31, 0), (0, 16)] {
        let error = Wav { tag, bits, ..good.clone() }.refused();
        assert!(matches!(error.problem, Problem::Unsupported(_)), "{error}");
    }
    let error = Wav { align: Some(4), ..good }.refused();
    assert!(matches!((&error.problem, error.place), (Problem::Malformed(_), Place::Byte(32))), "{error}");
}

#[test]
fn empty_audio_is_refused() {
    assert!(matches!(Wav::pcm16(&[]).refused().problem, Problem::Empty));
    assert!(matches!(read_bytes(&[]).unwrap_err().problem, Problem::Empty));
}

#[test]
fn samples_that_are_no_audio_are_refused_with_their_time() {
    for bad in [f32::NAN, f32::INFINITY, f32::NEG_INFINITY, 1e9] {
        // Behind the first block, in the second channel.
        let mut samples = vec![0.25; 2 * 16_000];
        samples[2 * 12_000 + 1] = bad;
        let error = Wav::float(2, &samples).refused();
        let index = match error.problem {
            Problem::Sample(PcmError::NotFinite { index, .. } | PcmError::TooLoud { index, .. }) => index,
            ref other => panic!("{other}"),
        };
        assert_eq!((index, error.place), (12_000, Place::Time(0.75)), "{error}");
    }
}

#[test]
fn other_files_are_refused_by_name() {
    let error = read_bytes(b"just text, no audio at all\n").unwrap_err();
    assert!(matches!(&error.problem, Problem::NotAudio(what) if what == "text"), "{error}");
    assert!(matches!(read_bytes(&[0; 10_000]).unwrap_err().problem, Problem::NotAudio(_)));
    assert!(matches!(read("no such file").unwrap_err().problem, Problem::Io(_)));
    assert!(matches!(read(env!("CARGO_MANIFEST_DIR")).unwrap_err().problem, Problem::Io(_)));
}

/// Level and frequency of a tone by its correlation with a sine and a cosine, from the middle of the recording.
fn level_at(samples: &[f64], rate: u32, hz: f64) -> f64 {
    let middle = &samples[samples.len() / 4..samples.len() * 3 / 4];
    let (mut re, mut im) = (0.0, 0.0);
    for (i, s) in middle.iter().enumerate() {
        let (sin, cos) = (TAU * hz * i as f64 / f64::from(rate)).sin_cos();
        re += s * cos;
        im += s * sin;
    }
    2.0 * re.hypot(im) / middle.len() as f64
}

#[test]
fn compressed_files_hold_their_tone() {
    for (name, rate, channels, seconds, level) in [
        ("tone-16000-mono.flac", 16_000, 1, 0.3, 0.5),
        ("tone-44100-stereo-24bit.flac", 44_100, 2, 0.15, 0.375),
        ("tone-22050-mono.mp3", 22_050, 1, 0.5, 0.5),
        ("tone-44100-mono.mp3", 44_100, 1, 0.5, 0.5),
        ("tone-48000-stereo.ogg", 48_000, 2, 0.5, 0.5),
    ] {
        let recording = read(fixture(name)).unwrap();
        assert_eq!((recording.sample_rate, recording.channels), (rate, channels), "{name}");
        assert!((recording.seconds() - seconds).abs() < 1e-4, "{name}: {} s", recording.seconds());
        let samples: Vec<f64> = match &recording.samples {
            Samples::I16(samples) => samples.iter().map(|&s| f64::from(s) / 32_768.0).collect(),
            Samples::F32(samples) => samples.iter().map(|&s| f64::from(s)).collect(),
        };
        let measured = level_at(&samples, rate, 440.0);
        assert!((measured - level).abs() < 0.03, "{name}: level {measured}");
    }
}

#[test]
fn sixteen_bit_mono_flac_is_bit_exact() {
    let recording = read(fixture("tone-16000-mono.flac")).unwrap();
    let Samples::I16(samples) = recording.samples else { panic!("16 bits fit i16") };
    for (i, &sample) in samples.iter().enumerate() {
        let ideal = 16_384.0 * (TAU * 440.0 * i as f64 / 16_000.0).sin();
        assert!((f64::from(sample) - ideal).abs() <= 1.0, "sample {i}: {sample}, not {ideal}");
    }
}

#[test]
fn a_truncated_flac_is_refused() {
    let bytes = std::fs::read(fixture("tone-16000-mono.flac")).unwrap();
    for keep in [bytes.len() / 2, bytes.len() - 1] {
        let error = read_bytes(&bytes[..keep]).unwrap_err();
        assert!(matches!(error.problem, Problem::Truncated(_) | Problem::Malformed(_)), "{error}");
    }
}

#[test]
fn every_damaged_page_of_an_ogg_file_is_noticed() {
    let bytes = std::fs::read(fixture("tone-16000-mono-pages.ogg")).unwrap();
    assert_eq!(read_bytes(&bytes).unwrap().samples.len(), 32_000);
    let pages: Vec<usize> = (0..bytes.len()).filter(|&at| bytes[at..].starts_with(b"OggS")).collect();
    assert!(pages.len() > 4, "{pages:?}");
    for (page, &start) in pages.iter().enumerate() {
        let mut damaged = bytes.clone();
        let end = pages.get(page + 1).copied().unwrap_or(bytes.len());
        damaged[(start + end) / 2] ^= 0x55;
        let error = read_bytes(&damaged).expect_err("a damaged page");
        let is_damage = matches!(error.problem, Problem::Malformed(_) | Problem::Truncated(_));
        assert!(is_damage, "page {page}: {error}");
        // Cut in the middle of the page.
        let error = read_bytes(&bytes[..(start + end) / 2]).expect_err("a cut page");
        assert!(!matches!(error.problem, Problem::Io(_)), "page {page}: {error}");
    }
}

/// Any damage gives a recording or an error, never a panic, and never more audio than the bytes can hold.
fn survives(bytes: &[u8], what: &str) -> Result<(), TestCaseError> {
    match read_bytes(bytes) {
        // The densest fixture codec packs a constant FLAC block of 65,535 samples into some 10 bytes.
        Ok(recording) => prop_assert!(recording.samples.len() <= bytes.len() * 8_192, "{}", what),
        Err(error) => prop_assert!(!error.to_string().is_empty()),
    }
    Ok(())
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(300))]
    #[test]
    fn damaged_fixtures_never_panic(
        which in 0..FIXTURES.len(),
        keep in 0.0f64..1.2,
        flips in proptest::collection::vec((0.0f64..1.0, any::<u8>()), 0..8),
        near_start in any::<bool>(),
    ) {
        let mut bytes = std::fs::read(fixture(FIXTURES[which])).unwrap();
        bytes.truncate((bytes.len() as f64 * keep) as usize);
        let reach = if near_start { bytes.len().min(128) } else { bytes.len() };
        for (at, value) in flips {
            if let Some(byte) = bytes.get_mut((reach as f64 * at) as usize) {
                *byte = value;
            }
        }
        survives(&bytes, FIXTURES[which])?;
    }

    #[test]
    fn damaged_wavs_never_panic(
        format in 0usize..5,
        keep in 0.0f64..1.2,
        flips in proptest::collection::vec((0usize..80, any::<u8>()), 0..8),
        extensible in any::<bool>(),
    ) {
        let (tag, channels, bits) = [(1, 1, 16), (1, 2, 24), (3, 1, 32), (3, 3, 64), (7, 2, 8)][format];
        let wav = Wav { extensible, ..Wav::new(tag, channels, 16_000, bits, vec![0; 1_200]) };
        let mut bytes = wav.bytes();
        bytes.truncate((bytes.len() as f64 * keep) as usize);
        for (at, value) in flips {
            if let Some(byte) = bytes.get_mut(at) {
                *byte = value;
            }
        }
        survives(&bytes, "wav")?;
    }

    #[test]
    fn random_bytes_behind_a_magic_never_panic(
        magic in prop::sample::select(vec![&b"RIFF"[..], b"fLaC", b"OggS", b"ID3", b"\xFF\xFB", b""]),
        rest in proptest::collection::vec(any::<u8>(), 0..2_000),
    ) {
        survives(&[magic, &rest].concat(), "random")?;
    }
}
