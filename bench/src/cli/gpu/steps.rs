//! How long a decode step takes against the number of places, and encoding against the length.

use super::{Args, say};
use anyhow::Result;
use std::collections::VecDeque;
use std::time::{Duration, Instant};
use voxlane_models::budget::{Budget, Progress};
use voxlane_models::burn::BurnMoonshine;
use voxlane_models::burn::platform::Platform;
use voxlane_models::fault::Faults;
use voxlane_models::model::{Encoder, FrontEnd, Goal, Model};
use voxlane_models::networks::moonshine::weights::MoonshineWeights;
use voxlane_models::team::Team;

/// Steps that are run before the timed ones.
const UNTIMED: usize = 10;

/// Prints both tables.
pub fn run<B: Platform>(args: &Args, weights: &MoonshineWeights, device: &B::Device) -> Result<()> {
    say(format_args!(
        "\n{:>7} {:>9} {:>9} {:>9} {:>12} {:>10} {:>11} {:>7}",
        "places", "p50 ms", "p90 ms", "max ms", "tokens / s", "GFLOP/s", "MiB / place", "peak"
    ))?;
    for &places in &args.batch {
        let model = BurnMoonshine::<B>::new(weights, device, args.options(places));
        let times = step_times(&model, args);
        let at = |share: f64| times[((times.len() - 1) as f64 * share) as usize].as_secs_f64();
        let mean = times.iter().map(Duration::as_secs_f64).sum::<f64>() / times.len() as f64;
        let gflops = model.step_flops() * places as f64 / mean / 1e9;
        let peak = args.peak_gflops.map_or("-".to_owned(), |peak| format!("{:.1} %", 100.0 * gflops / peak));
        say(format_args!(
            "{places:>7} {:>9.3} {:>9.3} {:>9.3} {:>12.0} {gflops:>10.1} {:>11.1} {peak:>7}",
            at(0.5) * 1e3,
            at(0.9) * 1e3,
            at(1.0) * 1e3,
            places as f64 / mean,
            model.place_bytes() as f64 / f64::from(1 << 20)
        ))?;
    }
    say(format_args!("\n{:>9} {:>12} {:>12}", "audio s", "p50 ms", "max ms"))?;
    let model = BurnMoonshine::<B>::new(weights, device, args.options(1));
    for seconds in [2, 4, 8, 16, 30] {
        let times = encode_times(&model, seconds);
        let ms = |time: &Duration| time.as_secs_f64() * 1e3;
        say(format_args!(
            "{seconds:>9} {:>12.3} {:>12.3}",
            ms(&times[times.len() / 2]),
            ms(&times[times.len() - 1])
        ))?;
    }
    say(format_args!(
        "\nOne read-back of tokens a step and no other synchronization; every step runs all places, taken or not.\n\
         encoding: upload, stem and encoder of one segment, and one read-back to know the end."
    ))
}

/// From one step's tokens on the host to the next one's, with the configured number in flight; sorted.
fn step_times<B: Platform>(model: &BurnMoonshine<B>, args: &Args) -> Vec<Duration> {
    let mut batch = model.new_batch();
    let mut in_flight = VecDeque::new();
    let mut times = Vec::with_capacity(args.steps);
    let mut last = Instant::now();
    for step in 0..args.steps + UNTIMED {
        while in_flight.len() < args.steps_in_flight as usize {
            in_flight.push_back(batch.step());
        }
        if let Some(predictions) = in_flight.pop_front() {
            predictions.wait();
        }
        let now = Instant::now();
        if step >= UNTIMED {
            times.push(now - last);
        }
        last = now;
    }
    times.sort();
    times
}

/// From samples to hidden frames on the device; sorted.
fn encode_times<B: Platform>(model: &BurnMoonshine<B>, seconds: usize) -> Vec<Duration> {
    const TIMES: usize = 11;
    let (mut front_end, mut encoder) = (model.front_end(1), model.encoder(1, Team::alone()));
    let (mut span, budget, mut faults) = (model.span(), Budget::unlimited(), Faults::NONE);
    let samples: Vec<i16> = (0..seconds * 16_000).map(|i| ((i * 7919) % 4001) as i16 - 2000).collect();
    let mut times: Vec<Duration> = (0..TIMES)
        .map(|_| {
            let begun = Instant::now();
            front_end.reset(0);
            front_end.push(0, &samples, &mut faults);
            front_end.begin(0, samples.len(), Goal::Final);
            while front_end.step(&mut span, &budget, &mut faults) == Progress::More {}
            encoder.begin(0, &mut span);
            while encoder.step(&mut span, &budget, &mut faults) == Progress::More {}
            span.wait();
            begun.elapsed()
        })
        .skip(1)
        .collect();
    times.sort();
    times
}
