//! `voxlane transcribe [FILE…]`: recordings through the engine, results in the order of the files.

mod format;
mod recording;
mod report;

use super::arguments;
use super::failure::Failure;
use super::hotwords;
use super::models::Display;
use clap::ValueEnum;
use recording::{Heard, RecordingError};
use std::io::{self, Write};
use std::num::NonZeroUsize;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::{Duration, Instant};
use voxlane::config::{DecodeKind, LaneConfig, Precision, Source, Topology};
use voxlane::{Config, Engine};
use voxlane_models::manager::{Manager, Options};

/// How long the end of the engine may take: all streams have ended by then.
const SHUTDOWN_LIMIT: Duration = Duration::from_secs(5);

/// The arguments of `voxlane transcribe`.
#[derive(Clone, Debug, clap::Args)]
pub struct Args {
    /// WAV, FLAC, MP3 or Ogg Vorbis; without any, the sample recording that came with the model
    #[arg(value_name = "FILE")]
    files: Vec<PathBuf>,
    /// The model, as `voxlane models list` shows it; overrides the configuration
    #[arg(long, value_name = "NAME")]
    model: Option<String>,
    /// The deployment: lanes, cores, waiting; see `configs/`
    #[arg(long, value_name = "FILE")]
    config: Option<PathBuf>,
    /// What the results look like
    #[arg(long, value_enum, default_value_t = Format::Text)]
    format: Format,
    /// Print where the time went: after the text, or on standard error with other formats
    #[arg(long)]
    report: bool,
    /// Write all histograms as an HdrHistogram log
    #[arg(long, value_name = "FILE")]
    hlog: Option<PathBuf>,
    /// How many files go through the engine at once; by default as many as its lanes have slots
    #[arg(long, value_name = "N")]
    jobs: Option<NonZeroUsize>,
    /// Number format of the weights; overrides the configuration
    #[arg(long, value_name = "FORMAT", value_parser = arguments::precision)]
    precision: Option<Precision>,
    /// How tokens are found: greedy, beam, ctc-greedy or ctc-beam; overrides the configuration
    #[arg(long, value_name = "WAY", value_parser = arguments::decode)]
    decode: Option<DecodeKind>,
    /// Phrases to listen for, one a line, behind a tab a boost if need be; instead of the configuration's
    #[arg(long, value_name = "FILE")]
    hotwords: Option<PathBuf>,
    /// Never use the network
    #[arg(long)]
    offline: bool,
}

/// What results look like.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Format {
    /// The text, one line a file
    Text,
    /// One JSON object a line and file
    Json,
    /// SubRip subtitles
    Srt,
    /// WebVTT subtitles
    Vtt,
}

/// Does what `args` say.
///
/// # Errors
/// [`Failure`], which knows its exit code. Files that could not be transcribed have been told by then.
pub fn run(args: &Args, out: &mut impl Write) -> Result<(), Failure> {
    let is_subtitles = matches!(args.format, Format::Srt | Format::Vtt);
    if is_subtitles && args.files.len() > 1 {
        return Err(Failure::usage(
            format!("subtitles are for one file, {} were given", args.files.len()),
            "run the command once for each, or use --format json",
        ));
    }
    let source = source(args)?;
    let mut hlog = args.hlog.as_ref().map(|path| arguments::create(path)).transpose()?;
    let manager = Manager::new(Options { offline: args.offline, ..Options::default() })?;
    let model = arguments::fetch(&manager, &source.config, &mut Display::new())?;
    let is_demonstration = args.files.is_empty() && args.format == Format::Text;
    let files = match (&args.files[..], model.as_ref().and_then(|model| model.sample())) {
        ([], Some(sample)) => vec![sample.to_path_buf()],
        ([], None) => {
            return Err(Failure::usage(
                format!("model {} comes with no sample recording", source.config.model),
                "give a FILE",
            ));
        }
        (files, _) => files.to_vec(),
    };
    let slots = slots(&source.config);
    let engine = Engine::start(source)?;
    let started = Instant::now();
    let jobs = args.jobs.map_or(slots, NonZeroUsize::get).min(files.len());
    let mut results = Vec::with_capacity(files.len());
    transcribe(&engine, &files, jobs, |path, result| {
        format::write(out, args.format, path, files.len() > 1, &result)?;
        out.flush()?;
        if let Err(error) = &result {
            // Nobody is left to tell if standard error has gone; the exit code remains.
            let _ = writeln!(io::stderr(), "error: {}", error.of(path));
        }
        results.push((path.to_path_buf(), result));
        Ok(())
    })?;
    let measured = engine.report();
    if args.report || is_demonstration {
        if args.format == Format::Text {
            writeln!(out)?;
            report::write(out, &results, &measured)?;
        } else {
            report::write(&mut io::stderr(), &results, &measured)?;
        }
    }
    if let Some(hlog) = &mut hlog {
        measured.write_hlog(hlog, started.elapsed())?;
        hlog.flush()?;
    }
    engine.shutdown(SHUTDOWN_LIMIT);
    let errors: Vec<_> = results.iter().filter_map(|(_, result)| result.as_ref().err()).collect();
    if errors.is_empty() {
        return Ok(());
    }
    let is_engine_fault = errors.iter().any(|error| error.is_engine_fault());
    Err(Failure::Files { failed: errors.len(), files: files.len(), is_engine_fault })
}

/// The configuration that the arguments name and change; its placement has been checked.
fn source(args: &Args) -> Result<Source, Failure> {
    let mut source = match &args.config {
        Some(path) => Config::load(path)?,
        None => Source::default(),
    };
    let config = &mut source.config;
    config.model = args.model.clone().unwrap_or_else(|| config.model.clone());
    config.precision = args.precision.unwrap_or(config.precision);
    hotwords::replace(config, args.hotwords.as_deref())?;
    config.decode = args.decode.unwrap_or(config.decode);
    let (jobs, slots) = (args.jobs.map_or(1, NonZeroUsize::get), slots(config));
    if jobs > slots {
        if args.config.is_some() || jobs > MAX_JOBS {
            return Err(Failure::usage(
                format!("--jobs {jobs} is more than the {slots} streams that the lanes have slots for"),
                format!(
                    "raise `slots` in the configuration; without --config up to {MAX_JOBS} jobs are given"
                ),
            ));
        }
        config.lanes = vec![LaneConfig::with_slots(jobs)];
    }
    source.placement(&Topology::of_host())?;
    Ok(source)
}

/// More files at once only take memory: each slot of a lane keeps its own state.
const MAX_JOBS: usize = 64;

fn slots(config: &Config) -> usize {
    config.lanes.iter().map(|lane| *lane.slots.get_ref()).sum()
}

/// Takes files through the engine, `jobs` at a time, and gives each result to `told` as soon as those of all
/// files before it have been given.
fn transcribe(
    engine: &Engine,
    files: &[PathBuf],
    jobs: usize,
    mut told: impl FnMut(&Path, Result<Heard, RecordingError>) -> Result<(), Failure>,
) -> Result<(), Failure> {
    let (next, is_stopped) = (AtomicUsize::new(0), AtomicBool::new(false));
    let (sender, results) = std::sync::mpsc::channel();
    std::thread::scope(|scope| {
        for _ in 0..jobs {
            let (sender, next, is_stopped) = (sender.clone(), &next, &is_stopped);
            scope.spawn(move || {
                loop {
                    let index = next.fetch_add(1, Ordering::Relaxed);
                    let Some(path) = files.get(index) else { return };
                    let Some(result) = recording::hear(engine, path, is_stopped) else { return };
                    if sender.send((index, result)).is_err() {
                        return;
                    }
                }
            });
        }
        drop(sender);
        let mut waiting: Vec<Option<_>> = files.iter().map(|_| None).collect();
        let mut given = 0;
        for (index, result) in results {
            waiting[index] = Some(result);
            while let Some(result) = waiting.get_mut(given).and_then(Option::take) {
                if let Err(failure) = told(&files[given], result) {
                    is_stopped.store(true, Ordering::Relaxed);
                    return Err(failure);
                }
                given += 1;
            }
        }
        Ok(())
    })
}
