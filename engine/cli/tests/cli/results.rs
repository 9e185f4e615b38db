//! Results of `voxlane transcribe` while it works, and when it ends early.

use super::tools::{
    SAMPLE_TEXT, Said, command, fed, fixture, model, output, path, run, sample, sample_values, wav,
    write_i16_wav,
};
use serde_json::Value;
use std::fs;
use std::io::{BufRead, BufReader, Read, Write};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, ChildStdout, Stdio};
use std::sync::OnceLock;
use std::time::Duration;

/// Forty seconds of speech as a file: a segment ends within the first thirty.
fn speech() -> Vec<u8> {
    wav(&sample_values().repeat(4))
}

/// The size of so many seconds of it.
fn bytes_of(seconds: usize) -> usize {
    seconds * 32_000
}

/// The command with standard input to be written, and both outputs to be read. On a loaded machine its lanes are not
/// taken for hung.
fn start(args: &[&str]) -> (Child, ChildStdin, BufReader<ChildStdout>) {
    model();
    static PATIENT: OnceLock<PathBuf> = OnceLock::new();
    let patient = PATIENT.get_or_init(|| {
        let file = Path::new(env!("CARGO_TARGET_TMPDIR")).join("patient.toml");
        fs::write(&file, "[supervise]\nwatchdog_ms = 60000\n").unwrap();
        file
    });
    let mut command = command(args);
    if !args.contains(&"--config") {
        command.arg("--config").arg(patient);
    }
    command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = command.spawn().unwrap();
    let (input, out) = (child.stdin.take().unwrap(), child.stdout.take().unwrap());
    (child, input, BufReader::new(out))
}

/// The exit code of a process, and what it wrote to standard error.
fn end(mut child: Child) -> (Option<i32>, String) {
    let mut err = String::new();
    child.stderr.take().unwrap().read_to_string(&mut err).unwrap();
    (child.wait().unwrap().code(), err)
}

fn send(child: &Child, signal: i32) {
    // SAFETY: sends a signal to a process of our own that has not been waited for.
    assert_eq!(unsafe { libc::kill(child.id() as i32, signal) }, 0);
}

fn json(line: &str) -> Value {
    serde_json::from_str(line).unwrap_or_else(|error| panic!("{error}: {line:?}"))
}

#[test]
fn segments_are_given_out_while_audio_still_arrives() {
    for (format, first) in
        [("text", "tried"), ("jsonl", "\"type\":\"segment\""), ("srt", "1\n"), ("vtt", "WEBVTT")]
    {
        let (mut child, mut input, mut out) = start(&["transcribe", "-", "--format", format]);
        let bytes = speech();
        let (begin, rest) = bytes.split_at(bytes_of(32));
        input.write_all(begin).unwrap();
        // The command waits for the rest: what comes now came by itself.
        let mut line = String::new();
        out.read_line(&mut line).unwrap();
        assert!(line.contains(first), "{format}: {line}");
        assert!(child.try_wait().unwrap().is_none());
        input.write_all(rest).unwrap();
        drop(input);
        out.read_to_string(&mut line).unwrap();
        assert_eq!(end(child), (Some(0), String::new()));
        assert!(line.to_lowercase().matches("no matter").count() >= 3, "{format}: {line}");
    }
}

#[test]
fn a_signal_keeps_what_was_decoded_and_the_exit_code_names_it() {
    for (signal, name, code) in
        [(libc::SIGINT, "SIGINT", 130), (libc::SIGTERM, "SIGTERM", 143), (libc::SIGHUP, "SIGHUP", 129)]
    {
        let args = ["transcribe", "-", "nobody.wav", "--jobs", "1", "--format", "jsonl"];
        let (child, mut input, mut out) = start(&args);
        input.write_all(&speech()[..bytes_of(32)]).unwrap();
        let mut said = String::new();
        out.read_line(&mut said).unwrap();
        send(&child, signal);
        out.read_to_string(&mut said).unwrap();
        let (found, err) = end(child);
        assert_eq!(found, Some(code), "{err}");
        let lines: Vec<_> = said.lines().map(json).collect();
        let (file, segments) = lines.split_last().unwrap();
        assert_eq!((&file["type"], &file["interrupted"]), (&"file".into(), &name.into()), "{file}");
        let stopped = file["stopped_at_s"].as_f64().unwrap();
        assert_eq!(file["audio_s"].as_f64().unwrap(), stopped);
        // The open segment was finished too: text reaches to where the audio was left.
        let last = segments.last().unwrap()["end"].as_f64().unwrap();
        assert!(last <= stopped + 1e-6 && stopped - last < 3.0, "{last} {stopped}");
        assert!(err.contains(&format!("-: stopped by {name}; the text ends at ")), "{err}");
        assert!(err.contains(&format!("stopped by {name}; 1 of 2 files were not begun")), "{err}");
    }
}

#[test]
fn a_json_object_is_completed_after_a_signal() {
    let sample = path(&sample());
    let (child, mut input, mut out) = start(&["transcribe", &sample, "-", "--jobs", "1", "--format", "json"]);
    let mut said = String::new();
    out.read_line(&mut said).unwrap();
    assert!(json(&said).get("interrupted").is_none(), "{said}");
    input.write_all(&speech()[..bytes_of(12)]).unwrap();
    send(&child, libc::SIGINT);
    said.clear();
    out.read_to_string(&mut said).unwrap();
    let object = json(&said);
    assert_eq!((&object["file"], &object["interrupted"]), (&"-".into(), &"SIGINT".into()));
    assert!(object["text"].as_str().unwrap().contains("tried"), "{object}");
    assert_eq!(end(child).0, Some(130));
}

/// Starts the command on many files with an output pipe that holds 4096 bytes.
#[cfg(target_os = "linux")]
fn start_with_small_pipe() -> (Child, BufReader<ChildStdout>) {
    use std::os::fd::AsRawFd;
    let sample = path(&sample());
    let mut args = vec!["transcribe", "--format", "jsonl", "--words"];
    args.extend(std::iter::repeat_n(sample.as_str(), 12));
    let (child, input, out) = start(&args);
    drop(input);
    // SAFETY: shrinks the buffer of a pipe that we hold; no memory is involved.
    let size = unsafe { libc::fcntl(out.get_ref().as_raw_fd(), libc::F_SETPIPE_SZ, 4096) };
    assert_eq!(size, 4096);
    (child, out)
}

#[cfg(target_os = "linux")]
#[test]
fn a_reader_that_waits_loses_nothing() {
    let (child, mut out) = start_with_small_pipe();
    std::thread::sleep(Duration::from_secs(2));
    let mut said = String::new();
    out.read_to_string(&mut said).unwrap();
    assert_eq!(end(child), (Some(0), String::new()));
    let lines: Vec<_> = said.lines().map(json).collect();
    assert_eq!(lines.iter().filter(|line| line["type"] == "file").count(), 12);
    let texts: Vec<_> = lines.iter().filter_map(|line| line["text"].as_str()).collect();
    let (first, rest) = texts.split_at(texts.len() / 12);
    assert!(rest.chunks(first.len()).all(|texts| texts == first), "{texts:?}");
}

#[cfg(target_os = "linux")]
#[test]
fn a_second_signal_ends_a_command_whose_output_nobody_reads() {
    let (mut child, out) = start_with_small_pipe();
    let code = loop {
        std::thread::sleep(Duration::from_millis(300));
        if let Some(status) = child.try_wait().unwrap() {
            break status;
        }
        send(&child, libc::SIGTERM);
    };
    // Signals that came before the engine had started end the process by themselves.
    use std::os::unix::process::ExitStatusExt;
    assert!(code.code() == Some(143) || code.signal() == Some(libc::SIGTERM), "{code}");
    drop(out);
}

#[test]
fn a_file_that_is_cut_off_gives_its_text_and_its_error() {
    let folder = tempfile::tempdir().unwrap();
    let cut = folder.path().join("cut.wav");
    let bytes = fs::read(sample()).unwrap();
    fs::write(&cut, &bytes[..bytes.len() * 9 / 10]).unwrap();
    check_cut(&cut, "Ever tried", "truncated");
    // A name of the file alone is in the message, once.
    let said = run(&["transcribe", &path(&cut)]);
    assert_eq!(said.err.matches("cut.wav").count(), 1, "{}", said.err);
    assert!(said.err.contains("hint: copy it again"), "{}", said.err);
}

#[test]
#[expect(clippy::print_stderr, reason = "says what was left out")]
fn the_cut_flac_of_the_inputs_gives_its_text_and_its_error() {
    let cut = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../../shared/inputs/cut_at_95_percent.flac");
    if cut.is_file() {
        check_cut(&cut, " ", "");
    } else {
        eprintln!("{} is not there: not transcribed", cut.display());
    }
}

fn check_cut(cut: &Path, text: &str, problem: &str) {
    let said = run(&["transcribe", &path(cut)]);
    assert!(said.out.contains(text), "{} {}", said.out, said.err);
    assert_eq!(said.code, 1, "{}", said.err);
    let has_error = said.err.lines().any(|line| line.starts_with("error: "));
    assert!(has_error && said.err.contains(problem), "{}", said.err);
    let said = run(&["transcribe", "--format", "json", &path(cut)]);
    let object = json(&said.out);
    assert!(object["text"].as_str().unwrap().contains(text), "{object}");
    assert!(object["error"].as_str().unwrap().contains(problem), "{object}");
    let (stopped, audio) = (object["stopped_at_s"].as_f64().unwrap(), object["audio_s"].as_f64().unwrap());
    assert!(stopped > 1.0 && stopped == audio, "{object}");
}

#[test]
fn a_lane_that_fails_costs_no_text() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("fault.toml");
    fs::write(&file, "[[lane]]\nslots = 1\n[fault]\nstage = \"decoder\"\nkind = \"panic\"\n").unwrap();
    let (config, sample) = (path(&file), path(&sample()));
    let said = run(&["transcribe", "--format", "json", "--config", &config, &sample, &sample]);
    assert_eq!(said.code, 0, "{}", said.err);
    let lines: Vec<Value> = said.out.lines().map(json).collect();
    assert_eq!((&lines[0]["text"], &lines[1]["text"]), (&SAMPLE_TEXT.into(), &SAMPLE_TEXT.into()));
    let warning = lines[0]["warnings"][0].as_str().unwrap();
    assert!(warning.contains("restarted") && said.err.contains(warning), "{warning} {}", said.err);
    assert!(lines[1].get("warnings").is_none());
    // A pipe cannot be read again.
    let (child, mut input, mut out) = start(&["transcribe", "-", "--format", "json", "--config", &config]);
    // The command may end before it has read everything.
    let _ = input.write_all(&fs::read(&sample).unwrap());
    drop(input);
    let mut said = String::new();
    out.read_to_string(&mut said).unwrap();
    let object = json(&said);
    let error = object["error"].as_str().unwrap();
    assert!(error.contains("restarted") && object["stopped_at_s"] == 0.0, "{object}");
    let (code, err) = end(child);
    assert!(code == Some(4) && err.contains("the text ends at 0.000 s\nhint: VOXLANE_LOG=info"), "{err}");
}

#[test]
fn hints_fit_the_error() {
    let folder = tempfile::tempdir().unwrap();
    let note = folder.path().join("note.txt");
    fs::write(&note, "There is no audio in here, only a few words.\n").unwrap();
    let missing = folder.path().join("missing.wav");
    for (file, error, hint) in [
        (missing, "No such file", "hint: check the name"),
        (folder.path().to_path_buf(), "directory", "hint: name the files in it"),
        (note, "", "ffmpeg -i"),
    ] {
        let said = run(&["transcribe", &path(&file)]);
        assert_eq!((said.code, said.out.as_str()), (1, ""), "{}", said.err);
        assert!(said.err.starts_with("error: ") && said.err.contains(error), "{}", said.err);
        assert!(said.err.contains(hint) && said.err.lines().count() <= 2, "{}", said.err);
        assert!(hint.contains("ffmpeg") || !said.err.contains("ffmpeg"), "{}", said.err);
    }
}

/// An MP4 file whose index is at its end must be read out of order.
#[test]
fn standard_input_that_is_a_file_is_read_as_one() {
    let file = fixture("tone-16000-mono.m4a");
    let by_name = run(&["transcribe", "--format", "json", &path(&file)]);
    assert_eq!(by_name.code, 0, "{}", by_name.err);
    let redirected =
        output(command(&["transcribe", "--format", "json", "-"]).stdin(fs::File::open(&file).unwrap()));
    assert_eq!(redirected.code, 0, "{}", redirected.err);
    let seconds = |said: &Said| json(said.out.trim())["audio_s"].as_f64();
    assert_eq!(seconds(&redirected), seconds(&by_name), "{}", redirected.out);
    let piped = fed(&fs::read(&file).unwrap(), &mut command(&["transcribe", "-"]));
    assert_eq!(piped.code, 1);
    assert!(piped.err.contains("from a pipe"), "{}", piped.err);
}

#[test]
fn channels_have_results_of_their_own() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("stereo.wav");
    let samples = sample_values();
    let stereo: Vec<f32> = samples.iter().flat_map(|&sample| [0.0, f32::from(sample) / 32_768.0]).collect();
    super::tools::write_f32_wav(&file, 16_000, 2, &stereo);
    let file = path(&file);
    let said = run(&["transcribe", "--format", "json", "--channels", "separate", &file]);
    let lines: Vec<Value> = said.out.lines().map(json).collect();
    let channels: Vec<_> =
        lines.iter().map(|line| (line["channel"].as_u64(), line["text"].as_str())).collect();
    assert_eq!(channels, [(Some(1), Some("")), (Some(2), Some(SAMPLE_TEXT))], "{}", said.err);
    let said = run(&["transcribe", "--channels", "separate", &file]);
    assert_eq!(said.out, format!("channel 1:\nchannel 2: {SAMPLE_TEXT}\n"));
    let said = run(&["transcribe", "--channel", "2", &file]);
    assert_eq!((said.out, said.code), (format!("channel 2: {SAMPLE_TEXT}\n"), 0));
    let said = run(&["transcribe", "--channel", "3", &file]);
    assert_eq!((said.out.as_str(), said.code), ("", 1));
    assert!(said.err.contains("channel 3: not in the file (expected 1 to 2)"), "{}", said.err);
}

/// FLAC files that are joined: a caller alone, then both sides.
#[test]
fn a_channel_that_only_a_later_part_has_has_results_of_its_own() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("joined.flac");
    let parts = ["tone-16000-mono.flac", "tone-44100-stereo-24bit.flac"];
    fs::write(&file, parts.map(|name| fs::read(fixture(name)).unwrap()).concat()).unwrap();
    let said = run(&["transcribe", "--format", "json", "--channels", "separate", &path(&file)]);
    let lines: Vec<Value> = said.out.lines().map(json).collect();
    let channels: Vec<_> = lines.iter().map(|line| line["channel"].as_u64()).collect();
    assert_eq!((channels, said.code), (vec![Some(1), Some(2)], 0), "{}", said.err);
    assert_eq!(lines[0]["audio_s"], lines[1]["audio_s"], "the times of both are those of the file");
}

#[test]
fn results_go_to_a_folder() {
    let folder = tempfile::tempdir().unwrap();
    let (one, two) = (folder.path().join("one.wav"), folder.path().join("two.wav"));
    for file in [&one, &two] {
        write_i16_wav(file, &sample_values());
    }
    let (one, two, made) = (path(&one), path(&two), folder.path().join("made"));
    let args = ["transcribe", "--format", "srt", "--output", &path(&made), &one, &two];
    let said = run(&args);
    assert_eq!((said.code, said.out.as_str(), said.err.as_str()), (0, "", ""));
    let text = fs::read_to_string(made.join("one.srt")).unwrap();
    assert!(text.starts_with("1\n00:00:0") && text.contains("better."), "{text}");
    assert_eq!(text, fs::read_to_string(made.join("two.srt")).unwrap());
    let said = run(&args);
    assert_eq!((said.code, said.out.as_str()), (2, ""));
    assert!(said.err.contains("one.srt is there already"), "{}", said.err);
    let said = run(&[&args[..], &["--overwrite"]].concat());
    assert_eq!(said.code, 0, "{}", said.err);
}

#[test]
fn words_have_times_and_confidences() {
    let said = run(&["transcribe", "--format", "json", "--words"]);
    let object = json(&said.out);
    let mut texts = Vec::new();
    let mut at = 0.0;
    for segment in object["segments"].as_array().unwrap() {
        for word in segment["words"].as_array().unwrap() {
            let number = |key: &str| word[key].as_f64().unwrap();
            assert!(number("start") >= at - 1e-6 && number("end") >= number("start"), "{word}");
            assert!((0.0..=1.0).contains(&number("confidence")), "{word}");
            at = number("start");
            texts.push(word["text"].as_str().unwrap().to_owned());
        }
    }
    assert_eq!(super::tools::without_near_tie(&texts.join(" ")), SAMPLE_TEXT);
    assert!((1.0..9.963375).contains(&at), "{at}");
}

#[test]
fn words_of_a_model_without_times_share_their_segment() {
    let said = output(&mut command(&[
        "transcribe",
        "--format",
        "jsonl",
        "--words",
        "--model",
        "commands",
        "--decode",
        "ctc-greedy",
        &path(&sample()),
    ]));
    let lines: Vec<_> = said.out.lines().map(json).collect();
    let words: Vec<_> = lines.iter().filter_map(|line| line["words"].as_array()).flatten().collect();
    assert!(!words.is_empty(), "{}", said.out);
    for word in words {
        assert!(word["end"].as_f64().unwrap() >= word["start"].as_f64().unwrap(), "{word}");
    }
}

#[test]
fn an_output_that_takes_nothing_is_an_error() {
    model();
    let full = fs::File::options().write(true).open("/dev/full").unwrap();
    let said =
        command(&["transcribe", &path(&sample())]).stdout(full).stderr(Stdio::piped()).output().unwrap();
    let err = String::from_utf8(said.stderr).unwrap();
    assert!(said.status.code() == Some(4) && err.contains("output: cannot be written"), "{err}");
}

#[test]
fn a_silent_file_among_several_has_a_line() {
    let tone = path(&fixture("tone-44100-stereo-24bit.flac"));
    let said = run(&["transcribe", "--format", "json", &tone, &tone]);
    assert_eq!((said.code, said.out.lines().count()), (0, 2), "{}", said.err);
    assert_eq!(said.err.matches("no speech was found in ").count(), 2, "{}", said.err);
    let warnings = json(said.out.lines().next().unwrap())["warnings"].to_string();
    assert!(warnings.contains("no speech was found"), "{warnings}");
}

#[test]
fn a_file_that_cannot_be_read_leaves_no_result_behind() {
    let folder = tempfile::tempdir().unwrap();
    let (text, silent) = (folder.path().join("text.wav"), folder.path().join("silent.wav"));
    fs::write(&text, "no sound at all").unwrap();
    write_i16_wav(&silent, &[0; 16_000]);
    let made = folder.path().join("made");
    let said =
        run(&["transcribe", "--format", "srt", "--output", &path(&made), &path(&text), &path(&silent)]);
    assert_eq!(said.code, 1, "{}", said.err);
    let results: Vec<_> = fs::read_dir(&made).unwrap().map(|entry| entry.unwrap().file_name()).collect();
    assert_eq!(results, ["silent.srt"]);
}
