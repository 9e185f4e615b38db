//! The engine's own warming, through its public interface.

use super::super::context::Context;
use super::super::distribution::{Distribution, SEED, histogram, record};
use super::super::live::{Deployment, Lane};
use super::super::open_loop::OpenLoop;
use super::super::outcome::{Cell, Outcome, Role, Unit};
use super::super::pin::on_core;
use super::super::sample::short_clip;
use crate::bootstrap::median_interval;
use anyhow::Result;
use std::time::Duration;
use voxlane::Clock;

/// A way to set the engine up.
struct Setting {
    name: &'static str,
    deployment: Deployment,
}

fn settings(context: &Context) -> Vec<Setting> {
    let with = |name, wait, tables| {
        let (model, core) = (context.model.clone(), context.measured_core());
        Setting { name, deployment: Deployment { model, core, slots: 1, wait, tables } }
    };
    vec![
        with("off, threads park", "park", "[warm]\nenabled = false"),
        with("off, threads spin", "spin", "[warm]\nenabled = false"),
        with("on as by default, threads park", "park", ""),
        with("on as by default, threads spin", "spin", ""),
        with("on after 1 ms, without duty limit, threads spin", "spin", "[warm]\nafter_ms = 1\nduty = 1.0"),
    ]
}

/// Gaps, and how many segments are heard after each in one round.
fn gaps(context: &Context) -> Vec<(Duration, usize)> {
    let gap = |millis, count| (Duration::from_millis(millis), count);
    vec![
        gap(0, context.pick(2, 4, 30, 200)),
        gap(100, context.pick(1, 2, 20, 100)),
        gap(1000, context.pick(0, 0, 5, 20)),
    ]
}

/// The first segment after a gap.
pub fn after_gaps(context: &Context, outcome: &mut Outcome) -> Result<()> {
    let samples = short_clip(context)?;
    let (settings, clock, gaps) = (settings(context), Clock::new(), gaps(context));
    let rounds = context.pick(1, 2, 10, 10);
    let mut times = vec![vec![histogram(); gaps.len()]; settings.len()];
    // Medians of each round.
    let mut medians = vec![vec![Vec::new(); gaps.len()]; settings.len()];
    for round in 0..rounds {
        for turn in 0..settings.len() {
            let number = if round % 2 == 0 { turn } else { settings.len() - 1 - turn };
            // Started by a thread that is not pinned: the placement follows the affinity mask.
            let mut lane = Lane::start(&settings[number].deployment, &clock)?;
            on_core(context.generator_core(), || {
                lane.segment(&samples, clock.now())?;
                for (place, &(gap, count)) in gaps.iter().enumerate() {
                    let mut own = histogram();
                    for _ in 0..count {
                        let due = OpenLoop::new(&clock, gap).wait();
                        record(&mut own, lane.segment(&samples, due)?);
                    }
                    medians[number][place].push(own.value_at_quantile(0.5) as f64);
                    times[number][place].add(own)?;
                }
                Ok(())
            })?;
        }
    }
    // The setting without warming and without sleep varies least.
    let steady = Distribution::of("", &times[1][0])?;
    outcome.figure("engine/half a second of speech", steady.p50(), Role::Whole);
    let mut rows = Vec::new();
    for (place, &(gap, count)) in gaps.iter().enumerate().filter(|(_, (_, count))| *count > 0) {
        let named = settings.iter().zip(&times);
        let members: Vec<Distribution> = named
            .map(|(setting, times)| Distribution::of(setting.name, &times[place]))
            .collect::<Result<_>>()?;
        let title = if gap.is_zero() {
            "The engine, half a second of speech, no gap".into()
        } else {
            format!("The engine, half a second of speech after {gap:?}")
        };
        outcome.group(&title, Unit::Milliseconds, members);
        for (setting, medians) in settings.iter().zip(&medians).filter(|_| !gap.is_zero()) {
            let ratios: Vec<f64> =
                medians[place].iter().zip(&medians[0]).map(|(own, steady)| own / steady).collect();
            let ratio = median_interval(&ratios, SEED);
            if setting.name.starts_with("on") {
                let goal = format!("the engine after {gap:?}, warming {}: p50 to no gap", setting.name);
                outcome.goal(goal, Some(ratio.estimate), 1.15);
            }
            rows.push(vec![
                Cell::from(format!("{gap:?}")),
                Cell::from(setting.name),
                ratio.into(),
                (count * rounds).into(),
            ]);
        }
    }
    outcome.table(
        "The first segment after a gap",
        &["gap", "warming", "p50 to no gap, of the same round", "n"],
        rows,
    );
    Ok(())
}

/// What warming costs a lane under load.
pub fn loaded(context: &Context, outcome: &mut Outcome) -> Result<()> {
    const HOP: Duration = Duration::from_millis(25);
    let (samples, clock) = (short_clip(context)?, Clock::new());
    let settings: Vec<Setting> =
        settings(context).into_iter().filter(|setting| setting.name.ends_with("spin")).collect();
    let rounds = context.pick(1, 2, 4, 20);
    let count = context.pick(2, 12, 250, 1_000);
    let mut times = vec![histogram(); settings.len()];
    let mut closed = times.clone();
    let mut medians = vec![Vec::new(); settings.len()];
    for round in 0..rounds {
        for turn in 0..settings.len() {
            let number = if round % 2 == 0 { turn } else { settings.len() - 1 - turn };
            let mut lane = Lane::start(&settings[number].deployment, &clock)?;
            let mut own = histogram();
            on_core(context.generator_core(), || {
                lane.segment(&samples, clock.now())?;
                let mut generator = OpenLoop::new(&clock, HOP);
                for _ in 0..count {
                    let (due, late) = (generator.wait(), clock.now());
                    let took = lane.segment(&samples, due)?;
                    record(&mut own, took);
                    // What a measurement would say that counts from when it sends.
                    record(&mut closed[number], took.saturating_sub(late.nanos_since(due)));
                }
                Ok(())
            })?;
            medians[number].push(own.value_at_quantile(0.5) as f64);
            times[number].add(own)?;
        }
    }
    let mut members = Vec::new();
    let mut rows = Vec::new();
    for (number, setting) in settings.iter().enumerate() {
        let ratios: Vec<f64> = medians[number].iter().zip(&medians[0]).map(|(own, off)| own / off).collect();
        let ratio = median_interval(&ratios, SEED);
        let member = Distribution::of(setting.name, &times[number])?;
        let p99 = member.quantile("p99").map(|own| own as f64 / times[0].value_at_quantile(0.99) as f64);
        if setting.name.starts_with("on as by default") {
            outcome.goal("a loaded lane with warming, p50 to without", Some(ratio.estimate), 1.02);
            outcome.goal("a loaded lane with warming, p99 to without", p99, 1.10);
        }
        rows.push(vec![Cell::from(setting.name), ratio.into(), p99.into(), member.n.into()]);
        members.push(member);
        members.push(Distribution::of(
            format!("{}; counted from when it was sent", setting.name),
            &closed[number],
        )?);
    }
    outcome.group("A loaded lane: half a second of speech every 25 ms", Unit::Milliseconds, members);
    outcome.table(
        "What warming costs a loaded lane",
        &["warming", "p50 to off, of the same round", "p99 to off", "n"],
        rows,
    );
    Ok(())
}
