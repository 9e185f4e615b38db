//! Transcribes a recording from inside a program: `cargo run --release -p voxlane --example embed -- CONFIG FILE`.
#![allow(clippy::print_stdout, reason = "an example shows what it gets")]

use std::time::Duration;
use voxlane::audio::file::{Samples, read};
use voxlane::{Config, Engine, Event, StreamOptions};

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let [config, file] = [1, 2].map(|number| std::env::args().nth(number).ok_or("usage: embed CONFIG FILE"));
    let engine = Engine::start(Config::load(config?.as_ref())?)?;
    let recording = read(file?)?;
    let mut stream = engine.open(StreamOptions::new(recording.sample_rate))?;
    // Any chunking gives the same text: here, chunks of odd sizes.
    let (mut taken, mut sizes) = (0, [1, 37, 1023, 441, 160, 4096].into_iter().cycle());
    while let (true, Some(size)) = (taken < recording.samples.len(), sizes.next()) {
        let chunk = taken..recording.samples.len().min(taken + size);
        taken = chunk.end;
        match &recording.samples {
            Samples::I16(samples) => stream.push_wait(&samples[chunk])?,
            Samples::F32(samples) => stream.push_wait(&samples[chunk])?,
        }
        // A stream whose events nobody reads is closed in the end.
        std::iter::from_fn(|| stream.try_next()).for_each(show);
    }
    stream.finish()?;
    while !stream.is_closed() {
        stream.next_timeout(Duration::from_secs(1)).into_iter().for_each(show);
    }
    engine.shutdown(Duration::from_secs(1));
    Ok(())
}

fn show(event: Event) {
    match event {
        Event::Final(said) => println!("{:.2}-{:.2} s: {}", said.start, said.end, said.text),
        event => println!("{event:?}"),
    }
}
