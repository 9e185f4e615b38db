//! `voxlane-bench versions`: whether one build is slower than another.

use anyhow::{Context as _, Result};
use std::io::{self, Write};
use std::path::PathBuf;
use voxlane::config::{DetectorKind, TurnRule};
use voxlane_bench::lab::on_core;
use voxlane_bench::versions::Rounds;
use voxlane_bench::versions::measure::Build;
use voxlane_models::manager;

/// What to compare.
#[derive(Clone, Debug, clap::Args)]
pub struct Args {
    /// Folder with the old voxlane and voxlane-bench
    old: PathBuf,
    /// Folder with the new ones
    new: PathBuf,
    /// Core for all processes
    #[arg(long, default_value_t = 0)]
    core: usize,
    /// Rounds of old, new, new, old
    #[arg(long, default_value_t = 20)]
    rounds: usize,
    /// A recording besides the one that comes with the model: 16-bit mono at 16 kHz
    #[arg(long, value_name = "FILE", default_value = "../shared/speech/dev/audio/8226-274369-0000.flac")]
    clip: PathBuf,
}

/// What the command needs.
const MODELS: [&str; 3] = ["moonshine-tiny", DetectorKind::SILERO_MODEL, TurnRule::SMART_TURN_MODEL];

/// Prints the medians and their ratios.
pub fn run(args: &Args) -> Result<()> {
    let files = manager::fetch(MODELS[0])?;
    let sample = files.sample().context("moonshine-tiny comes with no recording")?.to_path_buf();
    let rows = on_core(args.core, || measure(args, &sample))?;
    let mut out = io::stdout().lock();
    writeln!(out, "core {}, {} rounds of old, new, new, old; medians", args.core, args.rounds)?;
    writeln!(out, "{:<56}{:>10}{:>10}  new/old, 95 % interval", "", "old", "new")?;
    for (name, rounds) in rows {
        let ([old, new], ratio) = (rounds.medians(), rounds.ratio());
        writeln!(
            out,
            "{name:<56}{old:>10.2}{new:>10.2}  {:.3} ({:.3} … {:.3})",
            ratio.estimate, ratio.low, ratio.high
        )?;
    }
    Ok(())
}

/// What is timed, and how.
type Measure<'a> = (&'static str, Box<dyn FnMut(&mut Build) -> Result<f64> + 'a>);

fn measure(args: &Args, sample: &std::path::Path) -> Result<Vec<(&'static str, Rounds)>> {
    let clip = args.clip.as_path();
    let mut builds = [Build::start(&args.old, &MODELS)?, Build::start(&args.new, &MODELS)?];
    let mut measures: [Measure<'_>; 7] = [
        ("utterance in a running engine, the model's sample, ms", Box::new(|build| build.utterance(sample))),
        ("utterance in a running engine, the clip, ms", Box::new(|build| build.utterance(clip))),
        (
            "voxlane transcribe, the sample: audio to text, ms",
            Box::new(|build| Ok(build.transcribe(sample)?.work)),
        ),
        (
            "voxlane transcribe, the clip: audio to text, ms",
            Box::new(|build| Ok(build.transcribe(clip)?.work)),
        ),
        (
            "voxlane transcribe, the clip: start and end, ms",
            Box::new(|build| Ok(build.transcribe(clip)?.rest)),
        ),
        ("chunk of commands, the clip, µs", Box::new(|build| build.chunk(clip))),
        ("voxlane live, the clip: endpoint to final, ms", Box::new(|build| build.live(clip))),
    ];
    let mut rows: Vec<(&str, Rounds)> = measures.iter().map(|(name, _)| (*name, Rounds::default())).collect();
    for (_, measure) in &mut measures {
        // What is loaded and made on first use does not count.
        for build in &mut builds {
            measure(build)?;
        }
    }
    for _ in 0..args.rounds {
        for ((_, measure), (_, rounds)) in measures.iter_mut().zip(&mut rows) {
            rounds.add(|number| measure(&mut builds[number]))?;
        }
    }
    Ok(rows)
}
