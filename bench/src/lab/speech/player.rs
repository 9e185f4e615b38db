//! Plays recordings to streams in real time and listens to what comes back.

use super::super::distribution::{histogram, record};
use super::super::live::{Offset, open};
use super::super::open_loop::OpenLoop;
use crate::recordings::SAMPLE_RATE;
use anyhow::{Result, bail};
use hdrhistogram::Histogram;
use std::time::Duration;
use voxlane::{Clock, Engine, Event, Stream, Time};

/// The time between two frames of a stream.
pub const FRAME: Duration = Duration::from_millis(20);
const FRAME_SAMPLES: usize = 320;
/// Frames of nothing between two recordings.
const PAUSE_FRAMES: u32 = 20;

/// What came back, over all streams.
pub struct Heard {
    /// Nanoseconds from when the last sample of a segment was due to its final.
    pub final_latency: Histogram<u64>,
    /// The generator's.
    pub lag: Histogram<u64>,
    /// Samples that the engine did not take.
    pub refused_samples: u64,
}

/// Plays `clips` to `count` streams for `length`, each stream with a recording of its own, one after the other. Call
/// from a thread that is pinned to a core which the engine does not use.
///
/// # Errors
/// If a stream fails.
pub fn play(
    engine: &Engine,
    clock: &Clock,
    clips: &[Vec<i16>],
    count: usize,
    length: Duration,
) -> Result<Heard> {
    let offset = Offset::between(engine, clock);
    let mut heard = Heard { final_latency: histogram(), lag: histogram(), refused_samples: 0 };
    let mut players = (0..count)
        .map(|number| Ok(Player::new(open(engine)?, number % clips.len())))
        .collect::<Result<Vec<_>>>()?;
    // The streams take turns within the time of a frame.
    let mut generator = OpenLoop::new(clock, FRAME / count as u32);
    let end = clock.now().after(length);
    let mut listened = 0;
    for turn in 0.. {
        while clock.now().after(Duration::from_micros(2)) < generator.due() {
            players[listened % count].listen(clock, &mut heard)?;
            listened += 1;
        }
        let due = generator.wait();
        if due > end {
            break;
        }
        players[turn % count].push(clips, due, &offset, &mut heard)?;
    }
    heard.lag.add(generator.finish().lag)?;
    Ok(heard)
}

/// One stream.
struct Player {
    stream: Stream,
    clip: usize,
    at: usize,
    pause: u32,
    /// Samples pushed so far.
    pushed: u64,
    /// Where each recording began: its first sample's place in the stream, and when that sample was due to begin.
    starts: Vec<(u64, Time)>,
}

impl Player {
    fn new(stream: Stream, clip: usize) -> Self {
        Player { stream, clip, at: 0, pause: 0, pushed: 0, starts: Vec::new() }
    }

    /// Pushes the frame whose last sample is due at `due`.
    fn push(&mut self, clips: &[Vec<i16>], due: Time, offset: &Offset, heard: &mut Heard) -> Result<()> {
        if self.pause > 0 {
            self.pause -= 1;
            return Ok(());
        }
        let clip = &clips[self.clip];
        if self.at == 0 {
            let begun = Time::from_nanos(due.nanos().saturating_sub(FRAME.as_nanos() as u64));
            self.starts.push((self.pushed, begun));
        }
        let frame = &clip[self.at..clip.len().min(self.at + FRAME_SAMPLES)];
        let taken = self.stream.push_at(frame, offset.to_engine(due))?;
        heard.refused_samples += (frame.len() - taken) as u64;
        self.pushed += taken as u64;
        self.at += frame.len();
        if self.at == clip.len() {
            // A full ring takes no such word either; then the next recording joins this one.
            if self.stream.end_segment().is_err() {
                heard.refused_samples += 1;
            }
            (self.at, self.clip, self.pause) = (0, (self.clip + 1) % clips.len(), PAUSE_FRAMES);
        }
        Ok(())
    }

    /// When the sample `seconds` into the stream was due.
    fn due(&self, seconds: f64) -> Option<Time> {
        let sample = (seconds * f64::from(SAMPLE_RATE)).round() as u64;
        // A segment's end is one past its last sample, which is where the next recording may begin.
        let (start, begun) = self.starts.iter().rev().find(|(start, _)| *start < sample)?;
        Some(begun.after(Duration::from_secs_f64((sample - start) as f64 / f64::from(SAMPLE_RATE))))
    }

    /// Takes one event, if there is one.
    fn listen(&mut self, clock: &Clock, heard: &mut Heard) -> Result<()> {
        match self.stream.try_next() {
            Some(Event::Final(text)) => {
                if let Some(due) = self.due(text.end) {
                    record(&mut heard.final_latency, clock.now().nanos_since(due));
                }
            }
            Some(Event::Error { error, .. }) if !error.is_notice() => bail!(error),
            Some(Event::Closed { .. }) => bail!("a stream was closed"),
            _ => {}
        }
        Ok(())
    }
}
