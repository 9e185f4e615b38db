//! `voxlane-bench wer`: word error rates by the engine's public API.

use super::ModelArgs;
use anyhow::Result;
use std::collections::{BTreeMap, BTreeSet};
use std::io::{self, Write};
use std::path::PathBuf;
use std::time::Instant;
use voxlane::Config;
use voxlane_bench::alignment::{Alignment, Errors};
use voxlane_bench::live::figures::quantile;
use voxlane_bench::live::replay::Replay;
use voxlane_bench::recognizer::{Recognition, Recognizer, precision_word};
use voxlane_bench::recordings::{Clip, SAMPLE_RATE, read_samples};
use voxlane_bench::stopwatch::Stopwatch;
use voxlane_bench::wer::{Score, difference_interval, rate_interval, words};
use voxlane_models::layers::linear::Precision;
use voxlane_models::manager;

/// The intervals are the same in every run.
const SEED: u64 = 1;

/// What to measure.
#[derive(Clone, Debug, clap::Args)]
pub struct Args {
    #[command(flatten)]
    model: ModelArgs,
    #[command(flatten)]
    clips: super::ClipArgs,
    /// Number formats; each is compared with the first
    #[arg(long, value_delimiter = ',', value_parser = super::precision, default_value = "f32")]
    precision: Vec<Precision>,
    /// Also through live streams with the default rules, compared with the whole recordings
    #[arg(long)]
    live: bool,
    /// Live rules by this deployment instead
    #[arg(long, value_name = "FILE")]
    config: Option<PathBuf>,
    /// Only the clips of every other speaker: rules are chosen on one half and reported on the other
    #[arg(long, value_enum)]
    half: Option<Half>,
}

/// A half of the speakers.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
enum Half {
    /// To choose by.
    Choose,
    /// To report.
    Report,
}

/// The clips of the speakers of a half: every other one in order of their names, within each collection.
fn of_half(clips: Vec<Clip>, half: Half) -> Vec<Clip> {
    let speakers: BTreeSet<(String, String)> =
        clips.iter().map(|clip| (clip.subset.clone(), clip.speaker.clone())).collect();
    let place = |clip: &Clip| {
        speakers.iter().position(|(subset, name)| (subset, name) == (&clip.subset, &clip.speaker))
    };
    // A collection with one speaker is divided by its clips.
    let is_single = |clip: &Clip| speakers.iter().filter(|(subset, _)| *subset == clip.subset).count() == 1;
    let numbers: Vec<usize> = clips
        .iter()
        .enumerate()
        .map(|(number, clip)| if is_single(clip) { number } else { place(clip).unwrap_or(number) })
        .collect();
    let wanted = half as usize;
    clips.into_iter().zip(numbers).filter(|(_, number)| number % 2 == wanted).map(|(clip, _)| clip).collect()
}

/// One precision's results, clip by clip.
struct Run {
    word: String,
    scores: Vec<Score>,
    errors: Vec<Errors>,
    recognitions: Vec<Recognition>,
}

impl Run {
    fn add(&mut self, clip: &Clip, recognition: Recognition) {
        self.scores.push(Score::of(&clip.transcript, &recognition.text));
        self.errors.push(Alignment::of(&words(&clip.transcript), &words(&recognition.text)).errors());
        self.recognitions.push(recognition);
    }
}

/// Prints the rates.
pub fn run(args: &Args) -> Result<()> {
    let clips = args.clips.read()?;
    let clips = args.half.map_or(clips.clone(), |half| of_half(clips, half));
    args.model.files()?;
    let mut out = io::stdout().lock();
    let mut first: Option<Run> = None;
    for &precision in &args.precision {
        let run = measure(&args.model.model, precision, &clips)?;
        print_rates(&mut out, &clips, &run)?;
        if args.live {
            let live = measure_live(args, precision, &clips)?;
            print_rates(&mut out, &clips, &live.run)?;
            print_difference(&mut out, &run, &live.run)?;
            let waits = [0.5, 0.9].map(|q| quantile(&live.waits, q).unwrap_or(f64::NAN));
            writeln!(
                out,
                "{}  {} segments; wait at the end of a clip p50 {:.0} ms, p90 {:.0} ms",
                live.run.word, live.segments, waits[0], waits[1]
            )?;
        }
        match &first {
            Some(first) => print_difference(&mut out, first, &run)?,
            None => first = Some(run),
        }
    }
    Ok(())
}

fn measure(model: &str, precision: Precision, clips: &[Clip]) -> Result<Run> {
    let recognizer = Recognizer::start(model, precision)?;
    let word = precision_word(precision)?;
    let mut run = Run { word, scores: vec![], errors: vec![], recognitions: vec![] };
    for clip in clips {
        let recognition = recognizer.recognize(&read_samples(&clip.path)?, Stopwatch::Wall)?;
        run.add(clip, recognition);
    }
    Ok(run)
}

/// What live streams gave.
struct Live {
    run: Run,
    segments: usize,
    /// The silence after each clip that its last endpoint took, in milliseconds.
    waits: Vec<f64>,
}

fn measure_live(args: &Args, precision: Precision, clips: &[Clip]) -> Result<Live> {
    let config = match &args.config {
        Some(file) => Config::load(file)?.config,
        None => Config::live(),
    };
    let config = Config { model: args.model.model.clone(), precision, ..config };
    for name in config.endpoint.models() {
        manager::fetch(name)?;
    }
    let replay = Replay::start(&config)?;
    let word = format!("{} live", precision_word(precision)?);
    let mut live = Live {
        run: Run { word, scores: vec![], errors: vec![], recognitions: vec![] },
        segments: 0,
        waits: vec![],
    };
    for clip in clips {
        let begun = Instant::now();
        let said = replay.run(&read_samples(&clip.path)?, config.endpoint)?;
        let time = begun.elapsed();
        live.segments += said.ends.len();
        live.waits.extend(said.ends.last().map(|end| 1e3 * (end.decided - end.speech)));
        live.run.add(clip, Recognition { text: said.text, tokens: said.tokens, time });
    }
    Ok(live)
}

fn print_rates(out: &mut impl Write, clips: &[Clip], run: &Run) -> Result<()> {
    let mut subsets: BTreeMap<&str, Vec<Score>> = BTreeMap::new();
    for (clip, score) in clips.iter().zip(&run.scores) {
        subsets.entry(&clip.subset).or_default().push(*score);
    }
    let all = [("all", run.scores.clone())];
    for (subset, scores) in subsets.into_iter().chain(all) {
        let Score { errors, words } = scores.iter().copied().sum();
        let rate = rate_interval(&scores, SEED);
        writeln!(
            out,
            "{}  {subset}: {errors} errors in {words} words of {} clips, {:.2} % ({:.2} … {:.2})",
            run.word,
            scores.len(),
            100.0 * rate.estimate,
            100.0 * rate.low,
            100.0 * rate.high,
        )?;
    }
    let Errors { substituted, deleted, inserted, .. } = run.errors.iter().copied().sum();
    writeln!(out, "{}  {substituted} words substituted, {deleted} lost, {inserted} invented", run.word)?;
    let wall: f64 = run.recognitions.iter().map(|recognition| recognition.time.as_secs_f64()).sum();
    let mut audio = 0.0;
    for clip in clips {
        audio += read_samples(&clip.path)?.len() as f64 / f64::from(SAMPLE_RATE);
    }
    writeln!(out, "{}  {audio:.0} s of audio in {wall:.1} s", run.word)?;
    Ok(())
}

fn print_difference(out: &mut impl Write, first: &Run, run: &Run) -> Result<()> {
    let difference = difference_interval(&first.scores, &run.scores, SEED);
    let pairs = first.recognitions.iter().zip(&run.recognitions);
    let same = pairs.filter(|(first, other)| first.tokens == other.tokens).count();
    writeln!(
        out,
        "{} against {}: {:+.2} points ({:+.2} … {:+.2}), {same} of {} token sequences identical",
        run.word,
        first.word,
        100.0 * difference.estimate,
        100.0 * difference.low,
        100.0 * difference.high,
        run.scores.len(),
    )?;
    Ok(())
}
