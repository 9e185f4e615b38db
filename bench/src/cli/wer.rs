//! `voxlane-bench wer`: word error rates by the engine's public API.

use super::ModelArgs;
use anyhow::Result;
use std::collections::BTreeMap;
use std::io::{self, Write};
use voxlane_bench::recognizer::{Recognition, Recognizer, precision_word};
use voxlane_bench::recordings::{Clip, SAMPLE_RATE, read_samples};
use voxlane_bench::stopwatch::Stopwatch;
use voxlane_bench::wer::{Score, difference_interval, rate_interval};
use voxlane_models::layers::linear::Precision;

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
}

/// One precision's results, clip by clip.
struct Run {
    word: String,
    scores: Vec<Score>,
    recognitions: Vec<Recognition>,
}

/// Prints the rates.
pub fn run(args: &Args) -> Result<()> {
    let clips = args.clips.read()?;
    args.model.files()?;
    let mut out = io::stdout().lock();
    let mut first: Option<Run> = None;
    for &precision in &args.precision {
        let run = measure(&args.model.model, precision, &clips)?;
        print_rates(&mut out, &clips, &run)?;
        match &first {
            Some(first) => print_difference(&mut out, first, &run)?,
            None => first = Some(run),
        }
    }
    Ok(())
}

fn measure(model: &str, precision: Precision, clips: &[Clip]) -> Result<Run> {
    let recognizer = Recognizer::start(model, precision)?;
    let mut run = Run { word: precision_word(precision)?, scores: Vec::new(), recognitions: Vec::new() };
    for clip in clips {
        let recognition = recognizer.recognize(&read_samples(&clip.path)?, Stopwatch::Wall)?;
        run.scores.push(Score::of(&clip.transcript, &recognition.text));
        run.recognitions.push(recognition);
    }
    Ok(run)
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
