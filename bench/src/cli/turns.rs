//! `voxlane-bench turns`: how soon and how rightly rules say that a speaker has finished.

use super::ModelArgs;
use anyhow::{Context, Result, ensure};
use std::io::{self, Write};
use std::path::PathBuf;
use voxlane::Config;
use voxlane::config::{EndpointConfig, TurnRule};
use voxlane_bench::live::conversation::speech;
use voxlane_bench::live::figures::quantile;
use voxlane_bench::live::replay::Replay;
use voxlane_bench::recordings::{SAMPLE_RATE, read_samples};
use voxlane_models::manager;

/// What to measure.
#[derive(Clone, Debug, clap::Args)]
pub struct Args {
    #[command(flatten)]
    model: ModelArgs,
    /// Folder that `bench/peers/turn_set.py` has made
    folder: PathBuf,
    /// Which half of the sentences: `choose` by one, `report` the other
    #[arg(long, default_value = "report")]
    half: String,
    /// Further rules, as `NAME:silence_ms,silence_max_ms,turn_threshold,text_threshold`, with NAME one of the `turn` rules
    #[arg(long, value_name = "RULE")]
    rule: Vec<String>,
}

/// A sentence, or what is left of it before one of its pauses.
struct Turn {
    samples: Vec<i16>,
    is_whole: bool,
    /// Where speech ends by loudness, in seconds.
    end: f64,
}

/// What a rule does.
#[derive(Default)]
struct Figures {
    /// Sentences that were cut and called finished: ended before the long wait.
    false_ends: usize,
    cut: usize,
    /// Ends within whole sentences.
    inner_ends: usize,
    /// Whole sentences that waited longer than the short wait.
    missed_ends: usize,
    whole: usize,
    /// From the end of speech to the decision, of whole sentences, in milliseconds.
    delays: Vec<f64>,
}

/// Prints a line for each rule.
pub fn run(args: &Args) -> Result<()> {
    args.model.files()?;
    for name in Config::live().endpoint.models() {
        manager::fetch(name)?;
    }
    let turns = read(args)?;
    let base = Config::live().endpoint;
    let silence =
        |ms| EndpointConfig { turn: TurnRule::Off, silence_ms: ms, trail_ms: base.trail_ms.min(ms), ..base };
    let asked = |turn| EndpointConfig { turn, ..base };
    let mut rules = vec![
        ("silence 300".to_owned(), silence(300)),
        ("silence 750".to_owned(), EndpointConfig { silence_without_speech_ms: 750, ..silence(750) }),
        ("default".to_owned(), base),
        ("text".to_owned(), asked(TurnRule::Text)),
        ("audio".to_owned(), asked(TurnRule::Audio)),
        ("both".to_owned(), asked(TurnRule::Both)),
    ];
    for text in &args.rule {
        rules.push((text.clone(), parse(text, base)?));
    }
    let engine =
        Config { model: args.model.model.clone(), endpoint: asked(TurnRule::Both), ..Config::live() };
    let replay = Replay::start(&engine)?;
    let mut out = io::stdout().lock();
    writeln!(
        out,
        "{:<28}{:>14}{:>16}{:>14}{:>10}{:>10}",
        "rule", "cut: ended", "whole: ended in", "whole: late", "p50 ms", "p90 ms"
    )?;
    for (name, rules) in rules {
        let figures = figures(&replay, &turns, rules)?;
        let Figures { false_ends, cut, inner_ends, missed_ends, whole, delays } = &figures;
        let at = |q| quantile(delays, q).unwrap_or(f64::NAN);
        writeln!(
            out,
            "{name:<28}{:>14}{inner_ends:>16}{:>14}{:>10.0}{:>10.0}",
            format!("{false_ends} of {cut}"),
            format!("{missed_ends} of {whole}"),
            at(0.5),
            at(0.9)
        )?;
    }
    Ok(())
}

fn read(args: &Args) -> Result<Vec<Turn>> {
    let file = args.folder.join("turns.tsv");
    let text = std::fs::read_to_string(&file).with_context(|| file.display().to_string())?;
    let mut turns = Vec::new();
    for line in text.lines().skip(1) {
        let fields: Vec<&str> = line.split('\t').collect();
        ensure!(fields.len() == 4, "{}: a line has {} fields (expected 4)", file.display(), fields.len());
        if fields[3] == args.half {
            let samples = read_samples(&args.folder.join(fields[1]))?;
            let end = speech(&samples).1 as f64 / f64::from(SAMPLE_RATE);
            turns.push(Turn { samples, is_whole: fields[2] == "end", end });
        }
    }
    ensure!(!turns.is_empty(), "{}: no turn of the half \"{}\"", file.display(), args.half);
    Ok(turns)
}

fn parse(text: &str, base: EndpointConfig) -> Result<EndpointConfig> {
    let rule = || -> Option<EndpointConfig> {
        let (name, numbers) = text.split_once(':')?;
        let all = [TurnRule::Off, TurnRule::Text, TurnRule::Audio, TurnRule::Both];
        let turn = all.into_iter().find(|rule| rule.name() == name)?;
        let [silence, most, turn_threshold, text_threshold] = numbers.split(',').collect::<Vec<_>>()[..]
        else {
            return None;
        };
        Some(EndpointConfig {
            turn,
            silence_ms: silence.parse().ok()?,
            silence_max_ms: most.parse().ok()?,
            turn_threshold: turn_threshold.parse().ok()?,
            text_threshold: text_threshold.parse().ok()?,
            ..base
        })
    };
    rule().with_context(|| format!("{text}: no rule (expected NAME:silence,silence_max,turn,text)"))
}

fn figures(replay: &Replay, turns: &[Turn], rules: EndpointConfig) -> Result<Figures> {
    let mut figures = Figures::default();
    let short = f64::from(rules.silence_ms) + 40.0;
    for turn in turns {
        let said = replay.run(&turn.samples, rules)?;
        let Some(last) = said.ends.last() else { continue };
        let waited = 1e3 * (last.decided - last.speech);
        if turn.is_whole {
            figures.whole += 1;
            figures.inner_ends += said.ends.len() - 1;
            figures.missed_ends += usize::from(waited > short);
            figures.delays.push(1e3 * (last.decided - turn.end));
        } else {
            figures.cut += 1;
            figures.false_ends += usize::from(waited <= short && rules.silence_ms < 500);
        }
    }
    Ok(figures)
}
