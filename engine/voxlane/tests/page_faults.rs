//! A lane takes its memory when it starts: a segment longer than any before finds it there.
#![cfg(all(target_os = "linux", target_env = "gnu", feature = "fetch"))]
#![allow(clippy::print_stdout, reason = "a test says what the machine does not let it try")]

mod support;

use std::fs;
use support::{drain, noise, open_soon};
use voxlane::Engine;
use voxlane_models::manager;

/// Pages that the threads of lanes have had to wait for so far.
fn faults() -> u64 {
    let tasks = fs::read_dir("/proc/self/task").unwrap().filter_map(Result::ok);
    let stats = tasks.filter_map(|task| fs::read_to_string(task.path().join("stat")).ok());
    let minor = |stat: String| {
        let (name, numbers) = stat.rsplit_once(')').unwrap();
        // The tenth field; the third is the first behind the name.
        name.contains("(vox0-").then(|| numbers.split_whitespace().nth(7).unwrap().parse::<u64>().unwrap())
    };
    stats.filter_map(minor).sum()
}

/// Pages that were missing while a stream of 25 s was decoded after one of a second.
fn missing(prefault: bool) -> u64 {
    let mut config = support::config(2);
    config.memory.prefault = prefault;
    let engine = Engine::start(config).unwrap();
    let mut before = 0;
    for seconds in [1, 25] {
        before = faults();
        let mut stream = open_soon(&engine);
        stream.push_wait(&noise(seconds * 16_000, 5)).unwrap();
        stream.finish().unwrap();
        drain(&mut stream);
    }
    faults() - before
}

/// One test, because faults are counted by the names of threads.
#[test]
fn a_long_segment_finds_its_memory_there() {
    manager::fetch("moonshine-tiny").unwrap();
    // Large buffers from fresh pages each time, not from what the engine before has given back.
    // SAFETY: sets a number of the allocator.
    unsafe { libc::mallopt(libc::M_MMAP_THRESHOLD, 64 << 10) };
    let (there, on_use) = (missing(true), missing(false));
    if on_use == 0 {
        return println!("this system counts no missing pages: not tried");
    }
    // What is left is stacks, code and short lists.
    assert!(
        there < 100 && 20 * there < on_use,
        "{there} pages were missing, and {on_use} where none were taken before"
    );
}
