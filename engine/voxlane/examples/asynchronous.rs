//! Live text in an asynchronous program, whatever its runtime:
//! `cargo run --release -p voxlane --features futures --example asynchronous -- FILE`.
#![allow(clippy::print_stdout, reason = "an example shows what it gets")]

use futures_core::Stream;
use std::future::poll_fn;
use std::pin::Pin;
use std::task::{Context, Poll, Wake, Waker};
use voxlane::audio::file::{Samples, read};
use voxlane::{Config, Engine, Event, StreamOptions};

/// Stands in for a runtime: wakes the thread that blocks on the one task there is.
struct Thread(std::thread::Thread);

impl Wake for Thread {
    fn wake(self: std::sync::Arc<Self>) {
        self.0.unpark();
    }
}

fn block_on<T>(task: impl Future<Output = T>) -> T {
    let waker = Waker::from(std::sync::Arc::new(Thread(std::thread::current())));
    let mut task = Box::pin(task);
    loop {
        match task.as_mut().poll(&mut Context::from_waker(&waker)) {
            Poll::Ready(result) => return result,
            Poll::Pending => std::thread::park(),
        }
    }
}

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let recording = read(std::env::args().nth(1).ok_or("usage: asynchronous FILE")?)?;
    let engine = Engine::start(Config::live())?;
    let options = StreamOptions::new(recording.sample_rate);
    let (mut input, mut events) = engine.open(options)?.into_events();
    let feeder = std::thread::spawn(move || {
        match &recording.samples {
            Samples::I16(samples) => input.push_wait(samples)?,
            Samples::F32(samples) => input.push_wait(samples)?,
        }
        input.finish()
    });
    block_on(async {
        while let Some(event) = poll_fn(|context| Pin::new(&mut events).poll_next(context)).await {
            if let Event::Final(said) = event {
                println!("= {}", said.text);
            }
        }
    });
    feeder.join().map_err(|_| "the feeder panicked")??;
    Ok(())
}
