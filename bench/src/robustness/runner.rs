//! Recordings through an engine that is configured as a command configures it.

use super::heard::Heard;
use super::record::Record;
use super::sets::Item;
use crate::recognizer::precision_word;
use anyhow::{Context as _, Result, anyhow};
use clap::ValueEnum;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};
use voxlane::config::{DetectorKind, Precision};
use voxlane::{Config, Engine, OpenError, Stream, StreamOptions};
use voxlane_models::manager;

/// The longest wait for an event before the engine counts as stuck.
const PATIENCE: Duration = Duration::from_secs(120);
/// Samples that are pushed at once: 20 ms, as a sound card gives them.
const BLOCK: usize = 320;

/// Which command's defaults the engine has.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
pub enum Defaults {
    /// `voxlane transcribe`
    #[default]
    Recordings,
    /// `voxlane live`
    Live,
    /// Those of recordings, without a detector: each recording is one segment
    Off,
}

impl Defaults {
    /// The configuration.
    pub fn config(self) -> Config {
        match self {
            Defaults::Recordings => Config::recordings(),
            Defaults::Live => Config::live(),
            Defaults::Off => {
                let mut config = Config::default();
                config.endpoint.detector = DetectorKind::Off;
                config
            }
        }
    }
}

/// A running engine.
pub struct Runner {
    engine: Engine,
}

impl Runner {
    /// Starts an engine; models that are not in the cache are fetched.
    ///
    /// # Errors
    /// If a model cannot be fetched or the engine does not start.
    pub fn start(model: &str, precision: Precision, config: Config) -> Result<Self> {
        let mut config = Config { model: model.to_owned(), precision, ..config };
        // Finals depend on neither, and both take time. A busy machine is no reason to restart a lane.
        config.warm.enabled = false;
        config.partial.every_ms = 0;
        config.supervise.watchdog_ms = PATIENCE.as_millis() as u64;
        manager::fetch(model)?;
        for name in config.endpoint.models() {
            manager::fetch(name)?;
        }
        let precision = precision_word(precision)?;
        Ok(Runner { engine: Engine::start(config).with_context(|| format!("{model}, {precision}"))? })
    }

    /// Transcribes all recordings of a set, as many at once as the engine has slots.
    ///
    /// # Errors
    /// If a stream fails.
    pub fn run(&self, set: &str, items: &[Item]) -> Result<Vec<Record>> {
        let heard = self.hear_all(items)?;
        Ok(items.iter().zip(heard).map(|(item, heard)| Record::new(set, item, heard)).collect())
    }

    /// What is heard in each recording, in their order.
    ///
    /// # Errors
    /// If a stream fails.
    pub fn hear_all(&self, items: &[Item]) -> Result<Vec<Heard>> {
        let next = AtomicUsize::new(0);
        let worker = || {
            let mut done = Vec::new();
            loop {
                let index = next.fetch_add(1, Ordering::Relaxed);
                let Some(item) = items.get(index) else { return Ok(done) };
                let heard = self.hear(item.samples.chunks(BLOCK).map(Ok::<_, anyhow::Error>));
                done.push((index, heard.with_context(|| item.id.clone())?));
            }
        };
        let mut all: Vec<(usize, Heard)> = std::thread::scope(|scope| {
            let workers: Vec<_> = (0..self.engine.slots()).map(|_| scope.spawn(worker)).collect();
            let joined =
                workers.into_iter().map(|worker| worker.join().map_err(|_| anyhow!("a worker panicked"))?);
            joined.collect::<Result<Vec<_>>>().map(|parts| parts.into_iter().flatten().collect())
        })?;
        all.sort_by_key(|(index, _)| *index);
        Ok(all.into_iter().map(|(_, heard)| heard).collect())
    }

    /// Transcribes audio that comes in parts, in a stream of its own, as fast as the engine takes it.
    ///
    /// # Errors
    /// If a part cannot be had, the stream fails, or nothing comes for two minutes.
    pub fn hear<S: AsRef<[i16]>>(&self, parts: impl IntoIterator<Item = Result<S>>) -> Result<Heard> {
        let mut stream = self.open()?;
        let mut heard = Heard::default();
        for part in parts {
            for block in part?.as_ref().chunks(BLOCK) {
                stream.push_wait(block)?;
                while let Some(event) = stream.try_next() {
                    heard.take(event)?;
                }
            }
        }
        stream.finish()?;
        while !stream.is_closed() {
            heard.take(stream.next_timeout(PATIENCE).context("the engine says nothing any more")?)?;
        }
        Ok(heard)
    }

    /// A stream, as soon as the lane has taken back the slot of the one before.
    fn open(&self) -> Result<Stream> {
        let limit = Instant::now() + PATIENCE;
        loop {
            match self.engine.open(StreamOptions::default()) {
                Err(OpenError::Saturated { .. }) if Instant::now() < limit => {
                    std::thread::sleep(Duration::from_millis(1));
                }
                opened => return Ok(opened?),
            }
        }
    }
}
