//! Whole commands, start-up included: what a user waits for.

use super::context::Context;
use super::distribution::{Distribution, SEED, histogram, nanos, record};
use super::experiment::Experiment;
use super::outcome::{Cell, Outcome, Role, Unit};
use super::process::{self, Ran};
use super::sample::sample_clip;
use crate::bootstrap::median_interval;
use crate::recordings::SAMPLE_RATE;
use crate::wav;
use anyhow::{Context as _, Result};
use std::path::{Path, PathBuf};
use std::process::Command;
use voxlane_models::manager;

pub const EXPERIMENT: Experiment = Experiment {
    name: "commands",
    title: "Whole commands, start-up included",
    method: "Each program is started anew, transcribes one recording and ends; everything counts: starting, loading the model, \
             reading the file. Measured are the time to the first byte of text and to the end, and the largest resident memory \
             (pages of mapped files that were touched count). The recordings are two, ten and thirty seconds, made of the one that comes with the model. \
             Programs take turns, first to last and back, after one run each that is thrown away. Other programs are run by the python of --peers, if they are installed there; \
             they may use all cores, as their users' would.",
    needs_model: true,
    run,
};

/// A program, and how it is called with a file.
struct Program {
    name: &'static str,
    command: Box<dyn Fn(&Path) -> Command>,
}

fn run(context: &Context, outcome: &mut Outcome) -> Result<()> {
    let folder = tempfile::tempdir()?;
    let clip = sample_clip(context)?;
    let seconds =
        |count: usize| clip.iter().copied().cycle().take(count * SAMPLE_RATE as usize).collect::<Vec<_>>();
    let lengths: &[usize] = context.pick(&[2][..], &[2, 10], &[2, 10, 30], &[2, 10, 30]);
    let programs = programs(context, outcome)?;
    let mut rows = Vec::new();
    for &length in lengths {
        let file: PathBuf = folder.path().join(format!("{length}.wav"));
        wav::write(&file, &seconds(length))?;
        let runs = take_turns(&programs, &file, context.pick(1, 1, 5, 20), outcome)?;
        let mut members = Vec::new();
        for (program, runs) in programs.iter().zip(&runs) {
            if runs.is_empty() {
                continue;
            }
            let mut walls = histogram();
            runs.iter().for_each(|ran| record(&mut walls, nanos(ran.wall)));
            let wall = Distribution::of(format!("{}, {length} s", program.name), &walls)?;
            let millis = |times: Vec<f64>| (!times.is_empty()).then(|| median_interval(&times, SEED));
            let first =
                millis(runs.iter().filter_map(|ran| Some(ran.first_output?.as_secs_f64() * 1e3)).collect());
            let peak = runs.iter().map(|ran| ran.peak_bytes).max().unwrap_or_default();
            if program.name == OURS && length == 10 {
                outcome.figure("commands/voxlane transcribe, 10 s", wall.p50(), Role::Whole);
                let budget = MEMORY_BUDGET;
                outcome.figure(
                    "commands/voxlane transcribe, memory",
                    Some(peak as f64),
                    Role::Memory { budget },
                );
            }
            rows.push(vec![
                Cell::from(program.name),
                length.into(),
                first.into(),
                wall.median.map(|median| median.scaled(1e-6)).into(),
                (peak as f64 / f64::from(1 << 20)).into(),
                wall.n.into(),
            ]);
            members.push(wall);
        }
        ratios(&programs, &runs, length, outcome);
        outcome.group(&format!("A recording of {length} s: from start to end"), Unit::Milliseconds, members);
    }
    let columns = [
        "program",
        "recording, s",
        "to the first text: median (95 % interval), ms",
        "to the end, ms",
        "largest memory, MiB",
        "n",
    ];
    outcome.table("Whole commands", &columns, rows);
    Ok(())
}

/// Our command's name in tables.
const OURS: &str = "voxlane transcribe";
/// What it may use at most for ten seconds of speech in int8.
const MEMORY_BUDGET: u64 = 160 << 20;

/// The programs that are there; the others are noted as missing.
fn programs(context: &Context, outcome: &mut Outcome) -> Result<Vec<Program>> {
    let mut programs = Vec::new();
    match context.voxlane.clone() {
        Some(voxlane) => {
            let command = move |file: &Path| {
                let mut command = Command::new(&voxlane);
                command.arg("transcribe").arg(file);
                command
            };
            programs.push(Program { name: OURS, command: Box::new(command) });
        }
        None => outcome.missing(
            "voxlane transcribe: there is no voxlane beside this program; cargo build --release makes one",
        ),
    }
    let Some(python) = context.peers.clone() else {
        outcome.missing("other programs: give --peers the python that bench/peers/setup.sh made");
        return Ok(programs);
    };
    let scripts = context.scripts()?;
    let model = manager::fetch(&context.model)?.dir().to_owned();
    // Name, the Python module that it needs, script, and what comes before the file.
    let others: [(&str, &str, &str, Option<PathBuf>); 4] = [
        ("onnxruntime, same weights", "onnxruntime", "moonshine_transcribe.py", Some(model.clone())),
        (
            "useful-moonshine-onnx, same weights",
            "moonshine_onnx",
            "useful_moonshine_transcribe.py",
            Some(model.clone()),
        ),
        ("moonshine-voice", "moonshine_voice", "moonshine_voice_transcribe.py", Some(model)),
        ("faster-whisper (Whisper tiny.en, int8)", "faster_whisper", "faster_whisper_transcribe.py", None),
    ];
    for (name, module, script, folder) in others {
        let (python, script) = (python.clone(), scripts.join(script));
        let found = Command::new(&python)
            .args(["-c", &format!("import {module}")])
            .output()
            .with_context(|| python.display().to_string())?;
        if !found.status.success() {
            outcome.missing(format!("{name}: the python of --peers has no {module}"));
            continue;
        }
        let command = move |file: &Path| {
            let mut command = Command::new(&python);
            command.arg(&script).args(&folder).arg(file);
            command
        };
        programs.push(Program { name, command: Box::new(command) });
    }
    Ok(programs)
}

/// Runs every program `rounds` times in one order and as often in the other. A program that fails is noted and left out.
fn take_turns(
    programs: &[Program],
    file: &Path,
    rounds: usize,
    outcome: &mut Outcome,
) -> Result<Vec<Vec<Ran>>> {
    let mut runs: Vec<Vec<Ran>> = programs.iter().map(|_| Vec::new()).collect();
    let mut failed = vec![false; programs.len()];
    let once: Vec<usize> = (0..programs.len()).collect();
    let there_and_back = || once.iter().copied().chain(once.iter().rev().copied());
    for round in 0..=rounds {
        let order: Vec<usize> = if round == 0 { once.clone() } else { there_and_back().collect() };
        for number in order {
            if failed[number] {
                continue;
            }
            match process::run(&mut (programs[number].command)(file)) {
                Ok(_) if round == 0 => {}
                Ok(ran) => runs[number].push(ran),
                Err(error) if programs[number].name == OURS => return Err(error),
                Err(error) => {
                    failed[number] = true;
                    let last = format!("{error:#}").lines().last().unwrap_or_default().to_owned();
                    outcome.missing(format!("{}: {last}", programs[number].name));
                }
            }
        }
    }
    Ok(runs)
}

/// How many times as long as ours the others take.
fn ratios(programs: &[Program], runs: &[Vec<Ran>], length: usize, outcome: &mut Outcome) {
    let Some(ours) = programs.iter().position(|program| program.name == OURS) else { return };
    for (program, theirs) in programs.iter().zip(runs).filter(|(program, _)| program.name != OURS) {
        let ratios: Vec<f64> = theirs
            .iter()
            .zip(&runs[ours])
            .map(|(own, base)| own.wall.as_secs_f64() / base.wall.as_secs_f64())
            .collect();
        if !ratios.is_empty() {
            let ratio = super::table::cell(&median_interval(&ratios, SEED).into());
            outcome.note(format!(
                "{length} s: {} takes {ratio} times as long as {OURS}, median of {} pairs.",
                program.name,
                ratios.len()
            ));
        }
    }
}
