//! WAV and its relatives: every encoding in every container, from files and from pipes, whole, cut off, never
//! finished, and with lengths that lie.
#![cfg(feature = "files")]
#![allow(clippy::print_stdout, reason = "says that the clips are absent")]

use std::io::{Cursor, Read, Write};

use proptest::prelude::*;
use voxlane::audio::file::{AudioError, Block, Oddity, Place, Problem, Reader, ReaderOptions, read};

#[path = "support/containers.rs"]
mod containers;
use containers::{CONTAINERS, Container, Layout, chunk};

/// What came out of a file up to its end or an error.
#[derive(Debug)]
struct Heard {
    samples: Vec<f32>,
    channels: usize,
    warnings: Vec<Oddity>,
    error: Option<AudioError>,
}

fn drain(reader: Result<Reader, AudioError>) -> Heard {
    let mut heard = Heard { samples: Vec::new(), channels: 0, warnings: Vec::new(), error: None };
    let mut reader = match reader {
        Ok(reader) => reader,
        Err(error) => return Heard { error: Some(error), ..heard },
    };
    heard.channels = reader.channels();
    heard.error = loop {
        match reader.next_block() {
            Ok(Some(Block::I16(samples))) => {
                heard.samples.extend(samples.iter().map(|&s| f32::from(s) / 32_768.0));
            }
            Ok(Some(Block::F32(samples))) => heard.samples.extend(samples),
            Ok(None) => break None,
            Err(error) => break Some(error),
        }
    };
    heard.warnings = reader.warnings().iter().map(|warning| warning.problem.clone()).collect();
    heard
}

fn from_file(bytes: &[u8]) -> Heard {
    let mut file = tempfile::NamedTempFile::new().unwrap();
    file.write_all(bytes).unwrap();
    drain(Reader::open(file.path()))
}

/// Gives at most so many bytes at a time.
struct Slow(Cursor<Vec<u8>>, usize);

impl Read for Slow {
    fn read(&mut self, out: &mut [u8]) -> std::io::Result<usize> {
        let count = out.len().min(self.1);
        self.0.read(&mut out[..count])
    }
}

fn from_pipe(bytes: &[u8], step: usize) -> Heard {
    let pipe = Box::new(Slow(Cursor::new(bytes.to_vec()), step));
    drain(Reader::from_stream("standard input", pipe, ReaderOptions::default()))
}

/// Something like a voice: a few harmonics that swell and fade.
fn voice(count: usize) -> Vec<f64> {
    let value = |i: usize| {
        let t = i as f64 / 16_000.0;
        let harmonics: f64 = (1..6).map(|k| (f64::from(k) * 880.0 * t).sin() / f64::from(k)).sum();
        0.2 * harmonics * (0.3 + (7.0 * t).sin().abs())
    };
    (0..count).map(value).collect()
}

fn assert_is(heard: &Heard, expected: &[f64], step: f64, what: &str) {
    assert_eq!(heard.samples.len(), expected.len(), "{what}: {:?} {:?}", heard.error, heard.warnings);
    for (i, (&sample, &right)) in heard.samples.iter().zip(expected).enumerate() {
        assert!((f64::from(sample) - right).abs() <= step, "{what}: sample {i} is {sample}, not {right}");
    }
}

#[test]
fn every_encoding_of_every_container_is_read_from_files_and_pipes() {
    let voice = voice(5_000);
    for container in CONTAINERS {
        for &encoding in container.encodings() {
            for channels in [1, 2] {
                let bytes = Layout::new(container, encoding, channels, &voice).bytes();
                let what = format!("{container:?} {encoding:?} {channels}");
                for heard in [from_file(&bytes), from_pipe(&bytes, 7), from_pipe(&bytes, 5_000)] {
                    assert_is(&heard, &voice, encoding.step(), &what);
                    assert_eq!(heard.channels, channels, "{what}");
                    assert!(heard.error.is_none() && heard.warnings.is_empty(), "{what}: {heard:?}");
                }
            }
        }
    }
}

#[test]
fn a_length_that_was_never_filled_in_means_to_the_end_in_every_container() {
    let voice = voice(5_000);
    for container in CONTAINERS {
        let encoding = container.encodings()[0];
        for &(outer, data) in container.open_lengths() {
            let layout = Layout { outer, data, ..Layout::new(container, encoding, 1, &voice) };
            for heard in [from_file(&layout.bytes()), from_pipe(&layout.bytes(), 999)] {
                let what = format!("{container:?} {outer:x?} {data:x?}");
                assert_is(&heard, &voice, encoding.step(), &what);
                assert!(heard.error.is_none(), "{what}: {heard:?}");
                assert!(matches!(heard.warnings[..], [Oddity::NoLength(_)]), "{what}: {heard:?}");
            }
        }
    }
}

#[test]
fn unfinished_wavs_of_every_layout_are_read() {
    let voice = voice(5_000);
    let fillers: [&[(&[u8; 4], usize)]; 7] = [
        &[],
        &[(b"JUNK", 28)],
        &[(b"FLLR", 4008)],
        &[(b"LIST", 26), (b"fact", 4)],
        &[(b"bext", 603)],
        &[(b"JUNK", 28), (b"bext", 602), (b"FLLR", 17)],
        &[(b"XyZ ", 3)],
    ];
    for before in fillers {
        for format_bytes in [16, 18, 40] {
            for (outer, data) in
                [(0, 0), (36, 0), (60, 0), (4088, 0), (u64::MAX, u64::MAX), (0x7FFF_FFFF, 0x7FFF_FFDB)]
            {
                let mut layout = Layout::new(Container::Wav, Container::Wav.encodings()[0], 1, &voice);
                layout.before = before.iter().flat_map(|(id, size)| chunk(id, &vec![0; *size])).collect();
                layout.format_bytes = format_bytes;
                (layout.outer, layout.data) = (Some(outer), Some(data));
                let heard = from_file(&layout.bytes());
                let what = format!("{before:?} fmt {format_bytes} {outer:#x} {data:#x}");
                assert_is(&heard, &voice, 1e-4, &what);
                assert!(
                    matches!(heard.warnings[..], [Oddity::NoLength(_)]) && heard.error.is_none(),
                    "{what}"
                );
            }
        }
    }
}

/// The trap of `unfinalized_extensible.wav`: zeros behind an empty data chunk are audio like any other.
#[test]
fn an_unfinished_wav_that_begins_with_digital_silence_is_read() {
    let samples = [vec![0.0; 8_000], voice(5_000)].concat();
    let mut layout = Layout::new(Container::Wav, Container::Wav.encodings()[0], 1, &samples);
    (layout.outer, layout.data) = (Some(60), Some(0));
    assert_is(&from_file(&layout.bytes()), &samples, 1e-4, "silence first");
}

#[test]
fn a_finished_file_that_was_cut_gives_what_is_there_and_an_error() {
    let voice = voice(5_000);
    for container in CONTAINERS {
        let encoding = container.encodings()[0];
        let bytes = Layout::new(container, encoding, 1, &voice).bytes();
        let frame = encoding.bytes();
        for missing in [1_000, 5 * frame, 3_001] {
            let kept = (voice.len() * frame - missing) / frame;
            let cut = &bytes[..bytes.len() - missing];
            for heard in [from_file(cut), from_pipe(cut, 1_234)] {
                let what = format!("{container:?} without {missing} bytes");
                assert_is(&heard, &voice[..kept], encoding.step(), &what);
                let error = heard.error.unwrap_or_else(|| panic!("{what}: no error"));
                assert!(
                    matches!((&error.problem, error.place), (Problem::Truncated(_), Place::Byte(_))),
                    "{error}"
                );
            }
        }
    }
}

#[test]
fn all_data_chunks_count_in_order() {
    let voice = voice(6_000);
    for container in [Container::Wav, Container::W64, Container::Aiff, Container::Caf] {
        let encoding = container.encodings()[0];
        let whole = Layout::new(container, encoding, 1, &voice);
        let part = voice.len() * encoding.bytes() / 3;
        let mut layout = whole.clone();
        layout.samples.truncate(part);
        layout.after = [
            container.filler(27),
            container.data_chunk(&whole.samples[part..2 * part], None),
            container.filler(4),
            container.filler(1),
            container.data_chunk(&whole.samples[2 * part..], None),
            container.filler(9),
        ]
        .concat();
        for heard in [from_file(&layout.bytes()), from_pipe(&layout.bytes(), 100)] {
            assert_is(&heard, &voice, encoding.step(), &format!("{container:?}"));
            assert!(matches!(heard.warnings[..], [Oddity::SeveralChunks(_)]), "{container:?}: {heard:?}");
            assert!(heard.error.is_none(), "{container:?}: {heard:?}");
        }
    }
}

#[test]
fn an_unfinished_last_data_chunk_is_read_to_the_end() {
    let voice = voice(6_000);
    let encoding = Container::Wav.encodings()[0];
    let whole = Layout::new(Container::Wav, encoding, 1, &voice);
    for size in [Some(0), Some(u64::from(u32::MAX))] {
        let mut layout = whole.clone();
        layout.samples.truncate(4_000);
        layout.after = Container::Wav.data_chunk(&whole.samples[4_000..], size);
        assert_is(&from_file(&layout.bytes()), &voice, encoding.step(), "second chunk without a length");
    }
}

/// As of a recorder that brings the header up to date now and then, and crashed.
#[test]
fn samples_behind_the_length_that_the_header_gives_are_read() {
    let voice = voice(50_000);
    for container in CONTAINERS {
        let encoding = container.encodings()[0];
        for channels in [1, 2] {
            let whole = Layout::new(container, encoding, channels, &voice);
            for kept in [10_000usize, 10_001, 10_002, 10_003] {
                let mut layout = whole.clone();
                layout.after = layout.samples.split_off(kept);
                layout.outer = layout.whole_outer().map(|size| size - layout.after.len() as u64);
                let what = format!("{container:?} {kept} bytes, {channels} channels");
                let heard = from_file(&layout.bytes());
                assert_is(&heard, &voice, encoding.step(), &what);
                assert!(matches!(heard.warnings[..], [Oddity::GoesOn { .. }]), "{what}: {heard:?}");
            }
        }
    }
}

#[test]
fn files_that_are_joined_end_to_end_are_all_read() {
    let voice = voice(5_001);
    let twice = [&voice[..], &voice].concat();
    for container in CONTAINERS {
        // An odd number of bytes, so that a byte of padding stands between the files.
        for encoding in [container.encodings()[0], container.encodings()[1]] {
            let mut layout = Layout::new(container, encoding, 1, &voice);
            let one = layout.bytes();
            layout.after = container.filler(27);
            let with_chunk_behind = layout.bytes();
            for first in [one.clone(), with_chunk_behind] {
                let joined = [first, one.clone()].concat();
                for heard in [from_file(&joined), from_pipe(&joined, 100)] {
                    let what = format!("{container:?} {encoding:?}");
                    assert_is(&heard, &twice, encoding.step(), &what);
                    assert!(heard.error.is_none(), "{what}: {heard:?}");
                    let [Oddity::Irregular(said)] = &heard.warnings[..] else { panic!("{what}: {heard:?}") };
                    assert!(said.contains("another"), "{what}: {said}");
                }
            }
        }
    }
}

#[test]
fn a_joined_file_of_another_format_is_an_error() {
    let voice = voice(5_000);
    let [first, other] =
        [0, 1].map(|i| Layout::new(Container::Wav, Container::Wav.encodings()[i], 1, &voice).bytes());
    let heard = from_file(&[first, other].concat());
    assert_is(&heard, &voice, 1e-4, "the first of two");
    let error = heard.error.expect("the second is not read");
    assert!(error.to_string().contains("another format"), "{error}");
}

#[test]
fn samples_of_unlike_channels_go_on_behind_a_length_that_is_too_short() {
    let loud: Vec<f64> = voice(50_000).iter().map(|s| 1.5 * s).collect();
    let (silence, minus) = (vec![0.0; loud.len()], loud.iter().map(|s| -s).collect::<Vec<_>>());
    for (what, channels) in [("left alone", [&loud[..], &silence]), ("opposite phase", [&loud, &minus])] {
        let mut layout = Layout::of_channels(Container::Wav, Container::Wav.encodings()[0], &channels);
        layout.after = layout.samples.split_off(100_000);
        layout.outer = layout.whole_outer().map(|size| size - layout.after.len() as u64);
        let heard = from_file(&layout.bytes());
        assert_eq!(heard.samples.len(), loud.len(), "{what}: {:?}", heard.warnings);
        let goes_on = heard.warnings.iter().any(|warning| matches!(warning, Oddity::GoesOn { .. }));
        assert!(goes_on, "{what}: {:?}", heard.warnings);
    }
}

#[test]
fn what_is_no_audio_behind_the_audio_is_left_out() {
    let voice = voice(5_000);
    // As of something encrypted.
    let mut state = 1u64;
    let mut random = || {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (state >> 56) as u8
    };
    let noise: Vec<u8> = (0..20_000).map(|_| random()).collect();
    let mut id3v1 = b"TAG".to_vec();
    id3v1.resize(128, b' ');
    let tails: [(&str, Vec<u8>, bool); 9] = [
        ("LIST INFO", chunk(b"LIST", b"INFOISFT\x0E\0\0\0Lavf59.27.100\0"), false),
        ("an ID3 chunk", chunk(b"id3 ", b"ID3\x03\0\0\0\0\0\x11TIT2\0\0\0\x07\0\0\0speech"), false),
        ("an unknown chunk", chunk(b"QqQq", &[7; 333]), false),
        ("an ID3v1 tag", id3v1, false),
        ("an ID3v2 tag", b"ID3\x03\0\0\0\0\0\x11TIT2\0\0\0\x07\0\0\0speech".to_vec(), false),
        ("zeros", vec![0; 4_000], false),
        ("text", b"-- recorded by hand, please return --\r\n".repeat(9), true),
        ("noise", noise, true),
        ("a few bytes", vec![3; 11], true),
    ];
    for (what, tail, is_odd) in tails {
        let mut layout = Layout::new(Container::Wav, Container::Wav.encodings()[0], 1, &voice);
        layout.outer = layout.whole_outer();
        layout.after = tail;
        for heard in [from_file(&layout.bytes()), from_pipe(&layout.bytes(), 4_096)] {
            assert_is(&heard, &voice, 1e-4, what);
            assert!(heard.error.is_none(), "{what}: {heard:?}");
            assert_eq!(heard.warnings, vec![Oddity::BytesBehind; usize::from(is_odd)], "{what}");
        }
    }
}

#[test]
fn tags_and_other_bytes_in_front_of_the_header_are_left_out() {
    let voice = voice(5_000);
    let mut tag = b"ID3\x04\0\0\0\0\x20\0".to_vec();
    tag.resize(10 + 0x1000, 0xAB);
    for (what, front) in [
        ("ID3", tag.clone()),
        ("two ID3", [tag.clone(), tag].concat()),
        ("lines", b"\r\n\x01junk\n".to_vec()),
    ] {
        for container in [Container::Wav, Container::Aiff, Container::Caf] {
            if what == "lines" && container != Container::Wav {
                continue;
            }
            let encoding = container.encodings()[0];
            let bytes = [front.clone(), Layout::new(container, encoding, 1, &voice).bytes()].concat();
            for heard in [from_file(&bytes), from_pipe(&bytes, 100)] {
                assert_is(&heard, &voice, encoding.step(), what);
                assert_eq!(heard.warnings, [Oddity::BytesInFront(front.len() as u64)], "{what}");
            }
        }
    }
}

#[test]
fn a_wrong_length_of_a_chunk_in_front_does_not_hide_the_samples() {
    let voice = voice(5_000);
    let mut layout = Layout::new(Container::Wav, Container::Wav.encodings()[0], 1, &voice);
    layout.before = b"LIST\xFF\xFF\xFF\x00INFOISFT\x04\0\0\0abc\0".to_vec();
    let heard = from_file(&layout.bytes());
    assert_is(&heard, &voice, 1e-4, "LIST of 16 MB");
    assert!(matches!(&heard.warnings[..], [Oddity::Irregular(what)] if what.contains("LIST")), "{heard:?}");
}

#[test]
fn a_length_that_is_too_great_in_a_whole_file_is_a_warning() {
    let voice = voice(5_000);
    let mut layout = Layout::new(Container::Wav, Container::Wav.encodings()[0], 1, &voice);
    layout.outer = layout.whole_outer();
    layout.data = Some(10_036);
    let heard = from_file(&layout.bytes());
    assert_is(&heard, &voice, 1e-4, "data length with the header in it");
    assert_eq!(heard.warnings, [Oddity::WrongLength { claimed: 10_036, found: 10_000 }]);
    assert!(heard.error.is_none());
}

#[test]
fn the_format_of_an_aiff_may_stand_behind_its_samples() {
    let voice = voice(5_000);
    let mut layout = Layout::new(Container::Aiff, Container::Aiff.encodings()[0], 1, &voice);
    layout.format_last = true;
    assert_is(&from_file(&layout.bytes()), &voice, 1e-4, "COMM last");
    let error = from_pipe(&layout.bytes(), 100).error.expect("a pipe cannot go back");
    assert!(error.to_string().contains("SSND chunk comes before the COMM chunk"), "{error}");
}

#[test]
fn codecs_inside_these_containers_are_refused_by_name() {
    let wav = |tag: u16| {
        let mut layout = Layout::new(Container::Wav, Container::Wav.encodings()[0], 1, &voice(100));
        layout.tag = Some(tag);
        layout.bytes()
    };
    let replaced = |container: Container, name: &[u8; 4], with: &[u8; 4]| {
        let mut bytes = Layout::new(container, container.encodings()[0], 1, &voice(100)).bytes();
        let at = bytes.windows(4).position(|window| window == name).unwrap();
        bytes[at..at + 4].copy_from_slice(with);
        bytes
    };
    let cases = [
        (wav(0x02), "Microsoft ADPCM"),
        (wav(0x11), "IMA ADPCM"),
        (wav(0x31), "GSM 6.10"),
        (wav(0x55), "MP3"),
        (wav(0xFF), "AAC"),
        (wav(0x4242), "0x4242"),
        (replaced(Container::Aifc, b"sowt", b"ima4"), "IMA ADPCM"),
        (replaced(Container::Caf, b"lpcm", b"alac"), "ALAC"),
        (replaced(Container::Caf, b"lpcm", b"ima4"), "IMA ADPCM"),
        (b"RIFF\0\0\x01\0AVI LIST".to_vec(), "AVI"),
        (b"#!AMR\n<\x91\x17\x16\xBEf".to_vec(), "AMR"),
        (b"NIST_1A\n   1024\n".to_vec(), "SPHERE"),
        (b".snd\0\0\0\x18".to_vec(), "AU"),
        (b"MThd\0\0\0\x06\0\x01".to_vec(), "MIDI"),
    ];
    for (bytes, name) in cases {
        for error in [from_file(&bytes).error, from_pipe(&bytes, 10).error] {
            let error = error.expect(name);
            assert!(matches!(error.problem, Problem::Unsupported(_)), "{error}");
            let message = error.to_string();
            assert!(message.contains(name) && message.contains("ffmpeg -i"), "{message}");
        }
    }
}

#[test]
fn samples_in_front_of_a_bad_one_are_given() {
    for at in [0, 1, 7_000] {
        let mut samples = vec![0.25f32; 10_000];
        samples[at] = f32::NAN;
        let mut layout = Layout::new(Container::Wav, Container::Wav.encodings()[3], 1, &[]);
        layout.samples = samples.iter().flat_map(|s| s.to_le_bytes()).collect();
        let heard = from_file(&layout.bytes());
        assert_eq!(heard.samples, vec![0.25; at]);
        assert!(matches!(heard.error.expect("NaN").problem, Problem::Sample(_)));
    }
}

/// The same clip in every file of the issue that concerns these formats.
#[test]
fn the_files_of_the_issue_hold_the_whole_clip() {
    let folder = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("../../../shared/inputs");
    if !folder.exists() {
        println!("../shared/inputs is absent: nothing to test");
        return;
    }
    let clip = drain(Reader::open(folder.join("rf64.wav")));
    assert!(clip.error.is_none() && clip.warnings.is_empty(), "{clip:?}");
    assert_eq!(clip.samples.len(), 47_760);
    for (name, silence) in [
        ("unfinalized_avaudiofile.wav", 0),
        ("unfinalized_extensible.wav", 1_600),
        ("two_data_chunks.wav", 0),
    ] {
        for heard in [
            drain(Reader::open(folder.join(name))),
            from_pipe(&std::fs::read(folder.join(name)).unwrap(), 4_000),
        ] {
            assert_eq!(heard.samples[silence..], clip.samples, "{name}");
            assert!(heard.samples[..silence].iter().all(|&s| s == 0.0), "{name}");
            assert!(heard.error.is_none() && heard.warnings.len() == 1, "{name}: {:?}", heard.warnings);
        }
    }
    let anti = drain(Reader::open(folder.join("stereo_antiphase.wav")));
    assert_eq!((anti.samples, anti.channels), (clip.samples, 2));
    assert_eq!(anti.warnings, [Oddity::OppositePhase { channel: 1 }]);
    let stdin = std::fs::File::open(folder.join("eight_khz_for_stdin.wav")).unwrap();
    let reader = Reader::from_stream("standard input", Box::new(stdin), ReaderOptions::default()).unwrap();
    assert_eq!(reader.sample_rate(), 8_000);
    assert_eq!(drain(Ok(reader)).samples.len(), 23_880);
}

fn containers_and_encodings() -> impl Strategy<Value = (Container, usize)> {
    (prop::sample::select(CONTAINERS.to_vec()), 0usize..16)
        .prop_map(|(container, which)| (container, which % container.encodings().len()))
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(400))]
    #[test]
    fn a_cut_file_gives_a_prefix((container, which) in containers_and_encodings(), channels in 1usize..4, keep in 0.0f64..1.0) {
        let (voice, encoding) = (voice(1_000), container.encodings()[which]);
        let bytes = Layout::new(container, encoding, channels, &voice).bytes();
        let heard = from_file(&bytes[..(bytes.len() as f64 * keep) as usize]);
        prop_assert!(heard.samples.len() <= voice.len());
        assert_is(&heard, &voice[..heard.samples.len()], encoding.step(), "cut");
        // Of a frame, the part that is there is dropped with a warning.
        let is_reported = heard.error.is_some() || heard.samples.len() + 1 == voice.len() && !heard.warnings.is_empty();
        prop_assert!(is_reported, "audio is missing: {:?}", heard);
    }

    #[test]
    fn lengths_that_lie_cost_no_audio(
        (container, which) in containers_and_encodings(),
        outer in prop::option::of(any::<u64>()),
        data in prop::option::of(prop_oneof![any::<u64>(), 0u64..200_000]),
        shift in 0u32..64,
    ) {
        let (voice, encoding) = (voice(40_000), container.encodings()[which]);
        let layout = Layout {
            outer: outer.map(|size| size >> shift),
            data: data.map(|size| size >> (shift % 16)),
            ..Layout::new(container, encoding, 1, &voice)
        };
        let heard = from_file(&layout.bytes());
        // A length that ends just in front of the last few samples may cost them.
        prop_assert!(heard.samples.len() + 40 >= voice.len(), "{:?} {:?}: {} samples, {:?} {:?}",
            container, encoding, heard.samples.len(), heard.error, heard.warnings);
        assert_is(&heard, &voice[..heard.samples.len()], encoding.step(), "lies");
    }

    #[test]
    fn damaged_headers_never_panic(
        (container, which) in containers_and_encodings(),
        flips in prop::collection::vec((0usize..160, any::<u8>()), 1..8),
        keep in 0.2f64..1.0,
        step in 1usize..3_000,
    ) {
        let encoding = container.encodings()[which];
        let mut bytes = Layout::new(container, encoding, 2, &voice(500)).bytes();
        bytes.truncate((bytes.len() as f64 * keep) as usize);
        for (at, value) in flips {
            if let Some(byte) = bytes.get_mut(at) {
                *byte = value;
            }
        }
        let (file, pipe) = (from_file(&bytes), from_pipe(&bytes, step));
        prop_assert!(file.samples.len() <= bytes.len() && pipe.samples.len() <= bytes.len());
    }
}

#[test]
fn read_keeps_the_warnings() {
    let mut layout = Layout::new(Container::Wav, Container::Wav.encodings()[0], 1, &voice(500));
    layout.data = Some(0);
    layout.outer = Some(0);
    let mut file = tempfile::NamedTempFile::new().unwrap();
    file.write_all(&layout.bytes()).unwrap();
    let recording = read(file.path()).unwrap();
    assert_eq!((recording.samples.len(), recording.warnings.len()), (500, 1));
    let message = recording.warnings[0].to_string();
    assert_eq!(
        message,
        "the length of the audio was never filled in (data size 0, RIFF size 0); read to the end of the file (at byte 36)"
    );
}
