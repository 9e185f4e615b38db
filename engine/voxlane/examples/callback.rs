//! Live text by callback, on a thread that the engine keeps off the lanes' cores:
//! `cargo run --release -p voxlane --example callback -- FILE`.
#![allow(clippy::print_stdout, reason = "an example shows what it gets")]

use std::time::Duration;
use voxlane::audio::file::{Samples, read};
use voxlane::{Config, Engine, Event, StreamOptions};

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let recording = read(std::env::args().nth(1).ok_or("usage: callback FILE")?)?;
    let engine = Engine::start(Config::live())?;
    let options = StreamOptions::new(recording.sample_rate);
    let (mut input, dispatcher) = engine.open(options)?.on_event(|event| match event {
        Event::Endpoint { cause, silence_ms, .. } => println!("  endpoint: {cause:?} after {silence_ms} ms"),
        Event::Final(said) => println!("= {} ({:.1} ms)", said.text, said.latency_ms.total),
        _ => {}
    })?;
    let block = recording.sample_rate as usize / 50;
    for start in (0..recording.samples.len()).step_by(block) {
        let end = recording.samples.len().min(start + block);
        match &recording.samples {
            Samples::I16(samples) => input.push_wait(&samples[start..end])?,
            Samples::F32(samples) => input.push_wait(&samples[start..end])?,
        }
        std::thread::sleep(Duration::from_millis(20));
    }
    input.finish()?;
    dispatcher.join().map_err(|_| "the callback panicked")?;
    Ok(())
}
