//! Recordings through live streams as fast as a lane takes them: what is said, and when by the audio. Finals and
//! endpoints are functions of the audio alone, so that nothing has to wait for the clock.

use super::conversation::Spread;
use anyhow::{Context, Result, bail};
use std::time::{Duration, Instant};
use voxlane::config::{EndpointConfig, LaneConfig};
use voxlane::{Config, EndCause, Engine, Event, OpenError, Stream, StreamOptions};

/// The longest wait for an event before the engine counts as stuck.
const PATIENCE: Duration = Duration::from_secs(60);
/// Faint noise before and after each recording, in seconds: longer than any rule waits.
const BEFORE_S: f64 = 0.5;
const AFTER_S: f64 = 2.0;

/// An engine for that.
pub struct Replay {
    engine: Engine,
}

/// What a recording gave.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Said {
    /// The text of all segments.
    pub text: String,
    /// Their tokens.
    pub tokens: Vec<u32>,
    /// The ends of segments, in order.
    pub ends: Vec<End>,
}

/// The end of a segment.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct End {
    /// Where speech ended by the engine's account, in seconds of the recording.
    pub speech: f64,
    /// Where it was decided.
    pub decided: f64,
    /// Why.
    pub cause: EndCause,
    /// The probability that the speaker had finished.
    pub turn: Option<f32>,
}

impl Replay {
    /// Starts an engine of one lane with one slot, without warming and partials, which change no final.
    ///
    /// # Errors
    /// If it does not start.
    pub fn start(config: &Config) -> Result<Self> {
        let mut config = config.clone();
        config.lanes = vec![LaneConfig::with_slots(1)];
        config.warm.enabled = false;
        config.partial.every_ms = 0;
        Ok(Replay { engine: Engine::start(config)? })
    }

    fn open(&self, rules: EndpointConfig) -> Result<Stream> {
        let limit = Instant::now() + PATIENCE;
        loop {
            match self.engine.open(StreamOptions::default().endpoint(rules)) {
                Err(OpenError::Saturated { .. }) if Instant::now() < limit => std::thread::yield_now(),
                opened => return Ok(opened?),
            }
        }
    }

    /// Replays `samples` (16 kHz) with faint noise around them.
    ///
    /// # Errors
    /// If the stream says so, or nothing comes for a minute.
    pub fn run(&self, samples: &[i16], rules: EndpointConfig) -> Result<Said> {
        let mut stream = self.open(rules)?;
        let mut spread = Spread(1);
        let mut audio: Vec<i16> = spread.silence(BEFORE_S).collect();
        audio.extend(samples);
        audio.extend(spread.silence(AFTER_S));
        stream.push_wait(&audio)?;
        stream.finish()?;
        let (mut texts, mut said) = (Vec::new(), Said::default());
        let trail = f64::from(rules.trail_ms) / 1e3;
        loop {
            match stream.next_timeout(PATIENCE).context("the engine says nothing any more")? {
                Event::Final(segment) => {
                    said.tokens.extend(segment.tokens.iter().map(|token| token.id));
                    texts.push(segment.text);
                }
                Event::Endpoint { end, cause, silence_ms, turn, .. } => {
                    let speech = end - trail - BEFORE_S;
                    said.ends.push(End { speech, decided: speech + silence_ms / 1e3, cause, turn });
                }
                Event::Error { error, .. } if error.is_notice() => {}
                Event::Error { error, .. } => bail!(error),
                Event::Closed { .. } => break,
                _ => {}
            }
        }
        said.text = texts.join(" ");
        Ok(said)
    }
}
