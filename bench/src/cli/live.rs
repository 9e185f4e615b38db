//! `voxlane-bench live`: latency, stability and accuracy of live streams, and how many a lane sustains.

use super::ModelArgs;
use anyhow::{Context, Result, bail, ensure};
use std::io::{self, Write};
use std::path::PathBuf;
use voxlane::config::LaneConfig;
use voxlane::{Config, Engine};
use voxlane_bench::live::conversation::Conversation;
use voxlane_bench::live::feed::{self, Run, Said};
use voxlane_bench::live::figures::{Figures, quantile};
use voxlane_bench::recognizer::Recognizer;
use voxlane_bench::recordings::{SAMPLE_RATE, read_samples};
use voxlane_bench::stopwatch::Stopwatch;
use voxlane_bench::wer::{Score, difference_interval};
use voxlane_models::layers::linear::Precision;
use voxlane_models::manager;

/// The most that finals may take after the endpoint, in milliseconds, at the 99th percentile, for a number of
/// streams to count as sustained.
const SUSTAINED_MS: f64 = 100.0;

/// What to measure.
#[derive(Clone, Debug, clap::Args)]
pub struct Args {
    #[command(flatten)]
    model: ModelArgs,
    #[command(flatten)]
    clips: super::ClipArgs,
    /// A deployment; without one, `Config::live()`
    #[arg(long, value_name = "FILE")]
    config: Option<PathBuf>,
    /// Number format of the weights
    #[arg(long, value_parser = super::precision, default_value = "int8")]
    precision: Precision,
    /// The order of the clips and the silences between them
    #[arg(long, default_value_t = 1)]
    seed: u64,
    /// Use only so many seconds of the conversation
    #[arg(long, value_name = "SECONDS")]
    seconds: Option<f64>,
    /// Go through the conversation so many times
    #[arg(long, default_value_t = 1)]
    rounds: u64,
    /// Write the conversation into this folder for other programs, and measure nothing
    #[arg(long, value_name = "FOLDER")]
    write: Option<PathBuf>,
    /// Work out the figures of these events (JSON lines) of another program instead of ours
    #[arg(long, value_name = "FILE")]
    events: Option<PathBuf>,
    /// Find how many streams a lane on this core sustains, by doubling
    #[arg(long, value_name = "CORE")]
    streams_on: Option<usize>,
    /// These numbers of streams instead of doubling, whatever they give
    #[arg(long, value_name = "NUMBERS", value_delimiter = ',', requires = "streams_on")]
    streams: Vec<usize>,
    /// Print each run's histograms, too
    #[arg(long, requires = "streams_on")]
    report: bool,
}

/// Prints the figures.
pub fn run(args: &Args) -> Result<()> {
    let clips = args.clips.read()?;
    let conversation = |seed| -> Result<Conversation> {
        let mut conversation = Conversation::of(&clips, seed)?;
        if let Some(seconds) = args.seconds {
            conversation.truncate(seconds);
        }
        ensure!(!conversation.utterances.is_empty(), "no clip is that short");
        Ok(conversation)
    };
    let mut out = io::stdout().lock();
    if let Some(folder) = &args.write {
        return conversation(args.seed)?.write(folder);
    }
    if let Some(file) = &args.events {
        let text = std::fs::read_to_string(file).with_context(|| file.display().to_string())?;
        let said = text.lines().map(serde_json::from_str).collect::<Result<Vec<Said>, _>>()?;
        return print(&mut out, &Figures::of(&said, &conversation(args.seed)?.utterances));
    }
    args.model.files()?;
    for name in Config::live().endpoint.models() {
        manager::fetch(name)?;
    }
    if let Some(core) = args.streams_on {
        return capacity(args, core, &conversation(args.seed)?, &mut out);
    }
    let engine = Engine::start(config(args, 1)?)?;
    let mut all = Figures::default();
    let mut whole = Vec::new();
    let mut lag = Vec::new();
    for round in 0..args.rounds {
        let conversation = conversation(args.seed + round)?;
        let Some(run) = feed::run(&engine, &[&conversation.samples])?.pop() else { bail!("no stream") };
        ensure!(run.disorder == 0, "{} events are out of order", run.disorder);
        lag.extend(run.lag);
        add(&mut all, Figures::of(&run.said, &conversation.utterances));
        let order: Vec<String> = conversation.utterances.into_iter().map(|utterance| utterance.id).collect();
        whole.extend(order);
    }
    print(&mut out, &all)?;
    print_lag(&mut out, &lag)?;
    drop(engine);
    // The same clips whole, with the same weights.
    let recognizer = Recognizer::start(&args.model.model, args.precision)?;
    let mut scores = Vec::new();
    for id in &whole {
        let clip = clips.iter().find(|clip| clip.id == *id).context("a clip of the set")?;
        let heard = recognizer.recognize(&read_samples(&clip.path)?, Stopwatch::Wall)?;
        scores.push(Score::of(&clip.transcript, &heard.text));
    }
    let difference = difference_interval(&scores, &all.scores, 1);
    writeln!(
        out,
        "word error rate of whole clips {:.2} %, live {:+.2} points ({:+.2} … {:+.2})",
        100.0 * scores.iter().copied().sum::<Score>().rate(),
        100.0 * difference.estimate,
        100.0 * difference.low,
        100.0 * difference.high
    )?;
    Ok(())
}

fn config(args: &Args, slots: usize) -> Result<voxlane::config::Source> {
    if let Some(file) = &args.config {
        return Ok(Config::load(file)?);
    }
    let mut config = Config { model: args.model.model.clone(), precision: args.precision, ..Config::live() };
    config.lanes = vec![LaneConfig::with_slots(slots)];
    Ok(config.into())
}

fn add(all: &mut Figures, more: Figures) {
    all.after_endpoint.extend(more.after_endpoint);
    all.after_speech.extend(more.after_speech);
    all.first_text.extend(more.first_text);
    all.first_word.extend(more.first_word);
    all.scores.extend(more.scores);
    all.flips += more.flips;
    all.revised += more.revised;
    all.words += more.words;
    all.stray += more.stray;
}

fn print(out: &mut impl Write, figures: &Figures) -> Result<()> {
    writeln!(out, "{:<34}{:>9}{:>9}{:>9}{:>9}{:>7}", "milliseconds", "p50", "p90", "p99", "max", "n")?;
    for (name, values) in [
        ("endpoint decision → final", &figures.after_endpoint),
        ("end of speech → last final", &figures.after_speech),
        ("start of speech → first text", &figures.first_text),
        ("start of speech → word that stays", &figures.first_word),
    ] {
        let cell = |value: Option<f64>| value.map_or("-".into(), |value| format!("{value:.1}"));
        let cells = [0.5, 0.9, 0.99].map(|q| cell(quantile(values, q)));
        let max = cell(values.iter().copied().reduce(f64::max));
        writeln!(out, "{name:<34}{:>9}{:>9}{:>9}{max:>9}{:>7}", cells[0], cells[1], cells[2], values.len())?;
    }
    let Score { errors, words } = figures.scores.iter().copied().sum();
    writeln!(
        out,
        "word error rate {:.2} % ({errors} errors in {words} words); {} words in finals, {:.3} flips a word, \
         {:.2} % of words revised after they were stable, {} finals with text outside of speech",
        100.0 * errors as f64 / words as f64,
        figures.words,
        figures.flips as f64 / figures.words as f64,
        100.0 * figures.revised as f64 / figures.words as f64,
        figures.stray
    )?;
    Ok(())
}

fn print_lag(out: &mut impl Write, lag: &[f64]) -> Result<()> {
    let ms: Vec<f64> = lag.iter().map(|seconds| seconds * 1e3).collect();
    let at = |q| quantile(&ms, q).unwrap_or(f64::NAN);
    writeln!(
        out,
        "feeder's own lag: p50 {:.3} ms, p99 {:.3}, p99.9 {:.3}, n {}",
        at(0.5),
        at(0.99),
        at(0.999),
        ms.len()
    )?;
    Ok(())
}

/// Serves the numbers of streams that were asked for in a lane on one core, or doubles the number until finals are late.
fn capacity(args: &Args, core: usize, conversation: &Conversation, out: &mut impl Write) -> Result<()> {
    let mut counts = args.streams.iter().copied();
    let mut count = counts.next().unwrap_or(1);
    // The streams end together, which callers do not: what their last segments wait for each other counts by itself.
    writeln!(out, "streams  p50 ms  p90 ms  p99 ms  finals  last max ms  last  held back  disorder")?;
    loop {
        let mut config =
            Config { model: args.model.model.clone(), precision: args.precision, ..Config::live() };
        if let Some(file) = &args.config {
            config.endpoint = Config::load(file)?.config.endpoint;
        }
        let cores = format!(
            "[[lane]]\nslots = {count}\ncores = {{ ingest = {core}, features = {core}, encoder = {core}, \
             decoder = {core}, emit = {core} }}\n"
        );
        config.lanes = voxlane::config::Source::parse(cores, None)?.config.lanes;
        let engine = Engine::start(config)?;
        // Each stream begins somewhere else in the conversation.
        let rotated: Vec<Vec<i16>> = (0..count)
            .map(|i| {
                let mut samples = conversation.samples.clone();
                samples.rotate_left(conversation.samples.len() * i / count);
                samples
            })
            .collect();
        let views: Vec<&[i16]> = rotated.iter().map(Vec::as_slice).collect();
        let runs = feed::run(&engine, &views)?;
        let refused = engine.open(voxlane::StreamOptions::default()).is_err();
        let late = |is_last| -> Vec<f64> {
            let said = runs.iter().flat_map(|run: &Run| &run.said).filter(|said| said.is_last == is_last);
            said.filter_map(|said| said.after_endpoint_ms).collect()
        };
        let (late, last) = (late(false), late(true));
        let held_back: u64 = runs.iter().map(|run| run.held_back).sum();
        let disorder: u64 = runs.iter().map(|run| run.disorder).sum();
        let mut sorted = late.clone();
        sorted.sort_by(f64::total_cmp);
        // Few finals: the largest but one percent, said with its count.
        let at = |q: f64| sorted[((q * sorted.len() as f64).ceil() as usize).max(1) - 1];
        writeln!(
            out,
            "{count:>7}{:>8.1}{:>8.1}{:>8.1}{:>8}{:>13.1}{:>6}{held_back:>11}{disorder:>10}{}",
            at(0.5),
            at(0.9),
            at(0.99),
            late.len(),
            last.iter().copied().reduce(f64::max).unwrap_or(f64::NAN),
            last.len(),
            if refused { "" } else { "  (a slot was free at the end)" }
        )?;
        if args.report {
            writeln!(out, "{}", engine.report())?;
        }
        out.flush()?;
        let is_late = at(0.99) > SUSTAINED_MS || held_back > 0;
        count = match counts.next() {
            Some(next) => next,
            None if is_late || !args.streams.is_empty() => return Ok(()),
            None => 2 * count,
        };
        ensure!(conversation.samples.len() > SAMPLE_RATE as usize, "too little audio");
    }
}
