//! `voxlane-bench commands`: the streaming network that ships with the engine.

use anyhow::{Context as _, Result};
use clap::ValueEnum;
use hdrhistogram::Histogram;
use std::io::{self, Write};
use std::path::PathBuf;
use voxlane::Config;
use voxlane::config::{DecodeKind, DetectorKind};
use voxlane_bench::commands::accuracy::Recognizers;
use voxlane_bench::commands::compute::BEAM;
use voxlane_bench::commands::model::{self, Commands};
use voxlane_bench::commands::streams::{self, Pace, line};
use voxlane_bench::commands::{capacity, compute, emission, false_finals, noise, serve};
use voxlane_bench::lab::on_core;
use voxlane_bench::live::conversation::Conversation;
use voxlane_bench::live::figures::quantile;
use voxlane_bench::spoken::{self, Recording};
use voxlane_bench::stopwatch::Stopwatch;
use voxlane_bench::wer::Score;
use voxlane_models::decode::{CtcGreedy, CtcPrefixBeam, StreamStrategy, TransducerBeam, TransducerGreedy};
use voxlane_models::heads::transducer::Heads;
use voxlane_models::layers::linear::Precision;
use voxlane_models::manager;

/// A frame of the engine, in milliseconds: the strict meaning of one hop of delay.
const FRAME_MS: f64 = 20.0;
/// Conversations at the same time, where it is measured how soon text comes.
const CONVERSATIONS: usize = 8;

/// What can be measured.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Section {
    /// Word error rates of all strategies, streamed and offline.
    Accuracy,
    /// Finals with text in ordinary speech, noise and silence.
    FalseFinals,
    /// How soon text comes; always in real time.
    Emission,
    /// What a chunk costs.
    Compute,
    /// How many streams a core sustains; always in real time.
    Capacity,
}

/// What to measure.
#[derive(Clone, Debug, clap::Args)]
pub struct Args {
    /// The built-in model, or one imported with `voxlane models import`
    #[arg(long, default_value = voxlane_models::families::commands::NAME)]
    model: String,
    /// Folder with the recordings: commands, alnum, dev and dev-other
    #[arg(long, value_name = "FOLDER", default_value = "../shared/speech")]
    speech: PathBuf,
    /// How fast audio comes where accuracy and false finals are measured
    #[arg(long, value_enum, default_value_t)]
    pace: Pace,
    /// Measure only this; may be given several times
    #[arg(long, value_enum)]
    only: Vec<Section>,
    /// Number format of the weights
    #[arg(long, value_parser = super::precision, default_value = "int8")]
    precision: Precision,
    /// What the times of chunks count
    #[arg(long, value_enum, default_value_t)]
    clock: Stopwatch,
    /// The core for chunks and for the lane whose streams are counted
    #[arg(long, default_value_t = 0)]
    core: usize,
    /// Rounds over the recordings whose chunks are timed
    #[arg(long, default_value_t = 3)]
    rounds: usize,
    /// Streams to begin with when finding how many a core sustains
    #[arg(long, default_value_t = 1)]
    streams: usize,
    /// Seconds of audio for each stream there
    #[arg(long, default_value_t = 20.0)]
    seconds: f64,
    /// The detector of these streams: off, energy or silero
    #[arg(long, value_parser = detector, default_value = "off")]
    detector: DetectorKind,
    /// How long the network may find nothing after text before a segment ends, in milliseconds; 0 is for ever
    #[arg(long, default_value_t = 0)]
    blank_ms: u16,
    /// Answer with the times of chunks for files named on standard input, and measure nothing else
    #[arg(long)]
    serve: bool,
}

impl Args {
    fn with_blanks(&self, mut config: Config) -> Config {
        config.endpoint.blank_ms = self.blank_ms;
        config
    }
}

fn detector(word: &str) -> Result<DetectorKind, String> {
    match word {
        "off" => Ok(DetectorKind::Off),
        "energy" => Ok(DetectorKind::Energy),
        "silero" => Ok(DetectorKind::Silero),
        _ => Err("off, energy or silero".to_owned()),
    }
}

/// Prints the figures.
pub fn run(args: &Args) -> Result<()> {
    let commands = model::load(&args.model, args.precision)?;
    let mut out = io::stdout().lock();
    if args.serve {
        return serve::serve(&commands.network, args.clock, io::stdin().lock(), out);
    }
    for (section, measure) in [
        (Section::Accuracy, accuracy as fn(&Args, &Commands, &mut dyn Write) -> Result<()>),
        (Section::FalseFinals, false_finals),
        (Section::Emission, emission),
        (Section::Compute, compute),
        (Section::Capacity, capacity),
    ] {
        if args.only.is_empty() || args.only.contains(&section) {
            measure(args, &commands, &mut out)?;
        }
    }
    Ok(())
}

fn accuracy(args: &Args, commands: &Commands, out: &mut dyn Write) -> Result<()> {
    let alnum = args.speech.join("alnum");
    let orders = spoken::of_clips(&spoken::split(&args.speech.join("commands"), "dev")?)?;
    let digits = spoken::words(&alnum, &spoken::DIGITS)?;
    let letters = spoken::words(&alnum, &spoken::letters())?;
    let sets = [("orders", orders), ("digits", digits), ("letters", letters)];
    writeln!(out, "accuracy, {:?}, pace {:?}", args.precision, args.pace)?;
    let heads = ["clips", "words", "streamed %", "offline %", "finals", "not as offline"].map(String::from);
    line(&mut &mut *out, "", &heads)?;
    let mut run = Strategies { args, commands, sets: &sets, out };
    run.strategy::<TransducerGreedy>("greedy", DecodeKind::Greedy)?;
    run.strategy::<TransducerBeam<BEAM>>("beam 4", DecodeKind::Beam)?;
    run.strategy::<CtcGreedy>("CTC greedy", DecodeKind::CtcGreedy)?;
    run.strategy::<CtcPrefixBeam<BEAM>>("CTC prefix beam 4", DecodeKind::CtcBeam)
}

/// What all strategies are measured on.
struct Strategies<'a> {
    args: &'a Args,
    commands: &'a Commands,
    sets: &'a [(&'static str, Vec<Recording>)],
    out: &'a mut dyn Write,
}

impl Strategies<'_> {
    /// Prints a line for each set.
    fn strategy<S: StreamStrategy<Heads>>(&mut self, name: &str, decode: DecodeKind) -> Result<()> {
        let engine = self
            .commands
            .engine(decode, self.args.with_blanks(streams::config(streams::SLOTS, DetectorKind::Off)))?;
        let Commands { network, vocabulary, .. } = self.commands;
        let mut recognizers = Recognizers::<S>::new(engine, network, &**vocabulary);
        for (set, recordings) in self.sets {
            let found = recognizers.measure(recordings, self.args.pace)?;
            let rate = |score: Score| format!("{:.2}", 100.0 * score.rate());
            let cells = [
                found.clips.to_string(),
                found.streamed.words.to_string(),
                rate(found.streamed),
                rate(found.offline),
                found.finals.to_string(),
                found.different.to_string(),
            ];
            line(&mut self.out, &format!("{set}, {name}"), &cells)?;
        }
        Ok(())
    }
}

fn false_finals(args: &Args, commands: &Commands, mut out: &mut dyn Write) -> Result<()> {
    let sets = [("ordinary speech", spoken::ordinary(&args.speech)?), ("noise", noise::ten_minutes())];
    writeln!(out, "finals with text where nothing is said that is known, pace {:?}", args.pace)?;
    let heads = ["streams", "minutes", "finals", "a minute", "words"].map(String::from);
    line(&mut out, "", &heads)?;
    for (word, detector) in [("no detector", DetectorKind::Off), ("silero", DetectorKind::Silero)] {
        if detector == DetectorKind::Silero {
            manager::fetch(DetectorKind::SILERO_MODEL)?;
        }
        let engine = commands
            .engine(DecodeKind::Greedy, args.with_blanks(streams::config(streams::SLOTS, detector)))?;
        for (name, recordings) in &sets {
            let found = false_finals::measure(&engine, recordings, args.pace)?;
            let cells = [
                recordings.len().to_string(),
                format!("{:.1}", found.minutes),
                found.finals.to_string(),
                format!("{:.2}", found.a_minute()),
                found.words.to_string(),
            ];
            line(&mut out, &format!("{name}, {word}"), &cells)?;
        }
    }
    Ok(())
}

fn emission(args: &Args, commands: &Commands, mut out: &mut dyn Write) -> Result<()> {
    manager::fetch(DetectorKind::SILERO_MODEL)?;
    let clips = spoken::split(&args.speech.join("commands"), "dev")?;
    let config = args.with_blanks(streams::config(CONVERSATIONS, DetectorKind::Silero));
    let found = emission::measure(&commands.engine(DecodeKind::Greedy, config)?, &clips)?;
    writeln!(out, "milliseconds after the end of the last word, silero, greedy, in real time")?;
    line(&mut out, "", &["p50", "p90", "n"].map(String::from))?;
    for (name, values) in [("text whole", &found.whole_text), ("final", &found.finals)] {
        let cell = |share| quantile(values, share).map_or("-".to_owned(), |value| format!("{value:.0}"));
        line(&mut out, name, &[cell(0.5), cell(0.9), values.len().to_string()])?;
    }
    let Score { errors, words } = found.figures.scores.iter().copied().sum();
    let rate = 100.0 * errors as f64 / words as f64;
    writeln!(out, "  word error rate of these conversations {rate:.2} % of {words} words")?;
    Ok(())
}

fn compute(args: &Args, commands: &Commands, mut out: &mut dyn Write) -> Result<()> {
    let recordings = spoken::of_clips(&spoken::split(&args.speech.join("commands"), "dev")?)?;
    let chunks =
        on_core(args.core, || compute::measure(&commands.network, &recordings, args.rounds, args.clock))?;
    let chunk_ms = chunks.frames as f64 * chunks.frame_ms;
    writeln!(
        out,
        "microseconds a chunk of {chunk_ms} ms, one stream, core {}, {:?} time",
        args.core, args.clock
    )?;
    line(&mut out, "", &["p50", "p99", "mean", "n"].map(String::from))?;
    let row = |name: &str, times: &Histogram<u64>, share: f64| {
        let at = |quantile| times.value_at_quantile(quantile) as f64 / 1e3 * share;
        let cells = [at(0.5), at(0.99), times.mean() / 1e3 * share].map(|micros| format!("{micros:.1}"));
        (name.to_owned(), [cells.to_vec(), vec![times.len().to_string()]].concat())
    };
    let mut rows = vec![row("front end", &chunks.front_end, 1.0), row("encoder", &chunks.encoder, 1.0)];
    rows.extend(chunks.decoders.iter().map(|(name, times)| row(name, times, 1.0)));
    rows.push(row("all, greedy", &chunks.whole, 1.0));
    rows.push(row(
        &format!("all, greedy, a {} ms", chunks.frame_ms),
        &chunks.whole,
        1.0 / chunks.frames as f64,
    ));
    for (name, cells) in rows {
        line(&mut out, &name, &cells)?;
    }
    let greedy = &chunks.decoders.first().context("greedy decoding is always timed")?.1;
    let share = 100.0 * greedy.mean() / chunks.encoder.mean();
    writeln!(out, "  greedy decoding takes {share:.1} % of the encoder's time")?;
    Ok(())
}

fn capacity(args: &Args, commands: &Commands, mut out: &mut dyn Write) -> Result<()> {
    if args.detector == DetectorKind::Silero {
        manager::fetch(DetectorKind::SILERO_MODEL)?;
    }
    let clips = spoken::split(&args.speech.join("commands"), "dev")?;
    let mut whole = Conversation::of(&clips, 1)?;
    whole.samples.truncate((args.seconds * 16_000.0) as usize);
    let config = commands.network.config();
    let segment_ms = (config.segment_frames() * config.frame_samples()) as f64 / 16.0;
    writeln!(
        out,
        "streams on core {}, {:?} detector, greedy, {} s each, in real time: milliseconds from audio to result",
        args.core, args.detector, args.seconds
    )?;
    let within = [FRAME_MS, segment_ms].map(|ms| format!("p99 ≤ {ms} ms"));
    let heads = ["p50", "p99", "max", "n", "held back", "feeder p99"].map(String::from);
    line(&mut out, "", &[&heads[..], &within[..]].concat())?;
    let mut count = args.streams;
    loop {
        let config = args.with_blanks(streams::config_on(args.core, count, args.detector)?);
        let load = capacity::load(&commands.engine(DecodeKind::Greedy, config)?, &whole.samples)?;
        let mut cells: Vec<String> =
            [0.5, 0.99, 1.0].map(|share| format!("{:.1}", capacity::rank(&load.delays, share))).to_vec();
        cells.push(load.delays.len().to_string());
        cells.push(load.held_back.to_string());
        cells.push(format!("{:.2}", capacity::rank(&load.lag, 0.99)));
        let yes = |sustains: bool| if sustains { "yes" } else { "no" }.to_owned();
        cells.extend([FRAME_MS, segment_ms].map(|ms| yes(load.sustains(ms))));
        line(&mut out, &count.to_string(), &cells)?;
        if !load.sustains(segment_ms) {
            return Ok(());
        }
        count *= 2;
    }
}
