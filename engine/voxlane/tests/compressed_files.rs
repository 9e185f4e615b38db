//! Compressed audio as people have it: joined, cut, damaged, with wrong counts and foreign bytes in it, from files
//! and from pipes.
#![cfg(feature = "files")]
#![expect(clippy::print_stdout, reason = "absent recordings are to be seen")]

use std::f64::consts::TAU;
use std::io::Write;
use std::path::PathBuf;

use proptest::prelude::*;
use voxlane::audio::file::{AudioError, Block, Channels, Oddity, Place, Problem, Reader, ReaderOptions};

/// What a file gave before it ended, and how it ended.
struct Outcome {
    rate: u32,
    channels: usize,
    samples: Vec<f32>,
    oddities: Vec<Oddity>,
    error: Option<AudioError>,
}

impl Outcome {
    fn seconds(&self) -> f64 {
        self.samples.len() as f64 / f64::from(self.rate)
    }

    /// Samples, where the file is whole.
    fn whole(self) -> Vec<f32> {
        assert!(self.error.is_none(), "{}", self.error.unwrap());
        self.samples
    }
}

fn drain(mut reader: Reader) -> Outcome {
    let (rate, channels) = (reader.sample_rate(), reader.channels());
    let mut samples = Vec::new();
    let error = loop {
        match reader.next_block() {
            Ok(Some(Block::I16(block))) => samples.extend(block.iter().map(|&s| f32::from(s) / 32_768.0)),
            Ok(Some(Block::F32(block))) => samples.extend_from_slice(block),
            Ok(None) => break None,
            Err(error) => break Some(error),
        }
    };
    let oddities = reader.warnings().iter().map(|warning| warning.problem.clone()).collect();
    Outcome { rate, channels, samples, oddities, error }
}

fn read_pipe(bytes: &[u8]) -> Result<Outcome, AudioError> {
    let pipe = Box::new(std::io::Cursor::new(bytes.to_vec()));
    Reader::from_stream("pipe", pipe, ReaderOptions::default()).map(drain)
}

fn read_file(bytes: &[u8]) -> Result<Outcome, AudioError> {
    let mut file = tempfile::NamedTempFile::new().unwrap();
    file.write_all(bytes).unwrap();
    Reader::open(file.path()).map(drain)
}

fn fixture(name: &str) -> Vec<u8> {
    std::fs::read(PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/audio").join(name)).unwrap()
}

fn read(bytes: &[u8]) -> Outcome {
    read_file(bytes).unwrap()
}

/// Level of the 440 Hz tone in the middle half.
fn level(samples: &[f32], rate: u32) -> f64 {
    let middle = &samples[samples.len() / 4..samples.len() * 3 / 4];
    let (mut re, mut im) = (0.0, 0.0);
    for (i, &sample) in middle.iter().enumerate() {
        let (sin, cos) = (TAU * 440.0 * i as f64 / f64::from(rate)).sin_cos();
        re += f64::from(sample) * sin;
        im += f64::from(sample) * cos;
    }
    2.0 * re.hypot(im) / middle.len() as f64
}

/// Fixtures with rate, channels, seconds, level of the tone, and by how many seconds the container is unsure.
const TONES: [(&str, u32, usize, f64, f64, f64); 18] = [
    ("tone-16000-mono.flac", 16_000, 1, 0.3, 0.5, 0.0),
    ("tone-44100-stereo-24bit.flac", 44_100, 2, 0.15, 0.375, 0.0),
    ("tone-22050-mono.mp3", 22_050, 1, 0.5, 0.5, 0.0),
    ("tone-44100-mono.mp3", 44_100, 1, 0.5, 0.5, 0.0),
    ("tone-48000-mono.mp2", 48_000, 1, 0.5, 0.5, 0.05),
    ("tone-48000-stereo.ogg", 48_000, 2, 0.5, 0.5, 0.0),
    ("tone-16000-mono-flac.ogg", 16_000, 1, 0.3, 0.5, 0.0),
    ("tone-48000-mono.opus", 48_000, 1, 0.1, 0.5, 0.0),
    ("tone-48000-stereo.opus", 48_000, 2, 0.5, 0.375, 0.0),
    ("tone-48000-mono.webm", 48_000, 1, 0.5, 0.5, 0.03),
    ("tone-48000-mono-live.webm", 48_000, 1, 0.5, 0.5, 0.03),
    ("tone-48000-mono-opus.mp4", 48_000, 1, 0.5, 0.5, 0.03),
    ("tone-16000-mono.m4a", 16_000, 1, 0.5, 0.5, 0.0),
    ("tone-16000-mono-faststart.m4a", 16_000, 1, 0.5, 0.5, 0.0),
    ("tone-16000-mono-fragmented.mp4", 16_000, 1, 0.5, 0.5, 0.13),
    ("tone-16000-mono-alac.m4a", 16_000, 1, 0.5, 0.5, 0.0),
    ("tone-16000-mono.aac", 16_000, 1, 0.5, 0.5, 0.13),
    ("tone-16000-mono-video.mkv", 16_000, 1, 0.5, 0.5, 0.15),
];

#[test]
fn every_kind_holds_its_tone() {
    for (name, rate, channels, seconds, tone, unsure) in TONES {
        let outcome = read(&fixture(name));
        assert_eq!((outcome.rate, outcome.channels), (rate, channels), "{name}");
        let off = outcome.seconds() - seconds;
        assert!((-1e-4..unsure + 1e-4).contains(&off), "{name}: {} s", outcome.seconds());
        let measured = level(&outcome.samples, rate);
        assert!((measured - tone).abs() < 0.03, "{name}: level {measured}");
        assert_eq!(outcome.oddities, [], "{name}");
        outcome.whole();
    }
}

#[test]
fn pipes_give_the_same_samples_as_files() {
    for (name, ..) in TONES {
        let bytes = fixture(name);
        match read_pipe(&bytes) {
            Ok(outcome) => assert!(outcome.whole() == read(&bytes).whole(), "{name}"),
            Err(error) => {
                assert!(
                    ["tone-16000-mono.m4a", "tone-16000-mono-alac.m4a", "tone-48000-mono-opus.mp4"]
                        .contains(&name),
                    "{error}"
                );
                assert!(error.to_string().contains("from a pipe"), "{error}");
            }
        }
    }
}

#[test]
fn what_cannot_be_read_is_refused_by_its_name() {
    for (name, word) in [
        ("video-alone.mkv", "without a track of audio"),
        ("video-alone.mp4", "without a track of audio"),
        ("tone-48000-mono-ac3.mkv", "AC-3"),
        ("tone-44100-mono-encrypted.mp4", "encrypted"),
    ] {
        let error = read_file(&fixture(name)).err().unwrap();
        let message = error.to_string();
        assert!(matches!(error.problem, Problem::Unsupported(_)), "{message}");
        assert!(message.contains(word) && message.contains("ffmpeg -i"), "{message}");
    }
}

const MP3: &str = "tone-44100-mono.mp3";

/// Where the count of frames stands in the fixture.
fn info_count(bytes: &[u8]) -> usize {
    bytes.windows(4).position(|tag| tag == b"Xing" || tag == b"Info").expect("an info frame") + 8
}

#[test]
fn joined_mp3_files_are_read_to_the_end() {
    let (one, two) = (fixture(MP3), fixture("tone-22050-mono.mp3"));
    let alone = read(&one).whole();
    let joined = read(&[&one[..], &one, &one].concat());
    assert_eq!(joined.oddities, []);
    assert!(joined.whole() == [&alone[..], &alone, &alone].concat());
    // Tags between them, another rate, and what mp3wrap puts in front.
    let tag = [&b"ID3\x03\0\0\0\0\0\x05"[..], b"hello"].concat();
    let joined = read(&[&tag, &one[..], b"TAG", &[b' '; 125], &tag, &two].concat());
    let resampled = joined.samples.len() as f64 - 1.5 * alone.len() as f64;
    assert!((joined.seconds() - 1.0).abs() < 1e-3 && resampled > 0.0, "{} s", joined.seconds());
    assert!(joined.samples[..alone.len()] == alone);
    assert!((level(&joined.samples[alone.len()..], 44_100) - 0.5).abs() < 0.03);
    joined.whole();
    let wrapped =
        read(&[&tag, &b"WRAP05\x01\x02\xC3\x9FL\xAD\0\0\0\x28a.mp3"[..], &one, &tag, &one].concat());
    assert_eq!(wrapped.oddities, [Oddity::SkippedBytes(21)]);
    assert!(wrapped.whole() == [&alone[..], &alone].concat());
}

#[test]
fn counts_of_mp3_headers_are_hints() {
    let bytes = fixture(MP3);
    let at = info_count(&bytes);
    let whole = read(&bytes).whole();
    let frames = u32::from_be_bytes(bytes[at..at + 4].try_into().unwrap());
    for count in [0, 1, frames / 2, frames - 1, frames + 1, frames + 1000, u32::MAX] {
        let mut bytes = bytes.clone();
        bytes[at..at + 4].copy_from_slice(&count.to_be_bytes());
        let outcome = read(&bytes);
        let oddity = Oddity::WrongCount { claimed: count.into(), found: frames.into(), unit: "frames" };
        assert_eq!(outcome.oddities, [oddity], "{count} frames");
        let samples = outcome.whole();
        assert!(samples.windows(whole.len()).any(|window| window == whole), "{count} frames");
    }
}

#[test]
fn mp3_tags_and_foreign_bytes_are_no_audio() {
    let bytes = fixture(MP3);
    let whole = read(&bytes).whole();
    let ape = [&b"APETAGEX\xD0\x07\0\0\x20\0\0\0\0\0\0\0\0\0\0\x80"[..], &[0; 8]].concat();
    let behind = [&bytes[..], &ape, b"TAG", &[0; 125]].concat();
    let outcome = read(&behind);
    assert_eq!(outcome.oddities, []);
    assert!(outcome.whole() == whole);
    for (garbage, at) in [(700, bytes.len()), (3000, 0)] {
        let outcome = read(&[&bytes[..at], &vec![0x55; garbage], &bytes[at..]].concat());
        assert_eq!(outcome.oddities, [Oddity::SkippedBytes(garbage as u64)]);
        assert!(outcome.whole() == whole, "{garbage} bytes at {at}");
    }
}

#[test]
fn a_cut_mp3_gives_what_is_there_and_says_what_is_missing() {
    let bytes = fixture(MP3);
    let whole = read(&bytes).whole();
    let outcome = read(&bytes[..bytes.len() * 6 / 10]);
    assert!(whole.starts_with(&outcome.samples) && outcome.samples.len() > whole.len() / 3);
    assert!(outcome.oddities.contains(&Oddity::CutFrame));
    let error = outcome.error.expect("two counts say that audio is missing");
    assert!(matches!(error.problem, Problem::Truncated(_)), "{error}");
    assert!(
        matches!(error.place, Place::Time(at) if (at - outcome.samples.len() as f64 / 44_100.0).abs() < 1e-6)
    );
    // Without counts nothing says that there was more.
    let frames = fixture("tone-48000-mono.mp2");
    let outcome = read(&frames[..frames.len() - 100]);
    assert_eq!(outcome.oddities, [Oddity::CutFrame]);
    assert!(read(&frames).whole().starts_with(&outcome.whole()));
}

#[test]
fn aac_that_begins_in_a_frame_or_behind_garbage_is_read() {
    let bytes = fixture("tone-16000-mono.aac");
    let whole = read(&bytes).whole();
    let garbage = [0x55; 3000];
    for (what, file, skipped) in [
        ("in a frame", bytes[100..].to_vec(), None),
        ("behind garbage", [&garbage[..], &bytes].concat(), Some(3000)),
    ] {
        for outcome in [read(&file), read_pipe(&file).unwrap()] {
            assert_eq!(outcome.rate, 16_000, "{what}");
            let [Oddity::SkippedBytes(bytes)] = outcome.oddities[..] else {
                panic!("{what}: {:?}", outcome.oddities)
            };
            assert!(skipped.is_none_or(|skipped| skipped == bytes), "{what}: {bytes}");
            let lost = whole.len() - outcome.samples.len();
            assert!(lost <= 4096, "{what}: {lost} samples");
            assert!((level(&outcome.samples, 16_000) - 0.5).abs() < 0.03, "{what}");
            outcome.whole();
        }
    }
}

#[test]
fn mono_that_becomes_stereo_is_read_on() {
    let name = "mono_then_stereo.mp3";
    let Some(outcome) = shared(name) else { return };
    assert!((outcome.seconds() - 6.08).abs() < 0.02, "{} s", outcome.seconds());
    outcome.whole();
}

const FLAC: &str = "tone-16000-mono.flac";

/// The fixture with another STREAMINFO.
fn flac_with(change: impl Fn(&mut [u8])) -> Vec<u8> {
    let mut bytes = fixture(FLAC);
    change(&mut bytes[8..42]);
    bytes
}

#[test]
fn a_channel_that_only_a_later_part_has_is_silent_up_to_there() {
    let (mono, stereo) = (fixture(FLAC), fixture("tone-44100-stereo-24bit.flac"));
    let file = [&mono[..], &stereo].concat();
    let open = |channels| {
        let options = ReaderOptions { channels, ..ReaderOptions::default() };
        let pipe = Box::new(std::io::Cursor::new(file.clone()));
        Reader::from_stream("pipe", pipe, options)
    };
    let mut reader = open(Channels::Mix).unwrap();
    assert_eq!((reader.channels(), reader.most_channels()), (1, 1));
    while reader.next_block().unwrap().is_some() {}
    assert_eq!((reader.channels(), reader.most_channels()), (1, 2));
    let (first, later) = (drain(open(Channels::One(0)).unwrap()), drain(open(Channels::Later(1)).unwrap()));
    assert_eq!(first.samples.len(), later.samples.len());
    let silent = read(&mono).samples.len();
    assert!(later.samples[..silent].iter().all(|&sample| sample == 0.0));
    assert!(level(&later.samples[silent..], 16_000) > 0.2);
    later.whole();
    assert!(open(Channels::One(1)).is_err());
}

#[test]
fn what_streaminfo_says_of_sizes_and_totals_is_a_hint() {
    let whole = read(&fixture(FLAC)).whole();
    for (what, bytes) in [
        ("minimum block 0", flac_with(|info| info[..2].fill(0))),
        ("maximum block 16", flac_with(|info| info[..4].copy_from_slice(&[0, 16, 0, 16]))),
        (
            "smallest frame above the largest",
            flac_with(|info| info[4..10].copy_from_slice(&[1, 0, 0, 0, 0, 1])),
        ),
        ("no total", flac_with(|info| info[14..18].fill(0))),
        ("no checksum", flac_with(|info| info[18..].fill(0))),
    ] {
        let outcome = read(&bytes);
        assert_eq!(outcome.oddities, [], "{what}");
        assert!(outcome.whole() == whole, "{what}");
    }
    // 4,800 sample frames.
    for total in [1u32, 4799, 4801, 1 << 20] {
        let bytes = flac_with(|info| info[14..18].copy_from_slice(&total.to_be_bytes()));
        let outcome = read(&bytes);
        let oddity = Oddity::WrongCount { claimed: total.into(), found: 4800, unit: "sample frames" };
        assert_eq!(outcome.oddities, [oddity], "the checksum proves that nothing is missing");
        assert!(outcome.whole() == whole, "{total}");
    }
    let outcome = read(&flac_with(|info| info[20] ^= 1));
    assert_eq!(outcome.oddities, [Oddity::Checksum]);
    assert!(outcome.whole() == whole);
}

#[test]
fn flac_files_with_tags_joins_and_foreign_bytes_are_read_whole() {
    let bytes = fixture(FLAC);
    let whole = read(&bytes).whole();
    let id3v1 = [&b"TAG"[..], &[b' '; 125]].concat();
    let id3v2 = [&b"ID3\x04\0\0\0\0\x01\x02"[..], &[0xFF; 130]].concat();
    for (what, file, oddities) in [
        ("ID3v1 behind", [&bytes[..], &id3v1].concat(), vec![]),
        ("ID3v2 in front", [&id3v2, &bytes[..]].concat(), vec![]),
        ("zeros behind", [&bytes[..], &[0; 500]].concat(), vec![]),
        ("text behind", [&bytes[..], &[b'x'; 777]].concat(), vec![Oddity::SkippedBytes(777)]),
    ] {
        let outcome = read(&file);
        assert_eq!(outcome.oddities, oddities, "{what}");
        assert!(outcome.whole() == whole, "{what}");
    }
    let outcome = read(&[&bytes[..], &id3v1, &id3v2, &bytes].concat());
    assert!(outcome.whole() == [&whole[..], &whole].concat());
}

#[test]
fn a_damaged_flac_frame_costs_itself_alone() {
    let bytes = std::fs::read(
        PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/audio/tone-44100-stereo-24bit.flac"),
    );
    let bytes = bytes.unwrap();
    let whole = read(&bytes).whole();
    let mut damaged = bytes.clone();
    damaged[bytes.len() / 4] ^= 0x10;
    let outcome = read(&damaged);
    let error = outcome.error.expect("audio is missing");
    assert!(matches!(error.problem, Problem::Malformed(_)), "{error}");
    let front = outcome.samples.iter().zip(&whole).take_while(|(a, b)| a == b).count();
    let behind = outcome.samples.iter().rev().zip(whole.iter().rev()).take_while(|(a, b)| a == b).count();
    assert!(outcome.samples.len() < whole.len() && behind > 0);
    assert!(front + behind >= outcome.samples.len(), "{front} and {behind} of {}", outcome.samples.len());
}

#[test]
fn silence_keeps_the_place_of_damaged_flac_frames() {
    let bytes = fixture(FLAC);
    let whole = read(&bytes).whole();
    // Frames of 1,152 sample frames begin at these bytes, and a last one of 192 at byte 2,250.
    let starts = [42, 577, 1119, 1729];
    for broken in [1..2, 1..3, 3..4] {
        let mut damaged = bytes.clone();
        for &start in &starts[broken.clone()] {
            damaged[start + 100] ^= 0x10;
        }
        let outcome = read(&damaged);
        assert!(matches!(outcome.error, Some(AudioError { problem: Problem::Malformed(_), .. })));
        let mut expected = whole.clone();
        expected[broken.start * 1152..broken.end * 1152].fill(0.0);
        assert!(outcome.samples == expected, "{broken:?}: {} samples", outcome.samples.len());
    }
}

/// Gives so many bytes and then nothing more, as a live pipe does; whoever asks for more gets an error.
struct Live(std::io::Cursor<Vec<u8>>);

impl std::io::Read for Live {
    fn read(&mut self, out: &mut [u8]) -> std::io::Result<usize> {
        match self.0.read(out)? {
            0 => Err(std::io::Error::other("nothing has arrived")),
            count => Ok(count),
        }
    }
}

#[test]
fn a_flac_frame_on_a_pipe_waits_for_no_more_than_its_end() {
    let bytes = fixture("tone-44100-stereo-24bit.flac");
    let whole = read(&bytes).whole();
    // Frames of 4,096 sample frames, by their numbers.
    let is_start = |&at: &usize| bytes[at..at + 2] == [0xFF, 0xF8];
    let mut starts = Vec::new();
    for at in (42..bytes.len() - 16).filter(is_start) {
        if usize::from(bytes[at + 4]) == starts.len() && bytes[at + 2..at + 4] != [0, 0] {
            starts.push(at);
        }
    }
    let live = |count: usize| {
        let pipe = Box::new(Live(std::io::Cursor::new(bytes[..count].to_vec())));
        drain(Reader::from_stream("pipe", pipe, ReaderOptions::default()).unwrap())
    };
    let first = live(starts[1]).samples;
    assert!(!first.is_empty() && whole.starts_with(&first));
    for (number, &start) in starts.iter().enumerate().skip(1) {
        for extra in [0, 1, 2, 5] {
            let outcome = live(start + extra);
            assert!(outcome.error.is_some());
            assert_eq!(outcome.samples.len(), number * first.len(), "frame {number} and {extra} bytes");
            assert!(whole.starts_with(&outcome.samples));
        }
    }
}

#[test]
fn cut_flac_and_ogg_give_what_is_there_and_an_error_with_its_place() {
    for name in [FLAC, "tone-16000-mono-pages.ogg", "tone-48000-stereo.opus", "tone-16000-mono-flac.ogg"] {
        let bytes = fixture(name);
        let whole = read(&bytes);
        let outcome = match read_file(&bytes[..bytes.len() * 9 / 10]) {
            Ok(outcome) => outcome,
            // All of its audio lies in one page.
            Err(error) => {
                assert!(matches!(error.problem, Problem::Truncated(_)), "{name}: {error}");
                continue;
            }
        };
        assert!(whole.samples.starts_with(&outcome.samples), "{name}");
        let error = outcome.error.expect("audio is missing");
        assert!(matches!(error.problem, Problem::Truncated(_)), "{name}: {error}");
        let end = outcome.samples.len() as f64 / f64::from(outcome.rate);
        assert!(matches!(error.place, Place::Time(at) if (at - end).abs() < 1e-6), "{name}: {error}");
    }
}

#[test]
fn chained_ogg_streams_are_one_recording() {
    let names = [
        "tone-16000-mono-pages.ogg",
        "tone-48000-stereo.opus",
        "tone-16000-mono-flac.ogg",
        "tone-48000-stereo.ogg",
    ];
    let files: Vec<Vec<u8>> = names.iter().map(|name| fixture(name)).collect();
    let seconds: f64 = files.iter().map(|bytes| read(bytes).seconds()).sum();
    let outcome = read(&files.concat());
    assert!((outcome.seconds() - seconds).abs() < 1e-3, "{} of {seconds} s", outcome.seconds());
    assert!(outcome.samples.starts_with(&read(&files[0]).samples));
    outcome.whole();
    let twice = read(&[&files[3][..], &files[3]].concat());
    let once = read(&files[3]).whole();
    assert!(twice.whole() == [&once[..], &once].concat());
}

/// Where the pages of an Ogg file begin.
fn pages(bytes: &[u8]) -> Vec<usize> {
    (0..bytes.len()).filter(|&at| bytes[at..].starts_with(b"OggS")).collect()
}

#[test]
fn interleaved_ogg_streams_are_kept_apart() {
    // Two streams page by page: first pages first, as the format asks.
    let (one, two) = (fixture("tone-16000-mono-pages.ogg"), fixture("tone-48000-stereo.opus"));
    let split = |bytes: &[u8]| {
        let starts = pages(bytes);
        let ends = starts.iter().skip(1).copied().chain([bytes.len()]);
        starts.iter().zip(ends).map(|(&start, end)| bytes[start..end].to_vec()).collect::<Vec<_>>()
    };
    let (one_pages, mut two_pages) = (split(&one), split(&two));
    for page in &mut two_pages {
        page[14..18].copy_from_slice(b"two!");
        fix_checksum(page);
    }
    let mut file = Vec::new();
    for index in 0..one_pages.len().max(two_pages.len()) {
        file.extend(one_pages.get(index).into_iter().flatten());
        file.extend(two_pages.get(index).into_iter().flatten());
    }
    assert!(read(&file).whole() == read(&one).whole());
}

#[test]
fn a_hole_in_an_ogg_stream_is_named_and_read_over() {
    let bytes = fixture("tone-16000-mono-pages.ogg");
    let (whole, starts) = (read(&bytes).whole(), pages(&bytes));
    let middle = starts.len() / 2;
    let outcome = read(&[&bytes[..starts[middle]], &bytes[starts[middle + 1]..]].concat());
    assert!(matches!(outcome.oddities[..], [Oddity::Missing(_)]), "{:?}", outcome.oddities);
    let lost = whole.len() - outcome.samples.len();
    assert!(lost > 0 && lost < whole.len() / 2, "{lost} samples");
    let error = outcome.error.expect("audio is missing");
    assert!(matches!(error.place, Place::Time(at) if at > 0.0), "{error}");
    // The end of the stream is missing, and nothing says how much.
    let outcome = read(&bytes[..*starts.last().unwrap()]);
    assert_eq!(outcome.oddities, [Oddity::NoEnd]);
    assert!(whole.starts_with(&outcome.whole()));
}

#[test]
fn opus_is_trimmed_and_scaled_as_its_header_says() {
    let bytes = fixture("tone-48000-stereo.opus");
    let plain = read(&bytes);
    assert_eq!(plain.samples.len(), 24_000);
    // An output gain of -6.02 dB, in units of 1/256 dB.
    let mut quiet = bytes.clone();
    quiet[28 + 16..28 + 18].copy_from_slice(&(-1541i16).to_le_bytes());
    fix_checksum(&mut quiet);
    let quiet = read(&quiet);
    for (quiet, plain) in quiet.samples.iter().zip(&plain.samples) {
        assert!((quiet * 2.0 - plain).abs() < 1e-4);
    }
}

/// Makes the checksum of the first page right.
fn fix_checksum(bytes: &mut [u8]) {
    let segments = usize::from(bytes[26]);
    let length = 27 + segments + bytes[27..27 + segments].iter().map(|&s| usize::from(s)).sum::<usize>();
    bytes[22..26].fill(0);
    let crc = bytes[..length].iter().fold(0u32, |crc, &byte| {
        (0..8).fold(crc ^ u32::from(byte) << 24, |crc, _| {
            if crc >> 31 == 1 { crc << 1 ^ 0x04C1_1DB7 } else { crc << 1 }
        })
    });
    bytes[22..26].copy_from_slice(&crc.to_le_bytes());
}

#[test]
fn cut_containers_give_what_is_there_and_an_error() {
    for name in [
        "tone-16000-mono-faststart.m4a",
        "tone-16000-mono-fragmented.mp4",
        "tone-48000-mono.webm",
        "tone-16000-mono-video.mkv",
    ] {
        let bytes = fixture(name);
        let cut = &bytes[..bytes.len() * 3 / 4];
        for outcome in [read(cut), read_pipe(cut).unwrap()] {
            assert!(!outcome.samples.is_empty(), "{name}");
            assert!(read(&bytes).samples.starts_with(&outcome.samples), "{name}");
            let error = outcome.error.unwrap_or_else(|| panic!("{name}: audio is missing"));
            assert!(matches!(error.problem, Problem::Truncated(_)), "{name}: {error}");
        }
    }
    let bytes = fixture("tone-16000-mono.m4a");
    let error = read_file(&bytes[..bytes.len() * 3 / 4]).err().unwrap();
    assert!(matches!(error.problem, Problem::Truncated(_)), "{error}");
    // A recording of a browser says nothing of its length.
    let bytes = fixture("tone-48000-mono-live.webm");
    read(&bytes[..bytes.len() * 3 / 4]).whole();
}

/// A box of MP4.
fn make_box(kind: &[u8; 4], content: &[u8]) -> Vec<u8> {
    [&(content.len() as u32 + 8).to_be_bytes()[..], kind, content].concat()
}

/// A QuickTime file of one track of PCM at 16 kHz, mono; `enda` is what its box of that name holds.
fn quicktime(kind: &[u8; 4], bytes_per_sample: u32, enda: Option<u16>, samples: &[u8]) -> Vec<u8> {
    timed_quicktime(kind, bytes_per_sample, enda, samples, &[], &[samples.len() as u32 / bytes_per_sample, 1])
}

/// The same with a list of edits, and with counts of sample frames and their durations.
fn timed_quicktime(
    kind: &[u8; 4],
    bytes_per_sample: u32,
    enda: Option<u16>,
    samples: &[u8],
    edits: &[u32],
    durations: &[u32],
) -> Vec<u8> {
    let numbers = |list: &[u32]| list.iter().flat_map(|number| number.to_be_bytes()).collect::<Vec<u8>>();
    let count = samples.len() as u32 / bytes_per_sample;
    let ftyp = make_box(b"ftyp", b"qt  \0\0\0\0qt  ");
    let wave = enda.map(|value| make_box(b"wave", &make_box(b"enda", &value.to_be_bytes())));
    let entry = [
        &[0, 0, 0, 0, 0, 0, 0, 1, 0, 1, 0, 0, 0, 0, 0, 0, 0, 1, 0, 16, 0, 0, 0, 0][..],
        &numbers(&[16_000 << 16, 1, bytes_per_sample, bytes_per_sample, 2]),
        &wave.unwrap_or_default(),
    ]
    .concat();
    let table = [
        make_box(b"stsd", &[numbers(&[0, 1]), make_box(kind, &entry)].concat()),
        make_box(b"stts", &[numbers(&[0, durations.len() as u32 / 2]), numbers(durations)].concat()),
        make_box(b"stsc", &numbers(&[0, 1, 1, count, 1])),
        make_box(b"stsz", &numbers(&[0, bytes_per_sample, count])),
        make_box(b"stco", &numbers(&[0, 1, ftyp.len() as u32 + 8])),
    ]
    .concat();
    let minf = [make_box(b"smhd", &[0; 8]), make_box(b"stbl", &table)].concat();
    let mdia = [
        make_box(b"mdhd", &numbers(&[0, 0, 0, 16_000, count, 0])),
        make_box(b"hdlr", &[&numbers(&[0, 0])[..], b"soun", &[0; 13]].concat()),
        make_box(b"minf", &minf),
    ]
    .concat();
    let tkhd = make_box(b"tkhd", &[numbers(&[0, 0, 0, 1, 0, count]), vec![0; 60]].concat());
    let edits = [numbers(&[0, edits.len() as u32 / 3]), numbers(edits)].concat();
    let edts = make_box(b"edts", &make_box(b"elst", &edits));
    let mvhd = make_box(b"mvhd", &[numbers(&[0, 0, 0, 16_000, 160_000]), vec![0; 80]].concat());
    let trak = make_box(b"trak", &[tkhd, edts, make_box(b"mdia", &mdia)].concat());
    [ftyp, make_box(b"mdat", samples), make_box(b"moov", &[mvhd, trak].concat())].concat()
}

#[test]
fn pcm_in_quicktime_is_read_in_the_order_of_its_bytes() {
    let tone: Vec<f64> = (0..8000).map(|i| 0.5 * (TAU * 440.0 * f64::from(i) / 16_000.0).sin()).collect();
    for (kind, width) in [(b"in24", 3), (b"in32", 4), (b"fl32", 4), (b"fl64", 8), (b"twos", 2), (b"sowt", 2)]
    {
        let big: Vec<u8> = tone
            .iter()
            .flat_map(|&sample| match kind {
                b"fl32" => (sample as f32).to_be_bytes().to_vec(),
                b"fl64" => sample.to_be_bytes().to_vec(),
                _ => ((sample * f64::from(i32::MAX)) as i32).to_be_bytes()[..width].to_vec(),
            })
            .collect();
        let little: Vec<u8> = big.chunks(width).flat_map(|sample| sample.iter().rev().copied()).collect();
        let files = match kind {
            b"twos" => vec![(None, &big)],
            b"sowt" => vec![(None, &little)],
            _ => vec![(None, &big), (Some(0), &big), (Some(1), &little)],
        };
        for (enda, samples) in files {
            let samples = read(&quicktime(kind, width as u32, enda, samples)).whole();
            assert_eq!(samples.len(), tone.len());
            let off = samples.iter().zip(&tone).map(|(&a, &b)| (f64::from(a) - b).abs()).fold(0.0, f64::max);
            assert!(off < 1e-4, "{} {enda:?}: {off}", kind.escape_ascii());
        }
    }
}

#[test]
fn foreign_bytes_around_containers_cost_no_audio() {
    let id3v1 = [&b"TAGtitle"[..], &[b'a'; 120]].concat();
    let id3v2 = [&b"ID3\x04\0\0\0\0\0\x10"[..], &[b'a'; 16]].concat();
    let names = ["tone-16000-mono.m4a", "tone-16000-mono-faststart.m4a", "tone-16000-mono-fragmented.mp4"];
    for name in names.into_iter().chain(["tone-48000-mono.webm"]) {
        let bytes = fixture(name);
        let whole = read(&bytes).whole();
        let in_front = read(&[&id3v2, &bytes[..]].concat());
        assert_eq!(in_front.oddities, [], "{name}");
        assert!(in_front.whole() == whole, "{name}");
        for behind in [&id3v1[..], b"hello world, this is text", &[0; 700], &[0xA7; 3000]] {
            let outcome = read(&[&bytes, behind].concat());
            assert_eq!(outcome.oddities, [Oddity::BytesBehind], "{name}");
            assert!(outcome.whole() == whole, "{name}");
        }
    }
}

#[test]
fn the_last_box_may_go_on_to_the_end() {
    let mut bytes = fixture("tone-16000-mono-faststart.m4a");
    let whole = read(&bytes).whole();
    let at = bytes.windows(4).position(|kind| kind == b"mdat").expect("a box of audio");
    bytes[at - 4..at].fill(0);
    assert!(read(&bytes).whole() == whole);
    assert!(read_pipe(&bytes).unwrap().whole() == whole);
}

#[test]
fn joined_containers_are_read_to_the_end() {
    let names = ["tone-16000-mono.m4a", "tone-16000-mono-faststart.m4a", "tone-16000-mono-fragmented.mp4"];
    for name in names.into_iter().chain(["tone-48000-mono.webm", "tone-48000-mono-live.webm"]) {
        let bytes = fixture(name);
        let whole = read(&bytes).whole();
        let twice = read(&[&bytes[..], &bytes].concat());
        assert_eq!(twice.oddities, [], "{name}");
        assert!(twice.whole() == [&whole[..], &whole].concat(), "{name}");
    }
    for name in [names[1], names[2], "tone-48000-mono.webm", "tone-48000-mono-live.webm"] {
        let bytes = fixture(name);
        let twice = [&bytes[..], &bytes].concat();
        assert!(read_pipe(&twice).unwrap().whole() == read(&twice).whole(), "{name}");
    }
}

#[test]
fn silence_stands_where_timestamps_leave_audio_out() {
    let tone = (0..8000).map(|i| (16_000.0 * (TAU * 440.0 * f64::from(i) / 16_000.0).sin()) as i16);
    let samples: Vec<u8> = tone.flat_map(i16::to_be_bytes).collect();
    let file = |edits: &[u32], durations: &[u32]| {
        read(&timed_quicktime(b"twos", 2, None, &samples, edits, durations))
    };
    let plain = file(&[], &[8000, 1]).whole();
    let late = [32_000, u32::MAX, 1 << 16, 8000, 0, 1 << 16];
    let cases: [(&[u32], &[u32], usize, usize); 4] = [
        (&late, &[8000, 1], 0, 32_000),
        (&[], &[3999, 1, 1, 16_001, 4000, 1], 4000, 16_000),
        // Jitter.
        (&[], &[3999, 1, 1, 1001, 4000, 1], 4000, 0),
        // A timestamp behind the end that the file states.
        (&[], &[3999, 1, 1, 1 << 30, 4000, 1], 4000, 0),
    ];
    for (edits, durations, at, silence) in cases {
        let outcome = file(edits, durations);
        assert_eq!(outcome.oddities.len(), usize::from(silence > 0), "{durations:?}");
        let expected = [&plain[..at], &vec![0.0; silence], &plain[at..]].concat();
        assert!(outcome.whole() == expected, "{durations:?}");
    }
    // The only cluster of a WebM file, put 250 ms later.
    let mut bytes = fixture("tone-48000-mono.webm");
    let whole = read(&bytes).whole();
    let at = bytes.windows(3).position(|window| window == b"\xE7\x81\0").expect("a timestamp");
    bytes[at + 2] = 250;
    let outcome = read(&bytes);
    assert!(matches!(outcome.oddities[..], [Oddity::Irregular(_)]), "{:?}", outcome.oddities);
    let silence = outcome.samples.len() - whole.len();
    assert!((11_500..=12_000).contains(&silence), "{silence} sample frames");
    assert!(outcome.samples[silence..] == whole);
}

/// One of the files that go wrong, if they are there.
fn shared(name: &str) -> Option<Outcome> {
    let path = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../../shared/inputs").join(name);
    let Ok(bytes) = std::fs::read(path) else {
        println!("shared/inputs/{name} is absent");
        return None;
    };
    Some(read(&bytes))
}

#[test]
fn compressed_files_that_went_wrong_are_read() {
    for (name, seconds, unsure) in [
        ("chained.ogg", 5.97, 0.001),
        ("flac_with_id3v1_tail.flac", 2.985, 0.0001),
        ("flac_min_block_0.flac", 2.985, 0.0001),
        ("two_mp3_joined.mp3", 7.355, 0.001),
        ("xing_frames_zero.mp3", 2.985, 0.1),
        ("video.mkv", 2.985, 0.1),
        ("voice_memo.m4a", 2.985, 0.001),
        ("voice_note.opus", 2.985, 0.001),
    ] {
        let Some(outcome) = shared(name) else { return };
        assert!((outcome.seconds() - seconds).abs() <= unsure, "{name}: {} s", outcome.seconds());
        outcome.whole();
    }
    let Some(outcome) = shared("cut_at_95_percent.flac") else { return };
    assert!((outcome.seconds() - 5.632).abs() < 0.001, "{} s", outcome.seconds());
    assert!(matches!(outcome.error.unwrap().problem, Problem::Truncated(_)));
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(200))]

    /// What a cut file gives is the start of what the whole file gives.
    #[test]
    fn cut_files_give_a_prefix(which in 0..TONES.len(), keep in 0.0f64..1.0, is_pipe in any::<bool>()) {
        let name = TONES[which].0;
        let bytes = fixture(name);
        let cut = &bytes[..(bytes.len() as f64 * keep) as usize];
        let whole = read(&bytes).samples;
        if let Ok(outcome) = if is_pipe { read_pipe(cut) } else { read_file(cut) } {
            // Padding that no end contradicts stays: at the most that of the whole file.
            let common = outcome.samples.len().min(whole.len());
            prop_assert!(outcome.samples[..common] == whole[..common], "{}", name);
            prop_assert!(outcome.samples.len() <= whole.len() + 8192, "{}", name);
        }
    }

    /// Damage anywhere gives samples and an error, and never a panic or more audio than the bytes can hold.
    #[test]
    fn damaged_files_never_panic(
        which in 0..TONES.len(),
        flips in proptest::collection::vec((0.0f64..1.0, any::<u8>()), 1..8),
        near_start in any::<bool>(),
        is_pipe in any::<bool>(),
    ) {
        let mut bytes = fixture(TONES[which].0);
        let reach = if near_start { bytes.len().min(600) } else { bytes.len() };
        for (at, value) in flips {
            bytes[(reach as f64 * at) as usize] = value;
        }
        if let Ok(outcome) = if is_pipe { read_pipe(&bytes) } else { read_file(&bytes) } {
            prop_assert!(outcome.samples.iter().all(|sample| sample.is_finite()));
            prop_assert!(outcome.samples.len() < bytes.len() * 8192);
        }
    }
}
