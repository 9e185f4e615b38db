//! `voxlane transcribe [FILE…]`: recordings through the engine, results as they come, in the order of the files.

mod args;
mod context;
mod destination;
mod files;
mod format;
mod input;
mod outlet;
mod progress;
mod recording;
mod report;
mod results;
mod stop;
mod update;
mod writer;

pub use args::Args;

use super::arguments;
use super::failure::Failure;
use super::hotwords;
use super::models::Display;
use super::signals::Signals;
use context::Context;
use destination::Destination;
use format::Format;
use progress::Meter;
use results::Results;
use std::collections::BTreeSet;
use std::io::{self, Write};
use std::num::NonZeroUsize;
use std::path::PathBuf;
use std::time::{Duration, Instant};
use stop::Stop;
use update::Ended;
use voxlane::config::{LaneConfig, Profile, Source, Topology};
use voxlane::{Config, Engine};
use voxlane_models::families::{FAMILIES, commands, find};
use voxlane_models::manager::{Manager, ModelFiles, Options};

/// How long the end of the engine may take: all streams have ended by then.
const SHUTDOWN_LIMIT: Duration = Duration::from_secs(5);

/// Does what `args` say.
///
/// # Errors
/// [`Failure`], which knows its exit code. Files that could not be transcribed have been named by then.
pub fn run(args: &Args, out: &mut impl Write) -> Result<(), Failure> {
    let manager = Manager::new(Options { offline: args.offline, ..Options::default() })?;
    let (style, selection, source) = (args.style()?, args.selection()?, source(args, &manager)?);
    let mut hlog = args.hlog.as_ref().map(|path| arguments::create(path)).transpose()?;
    let model = arguments::fetch(&manager, &source.config, &mut Display::new())?;
    let is_demonstration = args.files.is_empty() && args.format == Format::Text;
    let files = files(args, &source.config, model.as_ref())?;
    let destination = args.destination(out, &files, selection)?;
    let jobs = args.jobs.map_or(slots(&source.config), NonZeroUsize::get).min(files.len());
    let engine = Engine::start(source)?;
    let (started, stop, meter) = (Instant::now(), Stop::new(Signals::install()?), Meter::new(&files));
    let context = Context { engine: &engine, stop: &stop, meter: &meter, selection };
    let mut results = Results::new(style, destination, &files, &meter);
    let written = files::transcribe(context, &files, jobs, &mut results);
    let (begun, ended, destination) = results.finish();
    if let (Some(signal), true) = (stop.signal(), written.is_err()) {
        // A terminal that has gone takes no results.
        return Err(Failure::Stopped(signal));
    }
    written?;
    if args.report || is_demonstration || hlog.is_some() {
        let measured = engine.report();
        match destination {
            _ if !args.report && !is_demonstration => {}
            Destination::Stream(out) if args.format == Format::Text => {
                writeln!(out)?;
                report::write(out, &ended, &measured)?;
            }
            _ => report::write(&mut io::stderr(), &ended, &measured)?,
        }
        if let Some(hlog) = &mut hlog {
            measured.write_hlog(hlog, started.elapsed())?;
            hlog.flush()?;
        }
    }
    engine.shutdown(SHUTDOWN_LIMIT);
    verdict(&ended, &files, begun, &stop)
}

/// The recordings: those that are named, or the one that came with the model.
fn files(args: &Args, config: &Config, model: Option<&ModelFiles>) -> Result<Vec<PathBuf>, Failure> {
    match (&args.files[..], model.and_then(|model| model.sample())) {
        ([], Some(sample)) => Ok(vec![sample.to_path_buf()]),
        ([], None) => Err(Failure::usage(
            format!("model {}: comes with no sample recording", config.model),
            "give a FILE",
        )),
        (files, _) => Ok(files.to_vec()),
    }
}

/// Whether all text is there; of `files` the first `begun` were worked on.
fn verdict(ended: &[Ended], files: &[PathBuf], begun: usize, stop: &Stop) -> Result<(), Failure> {
    let is_interrupted = ended.iter().any(|ended| ended.outcome.interrupted.is_some());
    if let Some(signal) = stop.signal().filter(|_| is_interrupted || begun < files.len()) {
        if begun < files.len() {
            let (left, files) = (files.len() - begun, files.len());
            // Nothing can be written where standard error is closed; the exit code remains.
            let _ =
                writeln!(io::stderr(), "error: stopped by {signal}; {left} of {files} files were not begun");
        }
        return Err(Failure::Stopped(signal));
    }
    let errors = || ended.iter().flat_map(|ended| &ended.outcome.errors);
    let bad = ended.iter().filter(|ended| !ended.outcome.errors.is_empty());
    let failed = bad.map(|ended| ended.file).collect::<BTreeSet<_>>().len();
    if failed == 0 {
        return Ok(());
    }
    let hints: BTreeSet<_> = errors().filter_map(|error| error.hint()).collect();
    Err(Failure::Files {
        failed,
        files: files.len(),
        is_engine_fault: errors().any(|error| error.is_engine_fault()),
        hint: (!hints.is_empty()).then(|| hints.into_iter().collect::<Vec<_>>().join("; ")),
    })
}

/// The configuration that the arguments name and change; its placement has been checked.
fn source(args: &Args, manager: &Manager) -> Result<Source, Failure> {
    let load = |profile| match &args.config {
        Some(path) => Config::load_as(path, profile),
        None => Ok(profile.into()),
    };
    let mut source: Source = load(Profile::Recordings)?;
    let model = args.model.as_ref().unwrap_or(&source.config.model);
    let is_streaming = match manager.entry(model) {
        Ok(entry) => find(FAMILIES, &entry.architecture).is_some_and(|family| family.is_streaming()),
        Err(_) => model == commands::NAME,
    };
    if is_streaming {
        // Silence costs such a network nothing, and it needs no detector.
        source = load(Profile::Manual)?;
    }
    let config = &mut source.config;
    config.model = args.model.clone().unwrap_or_else(|| config.model.clone());
    config.precision = args.precision.unwrap_or(config.precision);
    hotwords::replace(config, args.hotwords.as_deref())?;
    config.decode = args.decode.unwrap_or(config.decode);
    let (jobs, slots) = (args.jobs.map_or(1, NonZeroUsize::get), slots(config));
    if jobs > slots {
        if args.config.is_some() || jobs > MAX_JOBS {
            return Err(if args.config.is_some() {
                Failure::usage(
                    format!("--jobs {jobs}: more than the lanes have slots for (expected at most {slots})"),
                    "raise `slots` in the configuration",
                )
            } else {
                Failure::usage(
                    format!("--jobs {jobs}: too many (expected at most {MAX_JOBS})"),
                    "a configuration (--config) may have more slots",
                )
            });
        }
        config.lanes = vec![LaneConfig::with_slots(jobs)];
    }
    source.placement(&Topology::of_host())?;
    Ok(source)
}

/// More files at once only take memory: each slot of a lane keeps its own state.
const MAX_JOBS: usize = 64;

fn slots(config: &Config) -> usize {
    config.lanes.iter().map(|lane| lane.slots).sum()
}
