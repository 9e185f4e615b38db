//! Live text by polling, from a loop that must never block: `cargo run --release -p voxlane --example polling -- FILE`.
#![allow(clippy::print_stdout, reason = "an example shows what it gets")]

use std::time::{Duration, Instant};
use voxlane::audio::file::{Samples, read};
use voxlane::{Config, Engine, Event, StreamOptions};

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let recording = read(std::env::args().nth(1).ok_or("usage: polling FILE")?)?;
    let engine = Engine::start(Config::live())?;
    let options = StreamOptions::new(recording.sample_rate);
    let mut stream = engine.open(options)?;
    let block = recording.sample_rate as usize / 50;
    let (begun, mut pushed) = (Instant::now(), 0);
    while !stream.is_closed() {
        // What a sound card would have recorded by now.
        let recorded = (begun.elapsed().as_millis() as usize / 20 * block).min(recording.samples.len());
        if pushed < recorded {
            pushed += match &recording.samples {
                Samples::I16(samples) => stream.push(&samples[pushed..recorded])?,
                Samples::F32(samples) => stream.push(&samples[pushed..recorded])?,
            };
            if pushed == recording.samples.len() {
                stream.finish()?;
            }
        }
        while let Some(event) = stream.try_next() {
            match event {
                Event::Partial(said) => println!("… {}", said.text),
                Event::Final(said) => println!("= {}", said.text),
                _ => {}
            }
        }
        std::thread::sleep(Duration::from_millis(5)); // the loop's other work
    }
    Ok(())
}
