//! `voxlane serve`: the line that says where, and the end.

use super::tools::{command, output};
use std::fs;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::process::{Command, Stdio};

/// Finds segments by loudness, so that nothing need be fetched.
const CONFIG: &str = "profile = \"live\"\nmodel = \"commands\"\n\n[endpoint]\ndetector = \"energy\"\nturn = \"off\"\ncontext_s = 0\n\n[server]\nlisten = \"127.0.0.1:0\"\ndrain_s = 5\n";

#[test]
fn it_says_where_it_listens_and_ends_when_told() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("serve.toml");
    fs::write(&file, CONFIG).unwrap();
    let file = file.to_str().unwrap();
    let mut child = command(&["serve", "--config", file, "--offline"])
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
    let line = lines.next().unwrap().unwrap();
    let address = line.strip_prefix("listening on http://").unwrap_or_else(|| panic!("{line}"));
    let mut stream = TcpStream::connect(address).unwrap();
    write!(stream, "GET /readyz HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n").unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).unwrap();
    assert!(answer.starts_with("HTTP/1.1 200") && answer.ends_with("ready\n"), "{answer}");

    let signal = |name: &str| {
        assert!(Command::new("kill").args([name, &child.id().to_string()]).status().unwrap().success());
    };
    signal("-HUP");
    signal("-TERM");
    assert_eq!(child.wait().unwrap().code(), Some(0));
    assert!(lines.next().is_none(), "one line");
}

#[test]
fn wrong_settings_are_named_with_their_line() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("serve.toml");
    let cases = [
        ("\n[server]\nlisten = \"0.0.0.0:1\"\n", "serve.toml:3: server.listen = 0.0.0.0:1: must be"),
        ("\n[server]\nqueues = 1\n", "serve.toml:3: unknown field `queues`"),
        ("\n[server.breaker]\nprobes = 0\n", "serve.toml:3: server.breaker.probes = 0: must be"),
        ("\n[servers]\n", "serve.toml:2: unknown field `servers`"),
    ];
    for (text, wanted) in cases {
        fs::write(&file, text).unwrap();
        let file = file.to_str().unwrap();
        for args in [&["serve", "--config", file][..], &["config", "check", file]] {
            let said = output(&mut command(args));
            assert_eq!(said.code, 2, "{args:?} {}", said.err);
            assert!(said.err.contains(wanted), "{wanted}: {}", said.err);
        }
    }
}
