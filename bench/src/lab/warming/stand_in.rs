//! The model's parts on one thread, with everything between two pieces of work under control.

use super::super::context::{Context, Size};
use super::super::distribution::{Distribution, histogram, record};
use super::super::outcome::{Cell, Outcome, Unit};
use super::super::pin::on_core;
use super::super::sample::short_clip;
use super::arms::{Arm, Bench, Eviction, Mode};
use super::small::network;
use anyhow::Result;
use hdrhistogram::Histogram;
use std::time::Duration;
use voxlane_models::decode::AttentionGreedy;
use voxlane_models::families;
use voxlane_models::families::moonshine::Moonshine;
use voxlane_models::layers::linear::Precision;
use voxlane_models::manager;

/// An arm with what it took.
struct Measured {
    arm: Arm,
    first_frame: Histogram<u64>,
    all: Histogram<u64>,
}

/// How many samples an arm gets.
fn count(context: &Context, gap: Duration, eviction: Eviction) -> usize {
    let millis = gap.as_millis();
    let pick = |touch, smoke, full, long| context.pick(touch, smoke, full, long);
    match millis {
        0 => pick(4, 60, 1_000, 4_000),
        1 => pick(2, 24, 1_000, 2_000),
        10 => pick(2, 12, 300, 1_000),
        100 => pick(0, 3, if eviction == Eviction::OtherCore { 0 } else { 100 }, 1_000),
        1_000 => pick(0, 0, if eviction == Eviction::OtherCore { 0 } else { 8 }, 200),
        _ => pick(0, 0, 0, 20),
    }
}

/// See the experiment's method.
pub fn run(context: &Context, outcome: &mut Outcome) -> Result<()> {
    let [generator_core, core] = context.two_cores()?;
    let files = manager::fetch(&context.model)?;
    let (model, _): (Moonshine<AttentionGreedy>, _) =
        families::prepare_moonshine(&files, Precision::Int8, &mut |_| {})?;
    let mut bench = Bench::new(&model, &network(Precision::Int8), short_clip(context)?);

    let steady = Arm { mode: Mode::Spin, eviction: Eviction::None, gap: Duration::ZERO };
    let mut arms = vec![steady];
    for gap in [1, 10, 100, 1_000, 10_000].map(Duration::from_millis) {
        for eviction in Eviction::ALL {
            arms.extend(Mode::ALL.map(|mode| Arm { mode, eviction, gap }));
        }
    }
    let left_out = arms.iter().any(|arm| count(context, arm.gap, arm.eviction) == 0);
    arms.retain(|arm| count(context, arm.gap, arm.eviction) > 0);
    let mut measured: Vec<Measured> =
        arms.into_iter().map(|arm| Measured { arm, first_frame: histogram(), all: histogram() }).collect();

    let rounds = context.pick(1, 2, 4, 10);
    on_core(generator_core, || {
        for round in 0..rounds {
            let mut order: Vec<usize> = (0..measured.len()).collect();
            if round % 2 == 1 {
                order.reverse();
            }
            for number in order {
                let Measured { arm, first_frame, all } = &mut measured[number];
                let block = count(context, arm.gap, arm.eviction).div_ceil(rounds);
                bench.run(*arm, block, core, &mut |sample| {
                    record(first_frame, sample.first_frame);
                    record(all, sample.all);
                })?;
            }
        }
        Ok(())
    })?;
    if left_out && context.size != Size::Long {
        outcome.missing(
            "gaps of 10 s, and of 100 ms and 1 s with another core streaming: their counts need --long",
        );
    }
    report(&measured, outcome)
}

fn report(measured: &[Measured], outcome: &mut Outcome) -> Result<()> {
    let name = |arm: &Arm| {
        if arm.gap.is_zero() {
            "steady, no gap".to_owned()
        } else {
            format!("{:?}, {}, {}", arm.gap, arm.eviction.name(), arm.mode.name())
        }
    };
    let steady = &measured[0];
    for eviction in [Eviction::None, Eviction::SameCore] {
        let gap = Duration::from_millis(10);
        let chosen = |arm: &Arm| arm.gap.is_zero() || (arm.gap == gap && arm.eviction == eviction);
        let members = measured
            .iter()
            .filter(|measured| chosen(&measured.arm))
            .map(|measured| Distribution::of(name(&measured.arm), &measured.all))
            .collect::<Result<Vec<_>>>()?;
        outcome.group(
            &format!("Half a second of speech after {gap:?}, {}", eviction.name()),
            Unit::Milliseconds,
            members,
        );
    }
    for (title, which) in [
        (
            "Half a second of speech after a gap",
            (|measured| &measured.all) as fn(&Measured) -> &Histogram<u64>,
        ),
        ("The first frame of 20 ms after a gap, in the front end", |measured| &measured.first_frame),
    ] {
        let base = Distribution::of("steady", which(steady))?;
        let mut rows = Vec::new();
        for measured in measured {
            let times = Distribution::of(name(&measured.arm), which(measured))?;
            let micros =
                |quantile: &str| Cell::from(times.quantile(quantile).map(|nanos| nanos as f64 / 1e3));
            let ratio = |quantile: &str| {
                Cell::from(
                    times
                        .quantile(quantile)
                        .zip(base.quantile(quantile))
                        .map(|(own, base)| own as f64 / base as f64),
                )
            };
            rows.push(vec![
                times.name.as_str().into(),
                times.median.map(|median| median.scaled(1e-3)).into(),
                micros("p90"),
                micros("p99"),
                ratio("p50"),
                ratio("p90"),
                ratio("p99"),
                times.n.into(),
            ]);
        }
        let columns = [
            "gap, eviction, warming",
            "median (95 % interval), µs",
            "p90, µs",
            "p99, µs",
            "to steady, p50",
            "p90",
            "p99",
            "n",
        ];
        outcome.table(title, &columns, rows);
    }
    goals(measured, outcome)
}

fn goals(measured: &[Measured], outcome: &mut Outcome) -> Result<()> {
    let steady = Distribution::of("steady", &measured[0].all)?;
    let find = |millis: u64, eviction, mode| -> Result<Option<Distribution>> {
        let gap = Duration::from_millis(millis);
        let found = measured.iter().find(|measured| {
            let arm = measured.arm;
            arm.gap == gap && arm.eviction == eviction && arm.mode == mode
        });
        found.map(|measured| Distribution::of("", &measured.all)).transpose()
    };
    for millis in [100, 1_000] {
        for quantile in ["p50", "p90"] {
            let full = find(millis, Eviction::None, Mode::Full)?;
            let ratio = full
                .and_then(|full| Some(full.quantile(quantile)? as f64 / steady.quantile(quantile)? as f64));
            outcome.goal(
                format!("first work after {millis} ms with full warming, {quantile} to steady (parts)"),
                ratio,
                1.15,
            );
        }
    }
    for millis in [10, 100, 1_000] {
        for eviction in [Eviction::None, Eviction::SameCore] {
            let (off, full) = (find(millis, eviction, Mode::Off)?, find(millis, eviction, Mode::Full)?);
            let ratio = off.zip(full).and_then(|(off, full)| Some((off.p50()? / full.p50()?, off.n)));
            // A few samples say nothing.
            if let Some((ratio, n)) = ratio.filter(|(_, n)| *n >= 8) {
                let verdict = if ratio >= 1.3 {
                    "warming wins by 1.3 or more"
                } else if ratio > 1.0 {
                    "warming wins by less than 1.3"
                } else {
                    "warming does not help"
                };
                outcome.note(format!(
                    "After {millis} ms, {}: median without warming is {ratio:.2} times that with full warming (n {n}): {verdict}.",
                    eviction.name()
                ));
            }
        }
    }
    Ok(())
}
