//! Transcribes a recording from inside a program: `cargo run --release --example embed -- CONFIG FILE`.
#![allow(clippy::print_stdout, reason = "an example shows what it gets")]

use voxlane::audio::file::{Samples, read};
use voxlane::{Config, Engine, Event, StreamOptions};

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let [config, file] = [1, 2].map(|number| std::env::args().nth(number).ok_or("usage: embed CONFIG FILE"));
    let engine = Engine::start(Config::load(config?.as_ref())?)?;
    let recording = read(file?)?;
    let mut stream =
        engine.open(StreamOptions { sample_rate: recording.sample_rate, ..StreamOptions::default() })?;
    // Any chunking gives the same text: here, chunks of odd sizes.
    let sizes = [1, 37, 1023, 441, 160, 4096].into_iter().cycle();
    let mut taken = 0;
    for size in sizes {
        match &recording.samples {
            Samples::I16(samples) => stream.push_wait(&samples[taken..samples.len().min(taken + size)])?,
            Samples::F32(samples) => stream.push_wait(&samples[taken..samples.len().min(taken + size)])?,
        }
        taken += size;
        if taken >= recording.samples.len() {
            break;
        }
    }
    stream.finish()?;
    while !stream.is_closed() {
        match stream.next_timeout(std::time::Duration::from_secs(1)) {
            Some(Event::Final(said)) => println!("{:.2}-{:.2} s: {}", said.start, said.end, said.text),
            Some(event) => println!("{event:?}"),
            None => {}
        }
    }
    engine.shutdown(std::time::Duration::from_secs(1));
    Ok(())
}
