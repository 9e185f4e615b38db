//! `voxlane live`: audio as it comes, text as it is understood.

mod microphone;
mod show;
mod source;

use super::arguments;
use super::failure::Failure;
use super::hotwords;
use super::models::Display;
use clap::ValueEnum;
use show::Screen;
use source::{Feed, Input, Pace};
use std::fs::File;
use std::io::{self, BufWriter, Write};
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};
use voxlane::config::{DecodeKind, LaneConfig, Precision, Source, Topology};
use voxlane::{Config, Engine, Event, StreamOptions};
use voxlane_models::manager::{Manager, Options};

/// How long the end of the engine may take: its stream has ended by then.
const SHUTDOWN_LIMIT: Duration = Duration::from_secs(5);
/// How often the wait for an event looks whether the input has failed.
const LOOK_AGAIN: Duration = Duration::from_millis(100);

/// The arguments of `voxlane live`.
#[derive(Clone, Debug, clap::Args)]
pub struct Args {
    /// Where audio comes from: `-` is standard input (16-bit little-endian, 16 kHz, mono), `mic` the
    /// microphone, anything else a file
    #[arg(long, default_value = "-", value_name = "-|FILE|mic")]
    input: Input,
    /// How fast a file is read: as if it were being recorded, or as fast as the engine takes it
    #[arg(long, value_enum, default_value_t = Pace::Realtime)]
    pace: Pace,
    /// What the events look like
    #[arg(long, value_enum, default_value_t = Format::Text)]
    format: Format,
    /// The model, as `voxlane models list` shows it; overrides the configuration
    #[arg(long, value_name = "NAME")]
    model: Option<String>,
    /// The deployment; see `configs/live.toml`
    #[arg(long, value_name = "FILE")]
    config: Option<PathBuf>,
    /// Silence after speech that ends a segment, in milliseconds; overrides the configuration
    #[arg(long, value_name = "MS")]
    silence_ms: Option<u16>,
    /// Number format of the weights; overrides the configuration
    #[arg(long, value_name = "FORMAT", value_parser = arguments::precision)]
    precision: Option<Precision>,
    /// How tokens are found: greedy, beam, ctc-greedy or ctc-beam; overrides the configuration
    #[arg(long, value_name = "WAY", value_parser = arguments::decode)]
    decode: Option<DecodeKind>,
    /// Phrases to listen for, one a line, behind a tab a boost if need be; instead of the configuration's
    #[arg(long, value_name = "FILE")]
    hotwords: Option<PathBuf>,
    /// Write all histograms as an HdrHistogram log
    #[arg(long, value_name = "FILE")]
    hlog: Option<PathBuf>,
    /// Never use the network
    #[arg(long)]
    offline: bool,
}

/// What events look like.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Format {
    /// Finals, one a line; on a terminal partials too, the part that may change dimmed
    Text,
    /// One JSON object a line and event
    Json,
}

/// Does what `args` say, until the input ends or Ctrl-C is pressed.
///
/// # Errors
/// [`Failure`], which knows its exit code.
pub fn run(args: &Args, out: &mut impl Write) -> Result<(), Failure> {
    let source = source(args)?;
    let mut hlog: Option<BufWriter<File>> =
        args.hlog.as_ref().map(|path| arguments::create(path)).transpose()?;
    let manager = Manager::new(Options { offline: args.offline, ..Options::default() })?;
    arguments::fetch(&manager, &source.config, &mut Display::new())?;
    let mut feed = Feed::open(&args.input, args.pace)?;
    let engine = Engine::start(source)?;
    let is_stopped = stop_on_interrupt()?;
    let started = Instant::now();
    let options = StreamOptions { sample_rate: feed.sample_rate(), ..StreamOptions::default() };
    let stream = engine.open(options).map_err(|error| Failure::usage(error.to_string(), "see --config"))?;
    let (input, mut output) = stream.split();
    let mut screen = Screen::new(args.format);
    screen.ready()?;
    let fed = std::thread::scope(|scope| {
        let clock = || engine.now();
        let feeder = scope.spawn({
            let is_stopped = &is_stopped;
            move || feed.run(input, is_stopped, &clock)
        });
        let mut lost = None;
        while !output.is_closed() {
            let Some(event) = output.next_timeout(LOOK_AGAIN) else { continue };
            match event {
                Event::Error { error, .. } if !error.is_notice() => lost = Some(error),
                _ => {}
            }
            if let Err(error) = screen.show(out, &event) {
                is_stopped.store(true, Ordering::Relaxed);
                return Err(Failure::Output(error));
            }
        }
        // A stream that was closed from inside takes no more.
        is_stopped.store(true, Ordering::Relaxed);
        let fed = feeder.join().unwrap_or_else(|_| Err(Failure::usage("the input thread failed", "")));
        lost.map_or(fed, |fault| Err(fault.into()))
    });
    let measured = engine.report();
    // The report is for people; text and events have standard output to themselves.
    let mut err = io::stderr();
    let _ = writeln!(err, "\n{measured}");
    if let Some(hlog) = &mut hlog {
        measured.write_hlog(hlog, started.elapsed())?;
        hlog.flush()?;
    }
    engine.shutdown(SHUTDOWN_LIMIT);
    fed
}

/// The configuration that the arguments name and change; its placement has been checked.
fn source(args: &Args) -> Result<Source, Failure> {
    let mut source = match &args.config {
        Some(path) => Config::load(path)?,
        None => Source::from(Config { lanes: vec![LaneConfig::with_slots(1)], ..Config::live() }),
    };
    let config = &mut source.config;
    config.model = args.model.clone().unwrap_or_else(|| config.model.clone());
    config.precision = args.precision.unwrap_or(config.precision);
    hotwords::replace(config, args.hotwords.as_deref())?;
    config.decode = args.decode.unwrap_or(config.decode);
    config.endpoint.silence_ms = args.silence_ms.unwrap_or(config.endpoint.silence_ms);
    config.endpoint.trail_ms = config.endpoint.trail_ms.min(config.endpoint.silence_ms);
    if let Some((field, value, allowed)) = config.endpoint.fault() {
        return Err(Failure::usage(format!("{field} = {value}"), allowed));
    }
    source.placement(&Topology::of_host())?;
    Ok(source)
}

/// The flag that Ctrl-C sets: the open segment is finished and the report is printed. A second Ctrl-C ends
/// the process at once.
fn stop_on_interrupt() -> Result<Arc<AtomicBool>, Failure> {
    let flag = Arc::new(AtomicBool::new(false));
    let its_flag = Arc::clone(&flag);
    let handler = move || {
        if its_flag.swap(true, Ordering::Relaxed) {
            #[allow(clippy::exit, reason = "the user has asked twice; the command is not the library")]
            std::process::exit(130);
        }
    };
    ctrlc::set_handler(handler)
        .map_err(|error| Failure::usage(format!("cannot listen to Ctrl-C: {error}"), ""))?;
    Ok(flag)
}
