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

/// The first segment after a gap.
pub fn after_gaps(context: &Context, outcome: &mut Outcome) -> Result<()> {
    let samples = short_clip(context)?;
    let (settings, clock) = (settings(context), Clock::new());
    let mut without_gap = Vec::new();
    for (gap, count) in [
        (Duration::ZERO, context.pick(2usize, 10, 300, 2_000)),
        (Duration::from_millis(100), context.pick(1, 3, 40, 1_000)),
        (Duration::from_secs(1), context.pick(0, 0, 6, 200)),
    ] {
        if count == 0 {
            continue;
        }
        let rounds = context.pick(1, 1, 2, 10);
        let mut times = vec![histogram(); settings.len()];
        for _ in 0..rounds {
            for (setting, times) in settings.iter().zip(&mut times) {
                // Started by a thread that is not pinned: the placement follows the affinity mask.
                let mut lane = Lane::start(&setting.deployment, &clock)?;
                on_core(context.generator_core(), || {
                    lane.segment(&samples, clock.now())?;
                    for _ in 0..count.div_ceil(rounds) {
                        let due = OpenLoop::new(&clock, gap).wait();
                        record(times, lane.segment(&samples, due)?);
                    }
                    Ok(())
                })?;
            }
        }
        if gap.is_zero() {
            // The setting without warming and without sleep varies least.
            let steady = Distribution::of("", &times[1])?;
            outcome.figure("engine/half a second of speech", steady.p50(), Role::Whole);
        }
        let named = settings.iter().zip(&times);
        let members: Vec<Distribution> =
            named.map(|(setting, times)| Distribution::of(setting.name, times)).collect::<Result<_>>()?;
        if gap.is_zero() {
            without_gap.clone_from(&members);
        }
        let warmed = |pair: &(&Distribution, &Distribution)| !gap.is_zero() && pair.0.name.starts_with("on");
        for (own, steady) in members.iter().zip(&without_gap).filter(warmed) {
            let ratio = own.p50().zip(steady.p50()).map(|(own, steady)| own / steady);
            outcome.goal(
                format!("the engine after {gap:?}, warming {}: p50 to no gap", own.name),
                ratio,
                1.15,
            );
        }
        let title = if gap.is_zero() {
            "The engine, half a second of speech, no gap".into()
        } else {
            format!("The engine, half a second of speech after {gap:?}")
        };
        outcome.group(&title, Unit::Milliseconds, members);
    }
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
