//! Other systems on the same recordings.

use super::super::context::Context;
use super::super::distribution::SEED;
use super::super::outcome::{Cell, Outcome};
use crate::bootstrap::{median, median_interval};
use anyhow::{Context as _, Result, ensure};
use serde::Deserialize;
use std::collections::BTreeMap;
use std::process::Command;

/// What `compare.py --json` writes.
#[derive(Deserialize)]
struct Answer {
    /// What is measured → system → recording → milliseconds.
    samples: BTreeMap<String, BTreeMap<String, BTreeMap<String, Vec<f64>>>>,
    /// Systems that could not be run, and why.
    missing: BTreeMap<String, String>,
}

/// Runs `compare.py`, if there is a Python to run it with.
pub fn run(context: &Context, outcome: &mut Outcome) -> Result<()> {
    let Some(python) = &context.peers else {
        outcome.missing("other systems: give --peers the python that bench/peers/setup.sh made");
        return Ok(());
    };
    let file = tempfile::NamedTempFile::new()?;
    let rounds = context.pick(1, 1, 2, 10).to_string();
    let mut command = Command::new(python);
    command
        .arg(context.scripts()?.join("compare.py"))
        .arg(&context.program)
        .args(["--precision", "int8", "--rounds", &rounds])
        .args(["--core", &context.measured_core().to_string()])
        .arg("--dir")
        .arg(&context.clips)
        .arg("--json")
        .arg(file.path());
    if matches!(context.size, super::super::Size::Touch | super::super::Size::Smoke) {
        command.args(["--clips", "LJ001-0001"]);
    }
    let output = command.output().with_context(|| python.display().to_string())?;
    ensure!(output.status.success(), "compare.py: {}", String::from_utf8_lossy(&output.stderr).trim());
    let answer: Answer =
        serde_json::from_slice(&std::fs::read(file.path())?).context("what compare.py wrote")?;
    for (system, why) in answer.missing {
        outcome.missing(format!("{system}: {why}"));
    }
    for (measure, systems) in answer.samples {
        table(&measure, &systems, outcome);
    }
    Ok(())
}

fn table(measure: &str, systems: &BTreeMap<String, BTreeMap<String, Vec<f64>>>, outcome: &mut Outcome) {
    let Some((ours, base)) = systems.iter().find(|(name, _)| name.starts_with("voxlane")) else { return };
    let rows: Vec<Vec<Cell>> = systems
        .iter()
        .map(|(name, clips)| {
            let all: Vec<f64> = clips.values().flatten().copied().collect();
            // The ratio of each recording's medians: recordings differ more than systems do.
            let ratios: Vec<f64> = clips
                .iter()
                .filter_map(|(clip, times)| {
                    Some(median(&mut times.clone()) / median(&mut base.get(clip)?.clone()))
                })
                .collect();
            let ratio = (!ratios.is_empty()).then(|| median_interval(&ratios, SEED));
            vec![
                name.as_str().into(),
                median_interval(&all, SEED).into(),
                ratio.into(),
                all.len().into(),
                clips.len().into(),
            ]
        })
        .collect();
    let columns = [
        "system",
        "median (95 % interval), ms",
        &format!("to {ours}, median over recordings"),
        "n",
        "recordings",
    ];
    outcome.table(&format!("Beside other systems, one thread: {measure}"), &columns, rows);
}
