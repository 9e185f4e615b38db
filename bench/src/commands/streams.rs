//! Recordings through an engine, each in a stream of its own.

use crate::live::feed::{self, Run};
use crate::spoken::Recording;
use anyhow::{Result, ensure};
use clap::ValueEnum;
use std::io;
use voxlane::config::{DetectorKind, EndpointConfig, LaneConfig};
use voxlane::{Config, Engine};

/// Streams at the same time, in real time.
pub const SLOTS: usize = 32;

/// How fast audio comes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
pub enum Pace {
    /// As it would from a microphone: every 20 ms at a time that nobody can move, many streams at once.
    Realtime,
    /// As fast as it is taken, one stream after the other.
    #[default]
    Fast,
}

/// A deployment for `slots` streams with this detector, placed by the affinity mask.
pub fn config(slots: usize, detector: DetectorKind) -> Config {
    let endpoint = EndpointConfig { detector, ..EndpointConfig::default() };
    let mut config = Config { lanes: vec![LaneConfig::with_slots(slots)], endpoint, ..Config::default() };
    config.warm.enabled = false;
    config
}

/// The same on one core.
///
/// # Errors
/// If there is no such core.
pub fn config_on(core: usize, slots: usize, detector: DetectorKind) -> Result<Config> {
    let cores = format!(
        "[[lane]]\nslots = {slots}\ncores = {{ ingest = {core}, features = {core}, encoder = {core}, \
         decoder = {core}, emit = {core} }}\n"
    );
    let lanes = voxlane::config::Source::parse(cores, None)?.config.lanes;
    Ok(Config { lanes, ..config(slots, detector) })
}

/// What each recording gave, in their order.
///
/// # Errors
/// If a stream fails, or an event is missing or out of order.
pub fn run(engine: &Engine, recordings: &[Recording], pace: Pace) -> Result<Vec<Run>> {
    let samples = |index: &usize| recordings[*index].samples.as_slice();
    // Those of about the same length together, so that nobody waits for one long recording.
    let mut order: Vec<usize> = (0..recordings.len()).collect();
    order.sort_by_key(|&index| recordings[index].samples.len());
    let mut runs: Vec<Run> = vec![Run::default(); recordings.len()];
    let batch = if pace == Pace::Fast { recordings.len().max(1) } else { engine.slots() };
    for indices in order.chunks(batch) {
        let views: Vec<&[i16]> = indices.iter().map(samples).collect();
        let heard = match pace {
            Pace::Realtime => feed::run(engine, &views)?,
            Pace::Fast => feed::run_fast(engine, &views)?,
        };
        for (&index, run) in indices.iter().zip(heard) {
            ensure!(run.disorder == 0, "{} events are out of order or missing", run.disorder);
            runs[index] = run;
        }
    }
    Ok(runs)
}

/// A line of a table for people: a name and cells to the right of it.
///
/// # Errors
/// If it cannot be written.
pub fn line(out: &mut impl io::Write, name: &str, cells: &[String]) -> Result<()> {
    write!(out, "  {name:<30}")?;
    for cell in cells {
        write!(out, "{cell:>16}")?;
    }
    writeln!(out)?;
    Ok(out.flush()?)
}
