//! Conversations: endpoints by voice activity, and partials.

use super::super::context::{Context, Size};
use super::super::distribution::{Distribution, histogram, record};
use super::super::live::Deployment;
use super::super::outcome::{Cell, Outcome, Unit};
use super::super::pin::on_core;
use crate::bootstrap::Interval;
use crate::live::conversation::Conversation;
use crate::live::feed;
use crate::live::figures::Figures;
use crate::recordings::Clip;
use crate::wer::{Score, rate_interval};
use anyhow::{Result, ensure};
use voxlane::config::DetectorKind;
use voxlane_models::manager;

/// Endpoints by voice activity and partials as `Config::live()` has them.
const LIVE: &str = "[endpoint]\ndetector = \"silero\"\n[partial]\nevery_ms = 250\n";

/// What is measured, from the figures of all streams, in milliseconds.
type Measure = (&'static str, fn(&Figures) -> &[f64]);

const MEASURES: [Measure; 4] = [
    ("endpoint decided → final", |figures| &figures.after_endpoint),
    ("end of speech → last final of the utterance", |figures| &figures.after_speech),
    ("start of speech → first text", |figures| &figures.first_text),
    ("start of speech → first word that stays", |figures| &figures.first_word),
];

/// Plays conversations to a few streams at once.
///
/// # Errors
/// If the engine fails.
pub fn run(context: &Context, set: &[Clip], outcome: &mut Outcome) -> Result<()> {
    manager::fetch(DetectorKind::SILERO_MODEL)?;
    let (streams, seconds) = context.pick((1, 6.0), (1, 9.0), (4, 60.0), (4, 1_000.0));
    let is_short = matches!(context.size, Size::Touch | Size::Smoke);
    let conversations = (1..=streams)
        .map(|seed| {
            // A short run takes the first recording that ends in time.
            let seeds = if is_short { 1..=200 } else { seed..=seed };
            for seed in seeds {
                let mut conversation = Conversation::of(set, seed)?;
                conversation.truncate(seconds);
                if !conversation.utterances.is_empty() {
                    return Ok(conversation);
                }
            }
            anyhow::bail!("no recording ends within {seconds} s")
        })
        .collect::<Result<Vec<_>>>()?;
    let (model, core) = (context.model.clone(), context.measured_core());
    let deployment = Deployment { model, core, slots: conversations.len(), wait: "spin", tables: LIVE };
    let engine = deployment.start()?;
    let samples: Vec<&[i16]> = conversations.iter().map(|conversation| &conversation.samples[..]).collect();
    let runs = on_core(context.generator_core(), || feed::run(&engine, &samples))?;
    let disorder: u64 = runs.iter().map(|run| run.disorder).sum();
    ensure!(disorder == 0, "{disorder} events are out of order");

    let figures: Vec<Figures> = runs
        .iter()
        .zip(&conversations)
        .map(|(run, whole)| Figures::of(&run.said, &whole.utterances))
        .collect();
    let mut members = vec![of_millis(
        "newest sample → partial",
        runs.iter().flat_map(|run| {
            run.said.iter().filter(|said| !said.is_final).map(|said| (said.at - said.end) * 1e3)
        }),
    )?];
    for (name, of) in MEASURES {
        members.push(of_millis(name, figures.iter().flat_map(|figures| of(figures).iter().copied()))?);
    }
    outcome.group("Conversations: endpoints by voice activity, partials", Unit::Milliseconds, members);
    let lag =
        of_millis("feeder's lag", runs.iter().flat_map(|run| run.lag.iter().map(|seconds| seconds * 1e3)))?;
    outcome.group("Conversations: lag of the feeder", Unit::Milliseconds, vec![lag]);

    let sum = |of: fn(&Figures) -> usize| figures.iter().map(of).sum::<usize>();
    let words = sum(|figures| figures.words);
    let of_words = |count: usize| Cell::from(100.0 * count as f64 / words as f64);
    let scores: Vec<Score> = figures.iter().flat_map(|figures| figures.scores.iter().copied()).collect();
    let rate: Interval = rate_interval(&scores, super::SEED).scaled(100.0);
    let held_back: u64 = runs.iter().map(|run| run.held_back).sum();
    let columns = [
        "streams",
        "utterances",
        "words in finals",
        "flips, % of words",
        "stable words revised, %",
        "word error rate (95 % interval), %",
        "finals outside of speech",
        "blocks held back",
    ];
    let row = vec![
        streams.into(),
        scores.len().into(),
        words.into(),
        of_words(sum(|figures| figures.flips)),
        of_words(sum(|figures| figures.revised)),
        rate.into(),
        sum(|figures| figures.stray).into(),
        held_back.into(),
    ];
    outcome.table("Conversations", &columns, [row]);
    Ok(())
}

fn of_millis(name: &str, millis: impl Iterator<Item = f64>) -> Result<Distribution> {
    let mut times = histogram();
    millis.for_each(|millis| record(&mut times, (millis * 1e6).max(0.0) as u64));
    Distribution::of(name, &times)
}
