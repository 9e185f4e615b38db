//! What reaches a terminal: a progress line there and nowhere else, and no control characters of others.

use super::tools::{command, model, path, run, sample, sample_values, wav, write_i16_wav};
use std::ffi::OsStr;
use std::fs::File;
use std::io::{Read, Write};
use std::os::fd::FromRawFd;
use std::os::unix::ffi::OsStrExt;
use std::process::Stdio;

/// A terminal of 80 columns: what is written to it can be read from the first, the second is for a process.
fn terminal() -> (File, File) {
    let (mut ours, mut theirs) = (0, 0);
    let mut size = libc::winsize { ws_row: 24, ws_col: 80, ws_xpixel: 0, ws_ypixel: 0 };
    let (name, settings) = (std::ptr::null_mut(), std::ptr::null_mut());
    // SAFETY: the numbers and the size outlive the call; null asks for no name and default settings.
    let opened = unsafe { libc::openpty(&mut ours, &mut theirs, name, settings, &raw mut size) };
    assert_eq!(opened, 0);
    // SAFETY: both were just opened and belong to nobody else.
    unsafe { (File::from_raw_fd(ours), File::from_raw_fd(theirs)) }
}

#[test]
fn progress_is_shown_on_a_terminal_and_cleared() {
    model();
    let (mut terminal, its) = terminal();
    let mut command = command(&["transcribe", "-"]);
    command.env("TERM", "xterm").stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(its);
    let mut child = command.spawn().unwrap();
    drop(command);
    let mut input = child.stdin.take().unwrap();
    let bytes = wav(&sample_values().repeat(3));
    let (begin, rest) = bytes.split_at(bytes.len() / 2);
    input.write_all(begin).unwrap();
    // The command waits for the rest, and shows how far it is.
    let (sender, parts) = std::sync::mpsc::channel();
    std::thread::spawn(move || {
        let mut bytes = [0; 256];
        // The end of a terminal that nobody holds any more is an error.
        while let Ok(count @ 1..) = terminal.read(&mut bytes) {
            sender.send(bytes[..count].to_vec()).unwrap();
        }
    });
    let mut shown = Vec::new();
    while !String::from_utf8_lossy(&shown).contains(" done") {
        shown.extend(parts.recv().unwrap());
    }
    input.write_all(rest).unwrap();
    drop(input);
    let said = child.wait_with_output().unwrap();
    let said = String::from_utf8(said.stdout).unwrap();
    assert!(said.contains("again") && !said.contains(" done") && !said.contains('\x1b'), "{said:?}");
    shown.extend(parts.iter().flatten());
    let shown = String::from_utf8(shown).unwrap();
    assert!(shown.ends_with("\x1b[2K"), "the line is erased at the end: {shown:?}");
}

#[test]
fn nothing_is_shown_where_standard_error_is_no_terminal() {
    let said = run(&["transcribe", "--format", "srt"]);
    assert_eq!((said.code, said.err.as_str()), (0, ""));
}

#[test]
fn names_that_are_not_utf8_work() {
    let folder = tempfile::tempdir().unwrap();
    let named = |name: &[u8]| folder.path().join(OsStr::from_bytes(name));
    let (file, missing) = (named(b"caf\xe9.wav"), named(b"m\xff.wav"));
    write_i16_wav(&file, &sample_values());
    let out = named(b"out\xfe");
    let run = |format: &str, extra: &[&OsStr]| {
        model();
        let mut command = command(&["transcribe", "--format", format]);
        command.arg(&file).arg(&missing).args(extra).output().unwrap()
    };
    let said = run("text", &[]);
    assert_eq!(said.status.code(), Some(1));
    let text = String::from_utf8(said.stdout).unwrap();
    assert!(text.contains(r"caf\xe9.wav: Ever tried"), "{text}");
    assert!(String::from_utf8(said.stderr).unwrap().contains("No such file"));
    let said = run("json", &[]);
    let line = String::from_utf8(said.stdout).unwrap();
    let object: serde_json::Value = serde_json::from_str(line.lines().next().unwrap()).unwrap();
    assert!(object["file"].as_str().unwrap().ends_with("caf\u{fffd}.wav"), "{object}");
    let bytes: Vec<u8> =
        object["file_bytes"].as_array().unwrap().iter().map(|byte| byte.as_u64().unwrap() as u8).collect();
    assert_eq!(bytes, file.as_os_str().as_bytes());
    run("srt", &["--output".as_ref(), out.as_os_str()]);
    assert!(out.join(OsStr::from_bytes(b"caf\xe9.srt")).is_file());
}

#[test]
fn control_characters_of_names_reach_no_terminal() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("a\x1b[31m\u{9b}2J\n.wav");
    let missing = folder.path().join("b\x1b]0;title\x07.wav");
    write_i16_wav(&file, &sample_values());
    for format in ["text", "json", "jsonl"] {
        let said = run(&["transcribe", "--format", format, &path(&file), &path(&missing), "--report"]);
        assert_eq!(said.code, 1, "{}", said.err);
        for text in [&said.out, &said.err] {
            assert!(!text.chars().any(|letter| letter.is_control() && letter != '\n'), "{text:?}");
        }
    }
    let said = run(&["transcribe", &path(&file), &path(&sample())]);
    assert!(said.out.contains(r"a\x1b[31m\u{9b}2J\n.wav: Ever"), "{}", said.out);
    let said = run(&["transcribe", "--config", &path(&missing)]);
    assert!(said.code == 2 && !said.err.contains('\x1b'), "{:?}", said.err);
}
