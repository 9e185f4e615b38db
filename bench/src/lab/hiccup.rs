//! What the machine itself does to tails: a thread that only reads the clock.

use super::context::Context;
use super::distribution::{Distribution, histogram, record};
use super::experiment::Experiment;
use super::open_loop::OpenLoop;
use super::outcome::{Cell, Outcome, Unit};
use super::pin::on_core;
use anyhow::Result;
use std::time::Duration;
use voxlane::Clock;

/// Shorter gaps between two readings of the clock are no hiccups.
const SHORTEST_NANOS: u64 = 10_000;

pub const EXPERIMENT: Experiment = Experiment {
    name: "hiccup",
    title: "What the machine does to a thread that never stops",
    method: "On each core a pinned thread does nothing but read the clock, one core at a time. The distance between \
             two readings is tens of nanoseconds; where it is more, something else had the core: an interrupt, the \
             scheduler, the hypervisor. Every tail in this report contains these gaps, and no design of ours can be \
             better than they are. Below, the open-loop generator alone: how late it is itself at the hops that other \
             experiments use. A run whose generator is late by more than 5 % of its hop at p99.9 is void.",
    needs_model: false,
    run,
};

fn run(context: &Context, outcome: &mut Outcome) -> Result<()> {
    let watch = Duration::from_millis(context.pick(20, 500, 4_000, 60_000));
    let (mut gaps, mut rows) = (Vec::new(), Vec::new());
    for &core in &context.cores {
        let (readings, lost) = on_core(core, || Ok(watch_core(watch)))?;
        let hiccups = readings.len() - readings.count_between(0, SHORTEST_NANOS);
        rows.push(vec![
            Cell::from(core),
            readings.len().into(),
            hiccups.into(),
            (hiccups as f64 / watch.as_secs_f64()).into(),
            (readings.max() as f64 / 1e3).into(),
            (100.0 * lost).into(),
        ]);
        gaps.push(Distribution::of(format!("core {core}"), &readings)?);
    }
    outcome.group("Distance of two readings of the clock", Unit::Nanoseconds, gaps);
    let columns =
        ["core", "readings", "gaps > 10 µs", "of these a second", "longest, µs", "time lost to them, %"];
    outcome.table("Hiccups", &columns, rows);

    let mut lags = Vec::new();
    for (hop, count) in [
        (Duration::from_millis(20), context.pick(5, 50, 500, 10_000)),
        (Duration::from_millis(1), context.pick(50, 500, 10_000, 100_000)),
        (Duration::from_micros(100), context.pick(200, 5_000, 20_000, 200_000)),
    ] {
        let lag = on_core(context.generator_core(), || {
            let mut generator = OpenLoop::new(&Clock::new(), hop);
            (0..count).for_each(|_| {
                generator.wait();
            });
            Ok(generator.finish())
        })?;
        lags.push(lag.report(&format!("hop {hop:?}"), outcome)?);
    }
    outcome.group("Lag of the open-loop generator alone", Unit::Nanoseconds, lags);
    Ok(())
}

/// The distances of the readings, and the share of the time that went in hiccups.
fn watch_core(watch: Duration) -> (hdrhistogram::Histogram<u64>, f64) {
    let (clock, mut gaps, mut lost) = (Clock::new(), histogram(), 0);
    let begun = clock.now();
    let mut last = begun;
    while last.since(begun) < watch {
        // Recording is not between the two readings.
        let (from, to) = (clock.now(), clock.now());
        let gap = to.nanos_since(from);
        // A gap between pairs counts as well.
        let pause = from.nanos_since(last);
        for gap in [gap, pause] {
            if gap > SHORTEST_NANOS {
                lost += gap;
            }
        }
        record(&mut gaps, gap);
        if pause > SHORTEST_NANOS {
            record(&mut gaps, pause);
        }
        last = to;
    }
    (gaps, lost as f64 / last.nanos_since(begun) as f64)
}
