//! The engine's memory: at start, with every further stream, and after much work.

use super::context::Context;
use super::experiment::Experiment;
use super::live::{Deployment, end_segment, open};
use super::outcome::{Cell, Outcome, Role};
use super::process::{self, resident_bytes};
use super::sample::sample_clip;
use crate::bootstrap::median;
use anyhow::{Context as _, Result, ensure};
use serde::{Deserialize, Serialize};
use std::process::Command;
use std::time::Duration;
use voxlane::Event;

pub const EXPERIMENT: Experiment = Experiment {
    name: "memory",
    title: "Resident memory",
    method: "A process of its own starts the engine with so many slots, opens a stream in each, transcribes ten seconds of speech in every one, \
             and then goes on in the first. Resident memory is read from the kernel after each step; it contains the mapped weights as far as they \
             were touched, and the program itself. Growth is from the tenth segment to the last.",
    needs_model: true,
    run,
};

/// What the process measured, in bytes.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Steps {
    before: u64,
    started: u64,
    worked: u64,
    after_ten: u64,
    after_all: u64,
    segments: usize,
}

fn run(context: &Context, outcome: &mut Outcome) -> Result<()> {
    if resident_bytes().is_none() {
        outcome.missing("resident memory: the system does not say");
        return Ok(());
    }
    let slots: &[usize] = context.pick(&[1][..], &[1], &[1, 4, 16, 64], &[1, 4, 16, 64, 256]);
    let segments = context.pick(1usize, 12, 60, 2_000);
    let repeats = context.pick(1usize, 1, 3, 5);
    let mebibytes = |bytes: f64| bytes / f64::from(1 << 20);
    let mut rows = Vec::new();
    for &slots in slots {
        let mut all: Vec<Steps> = Vec::new();
        for _ in 0..repeats {
            let mut command = Command::new(&context.program);
            command.args(["lab", "child", "--model", &context.model, "memory"]);
            command.args(["--slots", &slots.to_string(), "--segments", &segments.to_string()]);
            let ran = process::run(&mut command)?;
            all.push(serde_json::from_str(&ran.output).context("what the process wrote")?);
        }
        let middle =
            |of: fn(&Steps) -> u64| median(&mut all.iter().map(|steps| of(steps) as f64).collect::<Vec<_>>());
        let worked = middle(|steps| steps.worked);
        rows.push(vec![
            Cell::from(slots),
            mebibytes(middle(|steps| steps.before)).into(),
            mebibytes(middle(|steps| steps.started)).into(),
            mebibytes(worked).into(),
            mebibytes(middle(|steps| steps.after_all) - middle(|steps| steps.after_ten)).into(),
            segments.into(),
            repeats.into(),
        ]);
        if slots == 1 {
            outcome.figure("memory/engine with one stream", Some(worked), Role::Memory { budget: BUDGET });
        }
    }
    let columns = [
        "streams",
        "before, MiB",
        "engine started, MiB",
        "every stream used, MiB",
        "growth, MiB",
        "segments",
        "runs (medians)",
    ];
    outcome.table("Resident memory", &columns, rows);
    Ok(())
}

/// What an engine with one stream may use at most in int8.
const BUDGET: u64 = 160 << 20;

/// The work of the process: see the experiment's method.
///
/// # Errors
/// If the engine fails.
pub fn child(context: &Context, slots: usize, segments: usize) -> Result<Steps> {
    ensure!(slots > 0 && segments > 0, "at least one stream and one segment");
    let resident = || resident_bytes().context("the system does not say");
    let before = resident()?;
    let core = context.measured_core();
    let engine =
        Deployment { model: context.model.clone(), core, slots, wait: "park", tables: "" }.start()?;
    let started = resident()?;
    let clip = sample_clip(context)?;
    let mut streams = (0..slots).map(|_| open(&engine)).collect::<Result<Vec<_>>>()?;
    let mut transcribe = |number: usize| -> Result<()> {
        let stream = &mut streams[number];
        stream.push_wait(&clip)?;
        end_segment(stream)?;
        loop {
            match stream.next_timeout(Duration::from_secs(60)).context("the engine says nothing any more")? {
                Event::Final(_) => return Ok(()),
                Event::Error { error, .. } => anyhow::bail!(error),
                _ => {}
            }
        }
    };
    for number in 0..slots {
        transcribe(number)?;
    }
    let worked = resident()?;
    let mut after_ten = worked;
    for number in 0..segments {
        transcribe(0)?;
        if number == 9 {
            after_ten = resident()?;
        }
    }
    Ok(Steps { before, started, worked, after_ten, after_all: resident()?, segments })
}
