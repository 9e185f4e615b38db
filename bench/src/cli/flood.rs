//! `voxlane-bench flood`: finals of live streams, alone and beside a recording that is pushed as fast as it goes.

use super::ModelArgs;
use anyhow::{Result, ensure};
use std::io::{self, Write};
use voxlane::config::LaneConfig;
use voxlane::{Config, Engine};
use voxlane_bench::live::conversation::Conversation;
use voxlane_bench::live::feed::Run;
use voxlane_bench::live::figures::quantile;
use voxlane_bench::live::flood;
use voxlane_bench::recordings::read_samples;
use voxlane_models::layers::linear::Precision;
use voxlane_models::manager;

/// What to measure.
#[derive(Clone, Debug, clap::Args)]
pub struct Args {
    #[command(flatten)]
    model: ModelArgs,
    #[command(flatten)]
    clips: super::ClipArgs,
    /// Number format of the weights
    #[arg(long, value_parser = super::precision, default_value = "int8")]
    precision: Precision,
    /// Live streams
    #[arg(long, default_value_t = 4)]
    streams: usize,
    /// How long one turn of an arm is
    #[arg(long, value_name = "SECONDS", default_value_t = 60.0)]
    turn: f64,
    /// Finals that each arm is to have
    #[arg(long, value_name = "N", default_value_t = 1000)]
    finals: usize,
}

/// Prints the latencies of both arms.
pub fn run(args: &Args) -> Result<()> {
    let clips = args.clips.read()?;
    ensure!(args.streams > 0, "--streams: no stream (expected 1 or more, found 0)");
    args.model.files()?;
    let mut config = Config { model: args.model.model.clone(), precision: args.precision, ..Config::live() };
    for name in config.endpoint.models() {
        manager::fetch(name)?;
    }
    config.lanes = vec![LaneConfig::with_slots(args.streams + 1)];
    let engine = Engine::start(config)?;
    let recording = clips.iter().map(|clip| read_samples(&clip.path)).collect::<Result<Vec<_>>>()?.concat();
    let mut out = io::stdout().lock();
    let (mut arms, mut pushed, mut seed) = ([Vec::new(), Vec::new()], 0.0, 0);
    // Alone and beside the flood by turns, each turn of a pair with the same conversations.
    while arms.iter().any(|arm: &Vec<f64>| arm.len() < args.finals) {
        let mut conversation = |_| {
            seed += 1;
            let mut conversation = Conversation::of(&clips, seed)?;
            conversation.truncate(args.turn);
            Ok(conversation.samples)
        };
        let conversations: Vec<_> = (0..args.streams).map(&mut conversation).collect::<Result<_>>()?;
        let views: Vec<&[i16]> = conversations.iter().map(Vec::as_slice).collect();
        ensure!(views.iter().all(|samples| !samples.is_empty()), "no clip is as short as a turn");
        let is_even = (seed / args.streams as u64).is_multiple_of(2);
        for arm in if is_even { [0, 1] } else { [1, 0] } {
            let (runs, seconds) = flood::run(&engine, &views, (arm == 1).then_some(&recording[..]))?;
            pushed += seconds;
            let late =
                |run: &Run| run.said.iter().filter_map(|said| said.after_endpoint_ms).collect::<Vec<_>>();
            arms[arm].extend(runs.iter().flat_map(late));
        }
    }
    writeln!(out, "endpoint decision → final, ms          p50      p90      p99      max      n")?;
    for (name, values) in ["alone", "beside a recording"].iter().zip(&arms) {
        let cells = [0.5, 0.9, 0.99].map(|q| quantile(values, q).map_or("-".into(), |ms| format!("{ms:.1}")));
        let most = values.iter().copied().fold(0.0, f64::max);
        let [p50, p90, p99] = cells;
        writeln!(out, "{name:<34}{p50:>9}{p90:>9}{p99:>9}{most:>9.1}{:>7}", values.len())?;
    }
    let ratio = |q| quantile(&arms[1], q).zip(quantile(&arms[0], q)).map(|(beside, alone)| beside / alone);
    let text = |q| ratio(q).map_or("-".into(), |ratio| format!("{ratio:.2}"));
    writeln!(
        out,
        "ratio: p50 {}, p90 {}, p99 {}; {:.0} s of recording pushed meanwhile",
        text(0.5),
        text(0.9),
        text(0.99),
        pushed
    )?;
    Ok(())
}
