//! Says how likely turns are complete: for each line of the standard input, the path of a file of 16-bit samples at 16 kHz
//! (no header), a line with the probability and the milliseconds that the look took.
//!
//!     cargo run --release -p voxlane-models --example smart_turn -- smart-turn-v3.2-cpu.onnx
//!
//! `bench/peers/smart_turn_compare.py` runs it beside onnxruntime.
#![expect(clippy::print_stdout, reason = "the answers")]

use std::error::Error;
use std::path::Path;
use std::time::Instant;
use std::{env, fs, io};
use voxlane_models::budget::Budget;
use voxlane_models::families::smart_turn;

fn main() -> Result<(), Box<dyn Error>> {
    let file = env::args().nth(1).ok_or("expected the path of the network")?;
    let mut detector = smart_turn::load(Path::new(&file))?.detector();
    for path in io::stdin().lines() {
        let bytes = fs::read(path?)?;
        let samples: Vec<i16> = bytes.as_chunks().0.iter().map(|&pair| i16::from_le_bytes(pair)).collect();
        let start = Instant::now();
        detector.begin(&samples);
        detector.step(&Budget::unlimited());
        println!("{} {}", detector.probability(), start.elapsed().as_secs_f64() * 1e3);
    }
    Ok(())
}
