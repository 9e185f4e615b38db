//! No lock is reachable from a stage's step: what a step is made of names none.

use std::fs;
use std::path::{Path, PathBuf};

/// What blocks a thread that another one holds up.
const LOCKS: [&str; 8] =
    ["Mutex", "RwLock", "Condvar", "Parker", "Barrier", "crossbeam_channel", "mpsc", "thread::park"];

/// Code that a step runs: files, and folders with all below them.
const STEP: [&str; 44] = [
    "engine/runtime/src/budget.rs",
    "engine/runtime/src/chain/link.rs",
    "engine/runtime/src/clock.rs",
    "engine/runtime/src/eventcount.rs",
    "engine/runtime/src/fork_join.rs",
    "engine/runtime/src/lane/mod.rs",
    "engine/runtime/src/message.rs",
    "engine/runtime/src/pool.rs",
    "engine/runtime/src/ring.rs",
    "engine/runtime/src/slot_set.rs",
    "engine/runtime/src/slots.rs",
    "engine/runtime/src/telemetry/recorder.rs",
    "engine/runtime/src/wait.rs",
    "engine/runtime/src/warm_up.rs",
    "engine/voxlane/src/cut.rs",
    "engine/voxlane/src/decode_options.rs",
    "engine/voxlane/src/endpoint.rs",
    "engine/voxlane/src/message.rs",
    "engine/voxlane/src/history.rs",
    "engine/voxlane/src/meter.rs",
    "engine/voxlane/src/protocol.rs",
    "engine/voxlane/src/punctuation.rs",
    "engine/voxlane/src/settings.rs",
    "engine/voxlane/src/signal.rs",
    "engine/voxlane/src/slot_state.rs",
    "engine/voxlane/src/stage",
    "engine/voxlane/src/tail.rs",
    "engine/voxlane/src/turn.rs",
    "engine/voxlane/src/voice.rs",
    "engine/voxlane/src/voicing.rs",
    "engine/voxlane/src/warm.rs",
    "kernels/src",
    "models/src/arena.rs",
    "models/src/decode",
    "models/src/dynamic.rs",
    "models/src/encoders",
    "models/src/frontends",
    "models/src/heads",
    "models/src/hypothesis.rs",
    "models/src/layers",
    "models/src/networks",
    "models/src/team.rs",
    "models/src/turn",
    "models/src/voice",
];

fn files(path: &Path) -> Vec<PathBuf> {
    if path.is_file() {
        return vec![path.to_owned()];
    }
    let entries = fs::read_dir(path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
    entries.flat_map(|entry| files(&entry.unwrap().path())).collect()
}

/// The file without its tests and its comments.
fn code(file: &Path) -> String {
    let text = fs::read_to_string(file).unwrap();
    let code = text.split("#[cfg(test)]").next().unwrap_or_default();
    code.lines().filter(|line| !line.trim_start().starts_with("//")).collect::<Vec<_>>().join("\n")
}

#[test]
fn a_step_names_no_lock() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
    let files: Vec<PathBuf> = STEP.iter().flat_map(|path| files(&root.join(path))).collect();
    assert!(files.len() > 60, "{}", files.len());
    for file in files {
        let code = code(&file);
        let named: Vec<&str> = LOCKS.into_iter().filter(|lock| code.contains(lock)).collect();
        assert!(named.is_empty(), "{}: {named:?}", file.display());
    }
}

#[test]
fn on_linux_a_bell_sleeps_on_a_word() {
    let futex = Path::new(env!("CARGO_MANIFEST_DIR")).join("../runtime/src/futex.rs");
    let code = code(&futex);
    // The module for other systems is the only one with a lock, and the last.
    let (linux, others) = code.rsplit_once("#[cfg(not(target_os = \"linux\"))]").unwrap();
    assert!(LOCKS.iter().all(|lock| !linux.contains(lock)));
    assert!(others.contains("Condvar") && code.contains("SYS_futex"));
}
