//! Our engine as a user has it: samples in, text out.

use crate::stopwatch::Stopwatch;
use anyhow::{Context, Result, bail};
use serde::Deserialize;
use serde::de::IntoDeserializer;
use serde::de::value::{Error, StrDeserializer};
use std::time::{Duration, Instant};
use voxlane::config::{LaneConfig, Precision};
use voxlane::{Config, Engine, Event, OpenError, Stream, StreamOptions};

/// The longest wait for an event before the engine counts as stuck.
const PATIENCE: Duration = Duration::from_secs(60);

/// Milliseconds of audio that a stream may be ahead: more than any segment has, so that a recording is pushed
/// without waiting.
const AUDIO_MS: u64 = 40_000;

/// A precision by the word that the configuration file uses for it.
///
/// # Errors
/// If there is none of that name; the message names those there are.
pub fn parse_precision(word: &str) -> Result<Precision, String> {
    let deserializer: StrDeserializer<'_, Error> = word.into_deserializer();
    Precision::deserialize(deserializer).map_err(|error| error.to_string())
}

/// The word for a precision in the configuration file.
///
/// # Errors
/// None for the precisions there are.
pub fn precision_word(precision: Precision) -> Result<String> {
    let word = serde_json::to_value(precision)?;
    Ok(word.as_str().context("a precision is a word")?.to_owned())
}

/// One lane with one slot, without warming, placed by the process's affinity mask.
pub struct Recognizer {
    engine: Engine,
}

/// What a recording gave.
#[derive(Clone, Debug, PartialEq)]
pub struct Recognition {
    /// The text of all segments.
    pub text: String,
    /// The tokens of all segments, start and end tokens left out.
    pub tokens: Vec<u32>,
    /// From the first push to the last final.
    pub time: Duration,
}

impl Recognizer {
    /// Starts an engine with the model of this name from the model manager's cache.
    ///
    /// # Errors
    /// If the engine does not start.
    pub fn start(model: &str, precision: Precision) -> Result<Self> {
        let mut config = Config { model: model.to_owned(), precision, ..Config::default() };
        config.lanes = vec![LaneConfig { audio_ms: AUDIO_MS, ..LaneConfig::with_slots(1) }];
        config.warm.enabled = false;
        Ok(Recognizer { engine: Engine::start(config)? })
    }

    /// A stream, as soon as the lane has taken back the slot of the one before.
    fn open(&self) -> Result<Stream> {
        let limit = Instant::now() + PATIENCE;
        loop {
            match self.engine.open(StreamOptions::default()) {
                Err(OpenError::Saturated { .. }) if Instant::now() < limit => std::thread::yield_now(),
                opened => return Ok(opened?),
            }
        }
    }

    /// Transcribes samples at 16 kHz in a stream of their own, timed by `watch`.
    ///
    /// # Errors
    /// If the stream says so, or nothing comes for a minute.
    pub fn recognize(&self, samples: &[i16], watch: Stopwatch) -> Result<Recognition> {
        let mut stream = self.open()?;
        let (mut texts, mut tokens) = (Vec::new(), Vec::new());
        let started = watch.now();
        let mut time = Duration::ZERO;
        stream.push_wait(samples)?;
        stream.finish()?;
        loop {
            match stream.next_timeout(PATIENCE).context("the engine says nothing any more")? {
                Event::Final(segment) => {
                    time = watch.now() - started;
                    tokens.extend(segment.tokens.iter().map(|token| token.id));
                    texts.push(segment.text);
                }
                Event::Error { error, .. } => bail!(error),
                Event::Closed { .. } => break,
                _ => {}
            }
        }
        Ok(Recognition { text: texts.join(" "), tokens, time })
    }
}
