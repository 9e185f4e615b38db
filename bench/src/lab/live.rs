//! The engine as a client has it, driven by the lab's generator.

use anyhow::{Context as _, Result, bail};
use std::time::{Duration, Instant};
use voxlane::config::Source;
use voxlane::{Clock, Engine, Event, OpenError, Stream, StreamError, StreamOptions, Time};

/// The longest wait for an event before the engine counts as stuck.
const PATIENCE: Duration = Duration::from_secs(60);

/// A deployment with all stages of one lane on one core.
#[derive(Clone, Debug)]
pub struct Deployment {
    /// The model's name.
    pub model: String,
    /// The core.
    pub core: usize,
    /// Streams at once.
    pub slots: usize,
    /// How threads wait: `spin` or `park`.
    pub wait: &'static str,
    /// Further tables, as in a configuration file.
    pub tables: &'static str,
}

impl Deployment {
    /// As a configuration file.
    fn toml(&self) -> String {
        let Deployment { model, core, slots, wait, tables } = self;
        format!(
            "model = \"{model}\"\n{tables}\n[[lane]]\nslots = {slots}\nwait = \"{wait}\"\ncores = {{ ingest = {core}, \
             features = {core}, encoder = {core}, decoder = {core}, emit = {core} }}\n"
        )
    }

    /// Starts an engine. Call from a thread that is not pinned: the engine's threads inherit its affinity.
    ///
    /// # Errors
    /// If the engine does not start.
    pub fn start(&self) -> Result<Engine> {
        Ok(Engine::start(Source::parse(self.toml(), None)?)?)
    }
}

/// The engine's times from those of the lab's clock.
#[derive(Clone, Debug)]
pub struct Offset {
    engine: u64,
    lab: u64,
}

impl Offset {
    /// Reads both clocks a few times; the pair of readings that lie closest together counts.
    pub fn between(engine: &Engine, clock: &Clock) -> Self {
        let pair = || {
            let (before, engine, after) = (clock.now(), engine.now(), clock.now());
            (after.nanos_since(before), Offset { engine: engine.nanos(), lab: before.nanos() })
        };
        let (mut shortest, mut offset) = pair();
        for _ in 0..100 {
            let (length, candidate) = pair();
            if length < shortest {
                (shortest, offset) = (length, candidate);
            }
        }
        offset
    }

    /// `time` of the lab's clock by the engine's.
    pub fn to_engine(&self, time: Time) -> Time {
        Time::from_nanos((self.engine + time.nanos()).saturating_sub(self.lab))
    }
}

/// A stream, as soon as a slot is free.
///
/// # Errors
/// If none becomes free.
pub fn open(engine: &Engine) -> Result<Stream> {
    let limit = Instant::now() + PATIENCE;
    loop {
        match engine.open(StreamOptions::default()) {
            Err(OpenError::Saturated { .. }) if Instant::now() < limit => std::thread::yield_now(),
            opened => return Ok(opened?),
        }
    }
}

/// Ends the open segment of `stream`, as soon as its audio ring has room for the word.
///
/// # Errors
/// If the stream takes nothing any more.
pub fn end_segment(stream: &mut Stream) -> Result<()> {
    loop {
        match stream.end_segment() {
            Err(StreamError::Full) => std::thread::yield_now(),
            ended => return Ok(ended?),
        }
    }
}

/// An engine with one stream, one segment after the other.
pub struct Lane {
    stream: Stream,
    offset: Offset,
    clock: Clock,
    // Dropped last: a stream needs its engine.
    _engine: Engine,
}

impl Lane {
    /// Starts the engine and opens the stream.
    ///
    /// # Errors
    /// If the engine does not start.
    pub fn start(deployment: &Deployment, clock: &Clock) -> Result<Self> {
        let engine = deployment.start()?;
        let (stream, offset) = (open(&engine)?, Offset::between(&engine, clock));
        Ok(Lane { stream, offset, clock: clock.clone(), _engine: engine })
    }

    /// Pushes `samples` as a segment that was due at `due`, all at once, and spins until its final is there. The
    /// nanoseconds from `due` to the final.
    ///
    /// # Errors
    /// If the stream says so or nothing comes for a minute.
    pub fn segment(&mut self, samples: &[i16], due: Time) -> Result<u64> {
        let capture = self.offset.to_engine(due);
        let mut taken = 0;
        while taken < samples.len() {
            taken += self.stream.push_at(&samples[taken..], capture)?;
        }
        end_segment(&mut self.stream)?;
        let limit = due.after(PATIENCE);
        loop {
            match self.stream.try_next() {
                Some(Event::Final(_)) => return Ok(self.clock.now().nanos_since(due)),
                Some(Event::Error { error, .. }) => bail!(error),
                Some(Event::Closed { .. }) => bail!("the stream was closed"),
                Some(_) => {}
                None if self.clock.now() > limit => None.context("the engine says nothing any more")?,
                None => std::hint::spin_loop(),
            }
        }
    }
}
