//! What `voxlane live` takes for audio.

use super::live::{events, raw, texts};
use super::tools::{
    Said, command, fed, fixture, model, output, path, run, sample, sample_values, shared, write_f32_wav,
    write_i16_wav,
};
use std::fs;

/// What is said in most recordings of ../shared/inputs, as far as all of them have it right.
const SENTENCE: &str = "every measure";

fn live(input: &[u8], args: &[&str]) -> Said {
    model();
    fed(input, command(&["live"]).args(args))
}

/// Words without case and punctuation.
fn plain(text: &str) -> String {
    text.to_lowercase().chars().filter(|c| c.is_alphanumeric() || c.is_whitespace()).collect()
}

fn warnings(said: &Said) -> Vec<&str> {
    said.err.lines().filter(|line| line.starts_with("warning: ")).collect()
}

#[test]
fn files_on_standard_input_give_the_text_that_they_give_by_name() {
    let heads = [
        "eight_khz_for_stdin.wav",
        "unfinalized_extensible.wav",
        "flac_with_id3v1_tail.flac",
        "two_mp3_joined.mp3",
    ];
    for name in heads {
        let Some(file) = shared(&format!("inputs/{name}")) else { return };
        let by_name = run(&["live", "--input", &path(&file), "--pace", "fast"]);
        let piped = live(&fs::read(&file).unwrap(), &[]);
        assert_eq!((piped.code, &piped.out), (by_name.code, &by_name.out), "{name}: {}", piped.err);
        let redirected = output(command(&["live"]).stdin(fs::File::open(&file).unwrap()));
        assert_eq!((redirected.code, &redirected.out), (by_name.code, &by_name.out), "{name}");
        assert!(plain(&piped.out).contains(SENTENCE), "{name}: {:?} {}", piped.out, piped.err);
    }
}

#[test]
fn a_wav_file_of_8_khz_on_standard_input_was_read_as_raw_samples_of_16_khz() {
    let Some(file) = shared("inputs/eight_khz_for_stdin.wav") else { return };
    let said = live(&fs::read(file).unwrap(), &[]);
    assert_eq!(said.code, 0, "{}", said.err);
    assert_eq!(plain(said.out.trim()), "every measure pursued by the commons");
}

#[test]
fn samples_without_a_header_are_read_as_the_options_say() {
    let samples = sample_values();
    let float: Vec<u8> = samples.iter().flat_map(|&s| (f32::from(s) / 32_768.0).to_le_bytes()).collect();
    let half = samples.chunks(2).map(|pair| pair[0]);
    let half_rate: Vec<u8> = half.flat_map(i16::to_le_bytes).collect();
    let stereo: Vec<u8> = samples.iter().flat_map(|&s| [s, 0]).flat_map(i16::to_le_bytes).collect();
    let mulaw: Vec<u8> = samples.iter().map(|&s| mu_law(s)).collect();
    let alaw: Vec<u8> = samples.iter().map(|&s| a_law(s)).collect();
    for (bytes, args) in [
        (&float, &["--encoding", "f32le"][..]),
        (&half_rate, &["--rate", "8000"]),
        (&stereo, &["--channels", "2"]),
        (&stereo, &["--channels", "2", "--channel", "1"]),
        (&mulaw, &["--encoding", "mulaw"]),
        (&alaw, &["--encoding", "alaw"]),
    ] {
        let said = live(bytes, args);
        assert_eq!(said.code, 0, "{args:?}: {}", said.err);
        assert!(plain(&said.out).contains("ever tried"), "{args:?}: {:?}", said.out);
        assert_eq!(warnings(&said), [""; 0], "{args:?}");
    }
    // The same bytes in a named file.
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("a.raw");
    fs::write(&file, &mulaw).unwrap();
    let said = run(&["live", "--input", &path(&file), "--pace", "fast", "--encoding", "mulaw"]);
    assert!(plain(&said.out).contains("ever tried"), "{} {}", said.out, said.err);
}

#[test]
fn bytes_that_are_no_such_samples_are_said_to_be_none() {
    let samples = sample_values();
    let s16: Vec<u8> = samples.iter().flat_map(|&s| s.to_le_bytes()).collect();
    let float: Vec<u8> = samples.iter().flat_map(|&s| (f32::from(s) / 32_768.0).to_le_bytes()).collect();
    let alaw: Vec<u8> = samples.iter().map(|&s| a_law(s)).collect();
    let text = "It was the best of times, it was the worst of times.\n".repeat(300);
    let mut random = 1u64;
    let noise = (0..200_000).map(|_| {
        random = random.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (random >> 56) as u8
    });
    let noise: Vec<u8> = noise.collect();
    for (bytes, args, words) in [
        (&float[..], &[][..], "32-bit float samples (f32le), not like 16-bit samples (s16le)"),
        (&alaw, &[], "A-law samples (alaw), not like 16-bit samples (s16le)"),
        (&alaw, &["--encoding", "mulaw"], "A-law samples (alaw), not like µ-law samples (mulaw)"),
        (&s16, &["--encoding", "alaw"], "16-bit samples (s16le), not like A-law samples (alaw)"),
        (text.as_bytes(), &[], "text, not like 16-bit samples (s16le)"),
        (&noise, &[], "compressed or encrypted data, or noise, not like 16-bit samples (s16le)"),
    ] {
        let said = live(bytes, args);
        assert_eq!(said.code, 0, "{args:?}: {}", said.err);
        let of_bytes = warnings(&said).into_iter().filter(|line| line.contains("the bytes look like"));
        assert_eq!(of_bytes.count(), 1, "{args:?}: {}", said.err);
        assert!(said.err.contains(words), "{args:?}: {}", said.err);
    }
    // What is no number, or no level, is an error.
    let said = live(&s16, &["--encoding", "f32le", "--format", "json"]);
    assert_eq!(said.code, 1, "{}", said.err);
    assert!(said.err.contains("16-bit samples (s16le), not like 32-bit float samples"), "{}", said.err);
    assert!(said.err.contains("error: standard input: sample "), "{}", said.err);
    assert_eq!(events(&said.out).last().unwrap()["type"], "closed");
}

#[test]
fn half_a_sample_at_the_end_is_named() {
    let bytes = raw();
    let said = live(&bytes[..bytes.len() - 1], &[]);
    assert_eq!(said.code, 0, "{}", said.err);
    assert_eq!(warnings(&said).len(), 1, "{}", said.err);
    assert!(said.err.contains("the last sample frame has 1 of 2 bytes"), "{}", said.err);
}

#[test]
fn an_empty_standard_input_is_named_after_closed() {
    let said = live(&[], &["--format", "json"]);
    assert_eq!((said.code, said.out.as_str()), (1, "{\"version\":1,\"type\":\"closed\",\"stream\":0}\n"));
    assert!(said.err.contains("error: standard input: holds no audio\nhint: "), "{}", said.err);
}

#[test]
fn a_header_counts_more_than_options() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("a.wav");
    write_i16_wav(&file, &sample_values());
    let bytes = fs::read(&file).unwrap();
    let said = live(&bytes, &["--rate", "8000", "--channels", "2", "--encoding", "mulaw"]);
    assert_eq!(said.code, 0, "{}", said.err);
    assert!(plain(&said.out).contains("ever tried"), "{}", said.out);
    let options = ["--rate 8000", "--channels 2", "--encoding mulaw"];
    assert_eq!(warnings(&said).len(), options.len(), "{}", said.err);
    assert!(options.iter().all(|option| said.err.contains(option)), "{}", said.err);
    let said = live(&bytes, &["--rate", "16000", "--channels", "1", "--encoding", "s16le"]);
    assert_eq!(warnings(&said), [""; 0], "what agrees is no reason to warn");
}

#[test]
fn what_came_before_a_damaged_place_is_kept() {
    let folder = tempfile::tempdir().unwrap();
    let truncated = folder.path().join("truncated.wav");
    let bytes = fs::read(sample()).unwrap();
    fs::write(&truncated, &bytes[..bytes.len() / 2]).unwrap();
    let nan = folder.path().join("nan.wav");
    let mut values: Vec<f32> = sample_values().iter().map(|&s| f32::from(s) / 32_768.0).collect();
    let end = values.len();
    values[end - 100] = f32::NAN;
    write_f32_wav(&nan, 16_000, 1, &values);
    for (file, words) in [(truncated, "truncated"), (nan, "NaN")] {
        for input in [None, Some(fs::read(&file).unwrap())] {
            let said = match &input {
                None => run(&["live", "--input", &path(&file), "--pace", "fast", "--format", "json"]),
                Some(bytes) => live(bytes, &["--format", "json"]),
            };
            assert_eq!(said.code, 1, "{}", said.err);
            let events = events(&said.out);
            assert!(plain(&texts(&events, "final").join(" ")).contains("ever tried"), "{}", said.out);
            assert_eq!(events.last().unwrap()["type"], "closed");
            let (report, error) = said.err.split_once("error: ").unwrap();
            assert!(report.contains("final_after_endpoint") && error.contains(words), "{}", said.err);
        }
    }
}

#[test]
fn kinds_that_are_not_read_are_named() {
    for (bytes, name) in [(&b"#!AMR-WB\n"[..], "AMR"), (b"\x1F\x8B\x08\0\0\0\0\0\0\x03", "gzip")] {
        let said = live(bytes, &[]);
        assert_eq!(said.code, 1, "{}", said.err);
        assert!(
            said.err.contains(&format!("error: standard input: {name}")) || said.err.contains(name),
            "{}",
            said.err
        );
    }
    let said = run(&["live", "--input", &path(&fixture("README.md"))]);
    assert_eq!(said.code, 1);
}

#[cfg(unix)]
#[test]
fn names_that_are_not_utf8_were_refused() {
    use std::ffi::OsStr;
    use std::os::unix::ffi::OsStrExt;
    model();
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join(OsStr::from_bytes(b"caf\xe9\x1b[2J.wav"));
    fs::copy(sample(), &file).unwrap();
    let phrases = folder.path().join(OsStr::from_bytes(b"\xff.txt"));
    fs::write(&phrases, "tea\tmuch\n").unwrap();
    let log = folder.path().join(OsStr::from_bytes(b"\xfe.hlog"));
    let said = output(command(&["live", "--pace", "fast", "--input"]).arg(&file).arg("--hlog").arg(&log));
    assert_eq!(said.code, 0, "{}", said.err);
    assert!(plain(&said.out).contains("ever tried") && log.exists(), "{}", said.out);
    let said = output(command(&["live", "--input"]).arg(&file).arg("--hotwords").arg(&phrases));
    assert_eq!(said.code, 2);
    assert!(said.err.contains(r"\xff.txt:1"), "{}", said.err);
    fs::remove_file(&file).unwrap();
    let said = output(command(&["live", "--input"]).arg(&file));
    assert_eq!(said.code, 1);
    assert!(said.err.contains(r"\x1b[2J.wav") && !said.err.contains('\x1b'), "{}", said.err);
}

#[cfg(unix)]
#[test]
fn a_named_pipe_is_read_as_it_fills() {
    model();
    let folder = tempfile::tempdir().unwrap();
    let pipe = folder.path().join("pipe");
    let name = std::ffi::CString::new(path(&pipe)).unwrap();
    // SAFETY: the name is a string with an end.
    assert_eq!(unsafe { libc::mkfifo(name.as_ptr(), 0o600) }, 0);
    let writer = {
        let pipe = pipe.clone();
        std::thread::spawn(move || fs::write(pipe, raw()).unwrap())
    };
    let said = run(&["live", "--input", &path(&pipe), "--encoding", "s16le"]);
    writer.join().unwrap();
    assert_eq!(said.code, 0, "{}", said.err);
    assert_eq!(plain(&said.out).matches("ever tried").count(), 2, "{}", said.out);
}

/// ITU-T G.711, by search: the code whose value is nearest.
fn nearest(sample: i16, value: impl Fn(u8) -> i32) -> u8 {
    (0..=255).min_by_key(|&code| (value(code) - i32::from(sample)).abs()).unwrap()
}

fn mu_law(sample: i16) -> u8 {
    nearest(sample, |code| {
        let code = i32::from(!code);
        let magnitude = ((((code & 15) << 3) + 0x84) << ((code >> 4) & 7)) - 0x84;
        if code & 0x80 != 0 { -magnitude } else { magnitude }
    })
}

fn a_law(sample: i16) -> u8 {
    nearest(sample, |code| {
        let code = i32::from(code ^ 0x55);
        let (exponent, mantissa) = ((code >> 4) & 7, (code & 15) << 4);
        let magnitude = if exponent == 0 { mantissa + 8 } else { (mantissa + 0x108) << (exponent - 1) };
        if code & 0x80 != 0 { magnitude } else { -magnitude }
    })
}
