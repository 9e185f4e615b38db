//! Running experiments and writing their report.

use super::calibration::calibrate;
use super::context::Context;
use super::experiment::Experiment;
use super::experiments::ALL;
use super::machine::{self, Machine};
use super::outcome::{FORMAT, Outcome, Report};
use super::{hlog, html};
use anyhow::{Context as _, Result, bail};
use jiff::Timestamp;
use std::fs::{self, File};
use std::io::{BufWriter, Write};
use std::path::Path;
use std::time::Instant;
use voxlane_models::manager;

/// What to run.
#[derive(Clone, Debug)]
pub struct Options {
    /// How, and with what.
    pub context: Context,
    /// Names of experiments; all if there is none.
    pub only: Vec<String>,
    /// The command as the user gave it, for the report.
    pub command: String,
}

/// Runs experiments one after the other; `progress` hears of each before. One that fails is in the report with its failure,
/// and the others still run.
///
/// # Errors
/// If a name is unknown.
pub fn run(options: &Options, progress: &mut dyn FnMut(&str)) -> Result<Report> {
    let known = |name: &String| ALL.iter().any(|experiment| experiment.name == name);
    if let Some(unknown) = options.only.iter().find(|name| !known(name)) {
        let names: Vec<&str> = ALL.iter().map(|experiment| experiment.name).collect();
        bail!("there is no experiment {unknown}; there are {}", names.join(", "));
    }
    let begun = Instant::now();
    let began = Timestamp::now();
    let mut machine = Machine::read();
    machine.add_load("before");
    let mut experiments = Vec::new();
    for experiment in ALL {
        if options.only.is_empty() || options.only.iter().any(|name| name == experiment.name) {
            progress(experiment.name);
            experiments.push(one(experiment, options));
        }
    }
    machine.add_load("after");
    Ok(Report {
        format: FORMAT,
        version: machine::version(),
        command: options.command.clone(),
        size: options.context.size.name().to_owned(),
        began,
        seconds: begun.elapsed().as_secs_f64(),
        machine,
        experiments,
    })
}

fn one(experiment: &Experiment, options: &Options) -> Outcome {
    let context = &options.context;
    let mut outcome = Outcome {
        name: experiment.name.to_owned(),
        title: experiment.title.to_owned(),
        method: experiment.method.to_owned(),
        command: format!(
            "{} --only {}",
            options.command.replace(&only_arguments(&options.only), ""),
            experiment.name
        ),
        ..Outcome::default()
    };
    let begun = Instant::now();
    let result = calibrate(&context.cores).and_then(|calibration| {
        outcome.calibration = calibration;
        if experiment.needs_model {
            manager::fetch(&context.model)?;
        }
        (experiment.run)(context, &mut outcome)
    });
    outcome.seconds = begun.elapsed().as_secs_f64();
    outcome.failure = result.err().map(|error| format!("{error:#}"));
    outcome
}

fn only_arguments(only: &[String]) -> String {
    if only.is_empty() { "\0".to_owned() } else { format!(" --only {}", only.join(",")) }
}

/// Writes `report.json`, `report.html` and `hlog/NAME.hlog` into a folder, which is made if it is not there.
///
/// # Errors
/// If something cannot be written.
pub fn write(report: &Report, folder: &Path) -> Result<()> {
    let logs = folder.join("hlog");
    fs::create_dir_all(&logs).with_context(|| logs.display().to_string())?;
    let create = |path: &Path| -> Result<BufWriter<File>> {
        Ok(BufWriter::new(File::create(path).with_context(|| path.display().to_string())?))
    };
    let mut json = create(&folder.join("report.json"))?;
    serde_json::to_writer_pretty(&mut json, report)?;
    json.write_all(b"\n")?;
    json.flush()?;
    for outcome in report.experiments.iter().filter(|outcome| !outcome.groups.is_empty()) {
        let mut log = create(&logs.join(format!("{}.hlog", outcome.name)))?;
        hlog::write(outcome, &mut log)?;
        log.flush()?;
    }
    let page = folder.join("report.html");
    fs::write(&page, html::page(report)?).with_context(|| page.display().to_string())
}
