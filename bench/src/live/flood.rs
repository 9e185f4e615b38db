//! A recording pushed as fast as it goes beside live streams: what a neighbor that is in no hurry costs them.

use super::feed::{self, Run};
use crate::recordings::SAMPLE_RATE;
use anyhow::Result;
use std::sync::atomic::{AtomicBool, Ordering};
use voxlane::config::ServiceClass;
use voxlane::{Engine, StreamOptions};

/// How much is pushed between reads of the events: 100 ms.
const PART: usize = SAMPLE_RATE as usize / 10;

/// Feeds one conversation for each live stream, with or without a flood beside them; the live streams' runs, and how
/// many seconds of the recording were pushed.
///
/// # Errors
/// If a stream cannot be opened or fails.
pub fn run(engine: &Engine, conversations: &[&[i16]], recording: Option<&[i16]>) -> Result<(Vec<Run>, f64)> {
    let is_over = AtomicBool::new(false);
    std::thread::scope(|scope| {
        let flood = recording.map(|samples| scope.spawn(|| flood(engine, samples, &is_over)));
        let runs = feed::run(engine, conversations);
        is_over.store(true, Ordering::Release);
        let pushed = match flood {
            Some(flood) => flood.join().unwrap_or_else(|_| anyhow::bail!("the flood failed"))?,
            None => 0,
        };
        Ok((runs?, pushed as f64 / f64::from(SAMPLE_RATE)))
    })
}

/// Pushes `samples` again and again into a batch stream until `is_over`; how many were pushed.
fn flood(engine: &Engine, samples: &[i16], is_over: &AtomicBool) -> Result<usize> {
    let options = StreamOptions::default().class(ServiceClass::Batch);
    let mut stream = feed::open(engine, options)?;
    let mut pushed = 0;
    for part in samples.chunks(PART).cycle() {
        if is_over.load(Ordering::Acquire) {
            break;
        }
        stream.push_wait(part)?;
        pushed += part.len();
        while stream.try_next().is_some() {}
    }
    Ok(pushed)
}
