//! `voxlane-bench limits`: how near the encoder's layers come to the core's arithmetic, and a decode step to its reads.
//! Each pass over the recording takes turns with the loop that it is compared with.

use super::ModelArgs;
use anyhow::{Result, ensure};
use std::io::{self, Write};
use std::path::PathBuf;
use voxlane_bench::ceiling::{self, read_words};
use voxlane_bench::passes::Passes;
use voxlane_bench::recordings::read_samples;
use voxlane_bench::stopwatch::Stopwatch;
use voxlane_models::decode::AttentionGreedy;
use voxlane_models::families;
use voxlane_models::layers::linear::Precision;
use voxlane_models::model::Model;
use voxlane_models::networks::moonshine::config::Config;

/// What to run.
#[derive(Clone, Debug, clap::Args)]
pub struct Args {
    #[command(flatten)]
    model: ModelArgs,
    /// Number format of the weights
    #[arg(long, value_parser = super::precision, default_value = "int8")]
    precision: Precision,
    /// Passes over the recording
    #[arg(long, default_value_t = 30)]
    rounds: usize,
    /// What the times count
    #[arg(long, value_enum, default_value_t)]
    clock: Stopwatch,
    /// The recording, 16-bit mono at 16 kHz
    file: PathBuf,
}

/// Bits of a weight, of one of the output projection, and of a number of a cache.
struct Widths {
    weight: usize,
    output: usize,
    cached: usize,
}

fn widths(precision: Precision) -> Widths {
    match precision {
        Precision::F32 => Widths { weight: 32, output: 32, cached: 32 },
        _ => Widths { weight: 8, output: 6, cached: 16 },
    }
}

/// Operations of the encoder's layers, a multiplication with its addition counting as two: the products with weights, and
/// those of the attention.
fn encoder_operations(config: &Config, frames: usize) -> usize {
    let (hidden, mlp) = (config.sizes.hidden, config.sizes.encoder_mlp);
    let weights = hidden * (4 * hidden + 2 * mlp);
    2 * config.encoder_layers * frames * (weights + 2 * frames * hidden)
}

/// Bytes that the step of the token after `position` others reads: weights, and cached keys and values. Norms, scales and
/// the few exact rows of a short list are left out.
fn step_bytes(config: &Config, widths: &Widths, frames: usize, position: usize) -> usize {
    let (hidden, mlp) = (config.sizes.hidden, config.sizes.decoder_mlp);
    let weights = hidden * (6 * hidden + 3 * mlp);
    let cached = 2 * hidden * (frames + position + 1);
    let output = config.sizes.vocabulary * hidden;
    let bits =
        config.decoder_layers * (weights * widths.weight + cached * widths.cached) + output * widths.output;
    bits / 8
}

fn median(mut samples: Vec<f64>) -> f64 {
    samples.sort_by(f64::total_cmp);
    samples[samples.len() / 2]
}

/// Prints both shares.
pub fn run(args: &Args) -> Result<()> {
    ensure!(args.rounds > 0, "at least one round");
    let mut note = |note: &str| {
        // Nobody reads it if standard error is gone too.
        let _ = writeln!(io::stderr(), "voxlane-bench: {note}");
    };
    let files = args.model.files()?;
    let (model, _) = families::prepare_moonshine::<AttentionGreedy>(&files, args.precision, &mut note)?;
    let (config, samples) = (model.config(), read_samples(&args.file)?);
    ensure!(
        samples.len() <= model.info().limits.max_segment_samples,
        "the recording is longer than a segment"
    );
    let frames = config.stem_frames(samples.len())[2];
    let mut passes = Passes::new(&model);
    let steps = passes.run(&samples, args.clock).predictions() - 1;
    ensure!(steps > 0, "nothing is said in the recording");

    let widths = widths(args.precision);
    let bytes = step_bytes(config, &widths, frames, steps / 2);
    let set = vec![1u64; bytes / size_of::<u64>()];
    let seconds = |work: &mut dyn FnMut()| {
        let start = args.clock.now();
        work();
        (args.clock.now() - start).as_secs_f64()
    };
    let (mut layers, mut step, mut reads, mut peaks) = (vec![], vec![], vec![], vec![]);
    for _ in 0..args.rounds {
        let pass = passes.run(&samples, args.clock);
        layers.push(pass.encoder.as_secs_f64());
        step.push(pass.other_tokens.as_secs_f64() / steps as f64);
        reads.push(seconds(&mut || (0..steps).for_each(|_| read_words(&set))) / steps as f64);
        peaks.push(match args.precision {
            Precision::Int8 => ceiling::i8_rate(args.clock),
            _ => ceiling::f32_rate(args.clock),
        });
    }

    let mut out = io::stdout().lock();
    let operations = encoder_operations(config, frames) as f64;
    let (layers, peak) = (median(layers), median(peaks));
    writeln!(out, "{frames} frames, {steps} steps, {} rounds, {:?} time, medians", args.rounds, args.clock)?;
    writeln!(
        out,
        "encoder layers: {:.2} G operations in {:.2} ms: {:.0} G/s of {:.0} G/s, {:.0} %",
        operations / 1e9,
        layers * 1e3,
        operations / layers / 1e9,
        peak / 1e9,
        100.0 * operations / layers / peak
    )?;
    let (step, reads) = (median(step), median(reads));
    writeln!(
        out,
        "decode step: {:.1} MB in {:.3} ms: {:.1} GB/s of {:.1} GB/s, {:.0} %",
        bytes as f64 / 1e6,
        step * 1e3,
        bytes as f64 / step / 1e9,
        bytes as f64 / reads / 1e9,
        100.0 * reads / step
    )?;
    Ok(())
}
