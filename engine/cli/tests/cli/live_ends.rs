//! How `voxlane live` ends: signals, readers that are slow or go away, lanes that fail.

use super::live::{events, raw, texts};
use super::tools::{command, model, path, run, sample_values, shared, write_i16_wav};
use serde_json::Value;
use std::fs;
use std::io::{BufRead, BufReader, Read, Write};
use std::path::Path;
use std::process::{Child, ChildStdout, Command, Stdio};
use std::time::Duration;

fn spawn(command: &mut Command) -> Child {
    model();
    command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap()
}

fn kind(event: &Value) -> &str {
    event["type"].as_str().unwrap()
}

#[cfg(unix)]
fn send(signal: i32, child: &Child) {
    // SAFETY: the process is ours and has not been waited for.
    assert_eq!(unsafe { libc::kill(child.id() as i32, signal) }, 0);
}

#[cfg(unix)]
#[test]
fn a_signal_finishes_the_segment_and_prints_the_report() {
    for (signal, code) in [(libc::SIGINT, 130), (libc::SIGTERM, 143), (libc::SIGHUP, 129)] {
        let mut child = spawn(command(&["live", "--format", "json"]).stdin(Stdio::piped()));
        let mut stdin = child.stdin.take().unwrap();
        stdin.write_all(&raw()[..2 * 16_000 * 4]).unwrap();
        stdin.flush().unwrap();
        let mut lines = BufReader::new(child.stdout.take().unwrap()).lines().map(Result::unwrap);
        // Standard input stays open: only the signal can end it.
        assert!(lines.any(|line| line.contains("\"partial\"")), "speech is heard");
        send(signal, &child);
        let rest: Vec<String> = lines.collect();
        let rest = events(&rest.join("\n"));
        let last: Vec<_> = rest.iter().rev().map(kind).take(2).collect();
        assert_eq!(last, ["closed", "final"]);
        let output = child.wait_with_output().unwrap();
        assert_eq!(output.status.code(), Some(code));
        let err = String::from_utf8(output.stderr).unwrap();
        assert!(err.contains("final_after_endpoint") && !err.contains("error"), "{err}");
    }
}

#[cfg(unix)]
#[test]
fn sigterm_lost_the_open_sentence_of_a_file() {
    let Some(file) = shared("inputs/seven_seconds.flac") else { return };
    let mut child = spawn(&mut command(&["live", "--input", &path(&file), "--format", "json"]));
    let mut lines = BufReader::new(child.stdout.take().unwrap()).lines().map(Result::unwrap);
    // Of a word that has just begun nobody can say what the network makes.
    let is_heard = |line: String| texts(&events(&line), "partial").concat().split_whitespace().count() > 2;
    assert!(lines.any(is_heard), "speech is heard");
    send(libc::SIGTERM, &child);
    let rest = events(&lines.collect::<Vec<_>>().join("\n"));
    assert_eq!(rest.iter().rev().map(kind).take(2).collect::<Vec<_>>(), ["closed", "final"]);
    assert!(!texts(&rest, "final").concat().is_empty());
    assert_eq!(child.wait().unwrap().code(), Some(143));
}

#[cfg(unix)]
#[test]
fn a_signal_before_any_audio_closes_an_empty_stream() {
    let mut child = spawn(command(&["live", "--format", "json"]).stdin(Stdio::piped()));
    // The header of standard input never comes; the lane's threads show that signals are handled by now.
    let tasks = format!("/proc/{}/task", child.id());
    while fs::read_dir(&tasks).map_or(0, Iterator::count) < 4 {
        std::thread::sleep(Duration::from_millis(10));
    }
    send(libc::SIGTERM, &child);
    let _stdin = child.stdin.take();
    let output = child.wait_with_output().unwrap();
    assert_eq!(output.status.code(), Some(143));
    assert_eq!(
        String::from_utf8(output.stdout).unwrap(),
        "{\"version\":1,\"type\":\"closed\",\"stream\":0}\n"
    );
}

/// A deployment whose event ring is as small as it may be, and a recording of more events than that.
fn many_events(folder: &Path) -> (String, String) {
    let (config, file) = (folder.join("ring.toml"), folder.join("long.wav"));
    let rules = "[endpoint]\ndetector = \"silero\"\n[partial]\nevery_ms = 250\n[warm]\nenabled = false\n";
    fs::write(&config, format!("{rules}[[lane]]\nslots = 1\nevents = 32\n")).unwrap();
    let pause = vec![0; 16_000];
    let once = [sample_values(), pause].concat();
    write_i16_wav(&file, &once.repeat(8));
    (path(&config), path(&file))
}

/// Makes a pipe hold no more than a page.
#[cfg(target_os = "linux")]
fn narrow(pipe: &ChildStdout) {
    use std::os::fd::AsRawFd;
    // SAFETY: the descriptor is open.
    assert!(unsafe { libc::fcntl(pipe.as_raw_fd(), libc::F_SETPIPE_SZ, 4096) } >= 4096);
}

/// Waits until a process has done all that it can do without its reader: for three seconds it takes next to no
/// processor time.
#[cfg(target_os = "linux")]
fn wait_until_blocked(child: &Child) {
    let ticks = || {
        let stat = fs::read_to_string(format!("/proc/{}/stat", child.id())).unwrap();
        let fields = stat.rsplit_once(')').unwrap().1.split_whitespace().skip(11).take(2);
        fields.map(|field| field.parse::<u64>().unwrap()).sum::<u64>()
    };
    loop {
        let before = ticks();
        std::thread::sleep(Duration::from_secs(3));
        if ticks() - before <= 3 {
            return;
        }
    }
}

/// Reads one line, then nothing until the command can do no more, then the rest.
#[cfg(target_os = "linux")]
fn read_slowly(child: &mut Child) -> Vec<Value> {
    let out = child.stdout.take().unwrap();
    narrow(&out);
    let mut out = BufReader::new(out);
    let mut text = String::new();
    out.read_line(&mut text).unwrap();
    wait_until_blocked(child);
    out.read_to_string(&mut text).unwrap();
    events(&text)
}

#[cfg(target_os = "linux")]
#[test]
fn a_slow_reader_of_a_recordings_events_lost_the_stream() {
    let folder = tempfile::tempdir().unwrap();
    let (config, file) = many_events(folder.path());
    let args = ["live", "--config", &config, "--pace", "fast", "--format", "json", "--input"];
    let wanted = texts(&events(&run(&[&args[..], &[&file]].concat()).out), "final");
    assert!(wanted.len() >= 8, "{wanted:?}");
    for is_named in [true, false] {
        let mut command = command(&args[..args.len() - 1]);
        let mut child = if is_named {
            spawn(command.args(["--input", &file]))
        } else {
            spawn(command.stdin(fs::File::open(&file).unwrap()))
        };
        let slow = read_slowly(&mut child);
        let output = child.wait_with_output().unwrap();
        assert_eq!(output.status.code(), Some(0), "{}", String::from_utf8_lossy(&output.stderr));
        assert_eq!(texts(&slow, "final"), wanted);
        assert_eq!(kind(slow.last().unwrap()), "closed");
        assert!(slow.iter().all(|event| kind(event) != "error"));
    }
}

#[cfg(target_os = "linux")]
#[test]
fn a_slow_reader_of_live_events_hears_of_it() {
    let folder = tempfile::tempdir().unwrap();
    let (config, file) = many_events(folder.path());
    let mut child = spawn(command(&["live", "--config", &config, "--format", "json"]).stdin(Stdio::piped()));
    let mut stdin = child.stdin.take().unwrap();
    let bytes = fs::read(file).unwrap();
    // The command stops reading when the stream is closed.
    let writer = std::thread::spawn(move || stdin.write_all(&bytes).ok());
    let slow = read_slowly(&mut child);
    let output = child.wait_with_output().unwrap();
    writer.join().unwrap();
    assert_eq!(output.status.code(), Some(4));
    let last: Vec<_> = slow.iter().rev().take(2).map(kind).collect();
    assert_eq!(last, ["closed", "error"]);
    assert_eq!(slow[slow.len() - 2]["error"], "slow_client");
}

#[cfg(target_os = "linux")]
#[test]
fn a_second_signal_ends_at_once() {
    let folder = tempfile::tempdir().unwrap();
    let (config, file) = many_events(folder.path());
    let mut child = spawn(&mut command(&[
        "live", "--config", &config, "--pace", "fast", "--format", "json", "--input", &file,
    ]));
    let out = child.stdout.take().unwrap();
    narrow(&out);
    let mut out = BufReader::new(out);
    out.read_line(&mut String::new()).unwrap();
    // Nobody reads on: the command cannot write what it has, and waits for that after the first signal too.
    wait_until_blocked(&child);
    send(libc::SIGTERM, &child);
    std::thread::sleep(Duration::from_millis(500));
    assert!(child.try_wait().unwrap().is_none());
    send(libc::SIGINT, &child);
    assert_eq!(child.wait().unwrap().code(), Some(130));
}

#[test]
fn a_reader_of_live_text_that_goes_away_ends_it_quietly() {
    let folder = tempfile::tempdir().unwrap();
    let (_, file) = many_events(folder.path());
    let mut child = spawn(&mut command(&["live", "--input", &file, "--pace", "fast", "--format", "json"]));
    let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
    lines.next().unwrap().unwrap();
    drop(lines);
    let ended = child.wait_with_output().unwrap();
    assert_eq!((ended.status.code(), String::from_utf8(ended.stderr).unwrap().as_str()), (Some(0), ""));
}

#[test]
fn a_lane_that_fails_costs_a_stretch_and_is_said() {
    let folder = tempfile::tempdir().unwrap();
    let (config, file) = (folder.path().join("fault.toml"), folder.path().join("a.wav"));
    let fault = "[fault]\nstage = \"decoder\"\nkind = \"panic\"\nat_message = 4\n";
    let endpoint = "[endpoint]\ndetector = \"silero\"\n[partial]\nevery_ms = 250\n[[lane]]\nslots = 1\n";
    fs::write(&config, format!("{endpoint}{fault}")).unwrap();
    write_i16_wav(&file, &[sample_values(), vec![0; 32_000], sample_values()].concat());
    let said = run(&[
        "live",
        "--config",
        &path(&config),
        "--input",
        &path(&file),
        "--pace",
        "fast",
        "--format",
        "json",
    ]);
    assert_eq!(said.code, 4, "{}", said.err);
    let events = events(&said.out);
    let failed = events.iter().position(|event| event["error"] == "lane_failed").unwrap();
    assert_eq!((kind(&events[failed + 1]), events[failed + 1]["stream"].as_u64()), ("closed", Some(0)));
    assert!(!texts(&events[failed..], "final").is_empty(), "{}", said.out);
    let last = events.last().unwrap();
    assert_eq!((kind(last), last["stream"].as_u64()), ("closed", Some(1)));
    assert!(said.err.contains("is missing; stream 1 begins at"), "{}", said.err);
}
