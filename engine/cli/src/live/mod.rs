//! `voxlane live`: audio as it comes, text as it is understood.

mod feed;
mod listen;
mod message;
mod microphone;
mod raw;
mod show;
mod source;

use super::arguments;
use super::failure::Failure;
use super::hotwords;
use super::models::Display;
use super::signals::Signals;
use clap::ValueEnum;
use clap::builder::{OsStringValueParser, TypedValueParser};
use feed::Pace;
use listen::listen;
use raw::RawArgs;
use show::Screen;
use source::{Input, Source};
use std::fs::File;
use std::io::{self, BufWriter, Write};
use std::num::NonZeroUsize;
use std::path::PathBuf;
use std::time::{Duration, Instant};
use voxlane::config::{self, DecodeKind, LaneConfig, Precision, Profile, Topology};
use voxlane::{Config, Engine};
use voxlane_models::manager::{Manager, Options};

/// How long the end of the engine may take: its stream has ended by then.
const SHUTDOWN_LIMIT: Duration = Duration::from_secs(5);

/// The arguments of `voxlane live`.
#[derive(Clone, Debug, clap::Args)]
pub struct Args {
    /// Where audio comes from: `-` is standard input (a file of any kind that is read, or samples without a header),
    /// `mic` the microphone, anything else a file or a named pipe
    #[arg(long, default_value = "-", value_name = "-|FILE|mic", value_parser = OsStringValueParser::new().map(Input::from))]
    input: Input,
    #[command(flatten)]
    raw: RawArgs,
    /// The channel to listen to, counted from 1; by default the mean of all
    #[arg(long, value_name = "N")]
    channel: Option<NonZeroUsize>,
    /// How fast a recording is read: as if it were being recorded, which is the default with --input FILE, or as fast
    /// as the engine takes it
    #[arg(long, value_enum)]
    pace: Option<Pace>,
    /// What the events look like
    #[arg(long, value_enum, default_value_t = Format::Text)]
    format: Format,
    /// The model, as `voxlane models list` shows it; overrides the configuration
    #[arg(long, value_name = "NAME")]
    model: Option<String>,
    /// A configuration; `voxlane config show --profile live` prints one to begin with
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
    /// File of phrases to listen for, one per line, each with an optional tab and boost; replaces those of the configuration
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
    /// One JSON object per event, one per line
    Json,
}

/// Does what `args` say, until the input ends or a signal ends it.
///
/// # Errors
/// [`Failure`], which knows its exit code.
pub fn run(args: &Args, out: &mut impl Write) -> Result<(), Failure> {
    let config = configuration(args)?;
    let mut hlog: Option<BufWriter<File>> =
        args.hlog.as_ref().map(|path| arguments::create(path)).transpose()?;
    let manager = Manager::new(Options { offline: args.offline, ..Options::default() })?;
    arguments::fetch(&manager, &config.config, &mut Display::new())?;
    let signals = Signals::install()?;
    let mut source = Source::open(&args.input, &args.raw, args.channel)?;
    let engine = Engine::start(config)?;
    let started = Instant::now();
    let mut screen = Screen::new(args.format);
    screen.ready();
    let pace = args.pace.unwrap_or_else(|| default_pace(&args.input, &source));
    let heard = listen(&engine, &mut source, pace, &signals, &mut screen, out);
    if is_broken_pipe(&heard) {
        engine.shutdown(SHUTDOWN_LIMIT);
        return heard;
    }
    let measured = engine.report();
    // The report is for people; text and events have standard output to themselves.
    let _ = writeln!(io::stderr(), "\n{measured}");
    if let Some(hlog) = &mut hlog {
        measured.write_hlog(hlog, started.elapsed())?;
        hlog.flush()?;
    }
    engine.shutdown(SHUTDOWN_LIMIT);
    match (heard, signals.received()) {
        // What a signal ends breaks off its input, and its terminal may be gone.
        (Ok(()) | Err(Failure::Input { .. } | Failure::Output(_)), Some(signal)) => {
            Err(Failure::Stopped(signal))
        }
        (heard, _) => heard,
    }
}

/// A recording that is named is read as if it were live, everything else as it comes.
fn default_pace(input: &Input, source: &Source) -> Pace {
    let is_named = matches!(input, Input::File(_));
    if is_named && !source.is_live { Pace::Realtime } else { Pace::Fast }
}

/// Whether nobody reads standard output any more.
fn is_broken_pipe(heard: &Result<(), Failure>) -> bool {
    matches!(heard, Err(Failure::Output(error)) if error.kind() == io::ErrorKind::BrokenPipe)
}

/// The configuration that the arguments name and change; its placement has been checked.
fn configuration(args: &Args) -> Result<config::Source, Failure> {
    let mut source = match &args.config {
        Some(path) => Config::load_as(path, Profile::Live)?,
        None => config::Source::from(Config { lanes: vec![LaneConfig::with_slots(1)], ..Config::live() }),
    };
    let config = &mut source.config;
    config.model = args.model.clone().unwrap_or_else(|| config.model.clone());
    config.precision = args.precision.unwrap_or(config.precision);
    hotwords::replace(config, args.hotwords.as_deref())?;
    config.decode = args.decode.unwrap_or(config.decode);
    config.endpoint.silence_ms = args.silence_ms.unwrap_or(config.endpoint.silence_ms);
    config.endpoint.trail_ms = config.endpoint.trail_ms.min(config.endpoint.silence_ms);
    source.placement(&Topology::of_host())?;
    Ok(source)
}
