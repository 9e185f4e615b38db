//! Pushing audio into a stream: at its pace, and no faster than its text is read.

use super::message::Message;
use super::source::Source;
use crate::failure::Failure;
use clap::ValueEnum;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::mpsc::{RecvTimeoutError, Sender};
use std::time::Duration;
use voxlane::audio::file::Samples;
use voxlane::{Sample, StreamInput, Time};

/// Pieces a second that audio is cut into: what a sound card gives.
const PIECES_PER_SECOND: u32 = 50;
/// How long the input may be silent before it is asked whether to stop.
const LOOK_AGAIN: Duration = Duration::from_millis(50);
/// How long to wait for room in the stream.
const ROOM_PAUSE: Duration = Duration::from_millis(1);
/// How long to wait for standard output.
const OUTPUT_PAUSE: Duration = Duration::from_millis(20);
/// Events of a recording that may wait to be written before no more audio is pushed.
const EVENTS_AHEAD: usize = 64;

/// How fast a recording is read.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Pace {
    /// As if it were being recorded.
    Realtime,
    /// As fast as the engine takes it.
    Fast,
}

/// What a feed depends on beside its audio.
pub struct Circumstances<'a> {
    /// How fast a recording is read.
    pub pace: Pace,
    /// Whether to stop early.
    pub is_stopped: &'a (dyn Fn() -> bool + Sync),
    /// The engine's clock.
    pub now: &'a (dyn Fn() -> Time + Sync),
    /// Events of a recording that wait to be written.
    pub waiting: &'a AtomicUsize,
    /// Where warnings go.
    pub warnings: Sender<String>,
}

/// Pushes one input, through several streams if need be.
pub struct Feed<'a> {
    source: &'a mut Source,
    circumstances: Circumstances<'a>,
    sample_rate: u32,
    begun: Option<Time>,
    /// Samples pushed.
    pushed: u64,
}

impl<'a> Feed<'a> {
    /// For a source of `sample_rate`.
    pub fn new(source: &'a mut Source, sample_rate: u32, circumstances: Circumstances<'a>) -> Self {
        Feed { source, circumstances, sample_rate, begun: None, pushed: 0 }
    }

    /// Seconds of audio pushed.
    pub fn seconds(&self) -> f64 {
        self.pushed as f64 / f64::from(self.sample_rate)
    }

    /// Pushes everything and finishes the stream, whatever happens.
    ///
    /// # Errors
    /// [`Failure`] if the input or the engine fails on the way.
    pub fn run(&mut self, mut stream: StreamInput) -> Result<(), Failure> {
        let pushed = self.push_all(&mut stream);
        let finished = stream.finish();
        pushed.and(finished.map_err(Failure::from))
    }

    fn push_all(&mut self, stream: &mut StreamInput) -> Result<(), Failure> {
        while !(self.circumstances.is_stopped)() {
            match self.source.next(LOOK_AGAIN) {
                Ok(Message::Samples(Samples::I16(samples))) => self.push(stream, &samples)?,
                Ok(Message::Samples(Samples::F32(samples))) => self.push(stream, &samples)?,
                Ok(Message::Warning(text)) => {
                    // Whoever shows warnings stays until the stream is closed.
                    let _ = self.circumstances.warnings.send(text);
                }
                Ok(Message::Failed(failure)) => return Err(failure),
                Ok(Message::Opened { .. }) | Err(RecvTimeoutError::Timeout) => {}
                Err(RecvTimeoutError::Disconnected) => return Ok(()),
            }
        }
        Ok(())
    }

    fn push<S: Sample>(&mut self, stream: &mut StreamInput, samples: &[S]) -> Result<(), Failure> {
        for piece in samples.chunks((self.sample_rate / PIECES_PER_SECOND) as usize) {
            let capture = self.wait(piece.len());
            let mut rest = piece;
            loop {
                if (self.circumstances.is_stopped)() {
                    return Ok(());
                }
                let taken = stream.push_at(rest, capture)?;
                self.pushed += taken as u64;
                rest = &rest[taken..];
                if rest.is_empty() {
                    break;
                }
                std::thread::sleep(ROOM_PAUSE);
            }
        }
        Ok(())
    }

    /// Waits until the next `count` samples are due; when they were captured. A piece is due at a time counted from the
    /// first, so that a delay is made up for and not passed on.
    fn wait(&mut self, count: usize) -> Time {
        let Circumstances { pace, is_stopped, now, waiting, .. } = &self.circumstances;
        while waiting.load(Ordering::Relaxed) >= EVENTS_AHEAD && !is_stopped() {
            std::thread::sleep(OUTPUT_PAUSE);
        }
        let begun = *self.begun.get_or_insert_with(now);
        if *pace == Pace::Fast {
            return now();
        }
        let nanos = (self.pushed + count as u64) * 1_000_000_000 / u64::from(self.sample_rate);
        let due = begun.after(Duration::from_nanos(nanos));
        std::thread::sleep(due.since(now()));
        due
    }
}
