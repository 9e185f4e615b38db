//! Everything that parses foreign bytes, on small files and on damaged ones: an error or a result, never a panic, and
//! memory in proportion. The same functions run under a fuzzer: `tests/fuzz.sh`.
#![cfg(all(feature = "fetch", feature = "files"))]

#[path = "support/containers.rs"]
mod containers;
#[path = "parsers/functions.rs"]
mod functions;
#[path = "parsers/memory.rs"]
mod memory;
#[path = "parsers/mutate.rs"]
mod mutate;
#[path = "../../../models/tests/support/protobuf.rs"]
mod protobuf;
#[path = "parsers/seeds.rs"]
mod seeds;

use std::fs;
use std::panic::catch_unwind;
use std::path::{Path, PathBuf};

use mutate::{Noise, mutated};
use seeds::Seed;

/// Decoder tables, buffers of readers and of the small networks that are run.
const MEMORY_AT_LEAST: usize = 64 << 20;
/// The smallest message or value in a file is two bytes and becomes a few hundred in memory.
const MEMORY_PER_BYTE: usize = 2_000;

/// For each function a test, with the number of damaged files; and the list of functions and seeds.
macro_rules! parsers {
    ($($name:ident: $count:literal,)+) => {
        $(#[test]
        fn $name() {
            check(stringify!($name), functions::$name, &seeds::$name(), $count);
        })+

        fn all_seeds() -> Vec<(&'static str, Vec<Seed>)> {
            vec![$((stringify!($name), seeds::$name())),+]
        }
    };
}

parsers! {
    audio: 8_000,
    checkpoint: 8_000,
    companions: 4_000,
    config: 4_000,
    manifest: 6_000,
    onnx: 8_000,
    packed: 6_000,
    sentencepiece: 20_000,
    tokenizer: 20_000,
}

/// Runs `parse` on the seeds, on each shortened to a few lengths, and on `count` damaged ones.
fn check(name: &str, parse: fn(&[u8]), seeds: &[Seed], count: usize) {
    // What ends the process, as a stack that overflows does, stays in this file.
    let last = Path::new(env!("CARGO_TARGET_TMPDIR")).join(format!("parser-{name}"));
    let mut file = fs::File::create(&last).unwrap();
    let mut try_on = |what: &str, bytes: &[u8]| {
        functions::replace(&mut file, bytes).unwrap();
        let mut outcome = Ok(());
        let peak = memory::peak(|| outcome = catch_unwind(|| parse(bytes)));
        assert!(outcome.is_ok(), "{name}: {what} panics; it is in {}", last.display());
        let limit = MEMORY_AT_LEAST + MEMORY_PER_BYTE * bytes.len();
        assert!(peak <= limit, "{name}: {what} takes {peak} bytes; it is in {}", last.display());
    };
    for (seed, bytes) in seeds {
        try_on(seed, bytes);
        for part in 0..8 {
            try_on(&format!("{seed}, {part} eighths of it"), &bytes[..bytes.len() * part / 8]);
        }
    }
    let mut noise = Noise::new(name.len() as u64);
    for round in 0..count {
        let (seed, bytes) = &seeds[round % seeds.len()];
        let (_, other) = &seeds[noise.below(seeds.len())];
        try_on(&format!("{seed}, damaged in round {round}"), &mutated(bytes, other, &mut noise));
    }
    fs::remove_file(&last).unwrap();
}

/// Writes the seeds for a fuzzer, a folder for each function.
#[test]
#[ignore = "writes files; for tests/fuzz.sh"]
fn seeds_are_written() {
    let folder = PathBuf::from(std::env::var_os("VOXLANE_SEEDS").expect("VOXLANE_SEEDS names a folder"));
    for (name, seeds) in all_seeds() {
        let folder = folder.join(name);
        fs::create_dir_all(&folder).unwrap();
        for (seed, bytes) in seeds {
            fs::write(folder.join(seed), bytes).unwrap();
        }
    }
}
