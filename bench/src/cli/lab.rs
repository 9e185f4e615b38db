//! `voxlane-bench lab`: the latency lab.

use anyhow::{Context as _, Result, bail, ensure};
use clap::{Args as ClapArgs, Subcommand};
use std::io::{self, Write};
use std::path::PathBuf;
use voxlane_bench::lab::compare::Comparison;
use voxlane_bench::lab::outcome::{Outcome, Report};
use voxlane_bench::lab::{ALL, Context, Options, Size, child, gate, run, write};
use voxlane_runtime::host;

/// What to do; without a subcommand experiments are run.
#[derive(Clone, Debug, clap::Args)]
#[command(args_conflicts_with_subcommands = true)]
pub struct Args {
    #[command(subcommand)]
    command: Option<Command>,
    /// Folder for report.html, report.json and hlog/
    #[arg(long, value_name = "FOLDER", default_value = "lab-report")]
    out: PathBuf,
    #[command(flatten)]
    run: RunArgs,
}

#[derive(Clone, Debug, Subcommand)]
enum Command {
    /// Name the experiments
    List,
    /// Print a run as text
    Print {
        /// Its report.json
        report: PathBuf,
    },
    /// Print two runs beside each other
    Compare {
        /// report.json of the one run
        a: PathBuf,
        /// report.json of the other
        b: PathBuf,
        /// Write a page with tables and plots as well
        #[arg(long, value_name = "FILE")]
        html: Option<PathBuf>,
    },
    /// Work of an experiment in a process of its own
    #[command(hide = true)]
    Child {
        #[command(flatten)]
        run: RunArgs,
        #[command(subcommand)]
        work: Work,
    },
    /// Compare with a stored run and fail on regressions
    Gate {
        /// report.json of the baseline
        baseline: PathBuf,
        /// report.json to judge; by default the baseline's experiments are run now
        #[arg(long, value_name = "FILE")]
        report: Option<PathBuf>,
        #[command(flatten)]
        run: RunArgs,
    },
}

/// See [`child::Work`].
#[derive(Clone, Debug, Subcommand)]
enum Work {
    Memory {
        #[arg(long)]
        slots: usize,
        #[arg(long)]
        segments: usize,
    },
    Decode {
        #[arg(long)]
        strategy: String,
        #[arg(long)]
        passes: usize,
    },
}

/// How to run experiments.
#[derive(Clone, Debug, ClapArgs)]
struct RunArgs {
    /// Every experiment, small: one minute
    #[arg(long, conflicts_with = "long")]
    smoke: bool,
    /// With the sample counts that rare cases need: hours
    #[arg(long)]
    long: bool,
    /// A few samples of each, to see that everything runs
    #[arg(long, hide = true, conflicts_with_all = ["smoke", "long"])]
    touch: bool,
    /// Only these experiments
    #[arg(long, value_name = "NAME", value_delimiter = ',')]
    only: Vec<String>,
    #[command(flatten)]
    model: super::ModelArgs,
    /// Folder with a transcripts.tsv and the audio files that it names
    #[arg(long, value_name = "FOLDER", default_value = "../shared/speech/dev")]
    clips: PathBuf,
    /// The python that bench/peers/setup.sh made, for the comparisons with other systems
    #[arg(long, value_name = "PYTHON", env = "VOXLANE_PEERS")]
    peers: Option<PathBuf>,
}

impl RunArgs {
    fn size(&self) -> Size {
        match (self.touch, self.smoke, self.long) {
            (true, ..) => Size::Touch,
            (_, true, _) => Size::Smoke,
            (_, _, true) => Size::Long,
            _ => Size::Full,
        }
    }

    fn options(&self) -> Result<Options> {
        let cores = host::allowed_cores().unwrap_or_default();
        ensure!(!cores.is_empty(), "the system does not say which cores this process may use");
        let program = std::env::current_exe().context("this program's own path")?;
        let voxlane = program.with_file_name(format!("voxlane{}", std::env::consts::EXE_SUFFIX));
        let context = Context {
            size: self.size(),
            cores,
            model: self.model.model.clone(),
            clips: self.clips.clone(),
            peers: self.peers.clone(),
            voxlane: voxlane.is_file().then_some(voxlane),
            program,
        };
        let given: Vec<String> = std::env::args().skip(1).collect();
        let command = format!("cargo run --release -p voxlane-bench -- {}", given.join(" "));
        Ok(Options { context, only: self.only.clone(), command })
    }

    fn run(&self) -> Result<Report> {
        run(&self.options()?, &mut |experiment| {
            // Nobody reads it if standard error is gone too.
            let _ = writeln!(io::stderr(), "{experiment}…");
        })
    }
}

/// Runs experiments, or what the subcommand says.
pub fn run_lab(args: &Args) -> Result<()> {
    let mut out = io::stdout().lock();
    match &args.command {
        None => {
            let report = args.run.run()?;
            write(&report, &args.out)?;
            writeln!(out, "{}", args.out.join("report.html").display())?;
            fail_if_any_failed(&report)
        }
        Some(Command::List) => {
            for experiment in ALL {
                writeln!(out, "{:12} {}", experiment.name, experiment.title)?;
            }
            Ok(())
        }
        Some(Command::Child { run, work }) => {
            let work = match work.clone() {
                Work::Memory { slots, segments } => child::Work::Memory { slots, segments },
                Work::Decode { strategy, passes } => child::Work::Decode { strategy, passes },
            };
            out.write_all(child::run(&run.options()?.context, &work)?.as_bytes())?;
            Ok(())
        }
        Some(Command::Print { report }) => {
            let report = Report::read(report)?;
            write!(out, "{}", voxlane_bench::lab::report_text(&report))?;
            Ok(())
        }
        Some(Command::Compare { a, b, html }) => {
            let (a, b) = (Report::read(a)?, Report::read(b)?);
            let comparison = Comparison::new(&a, &b);
            for table in comparison.tables() {
                writeln!(out, "{}", voxlane_bench::lab::text(&table))?;
            }
            if let Some(file) = html {
                std::fs::write(file, comparison.page()?).with_context(|| file.display().to_string())?;
            }
            Ok(())
        }
        Some(Command::Gate { baseline, report, run }) => {
            let judged = match report {
                Some(path) => gate::judge(&Report::read(baseline)?, &Report::read(path)?),
                None => run_gate(&Report::read(baseline)?, run.clone())?,
            };
            for figure in &judged {
                writeln!(out, "{figure}")?;
            }
            ensure!(!gate::has_failed(&judged), "slower than the baseline");
            Ok(())
        }
    }
}

/// How often an experiment with a failing figure is run before the failure counts.
const GATE_RUNS: usize = 3;

/// Runs what the baseline has figures of, as large as the baseline was, and what fails again.
fn run_gate(baseline: &Report, mut run: RunArgs) -> Result<Vec<gate::Judged>> {
    let has_figures = |outcome: &&Outcome| !outcome.figures.is_empty();
    if run.only.is_empty() {
        run.only =
            baseline.experiments.iter().filter(has_figures).map(|outcome| outcome.name.clone()).collect();
    }
    let mut baseline = baseline.clone();
    baseline.experiments.retain(|outcome| run.only.contains(&outcome.name));
    if run.size() == Size::Full {
        (run.touch, run.smoke, run.long) =
            (baseline.size == "touch", baseline.size == "smoke", baseline.size == "long");
    }
    let report = run.run()?;
    fail_if_any_failed(&report)?;
    let mut judged = gate::judge(&baseline, &report);
    for _ in 1..GATE_RUNS {
        let failed = |name: &String| {
            judged.iter().any(|figure| figure.name == *name && figure.verdict == gate::Verdict::Fail)
        };
        let has_failed = |outcome: &Outcome| outcome.figures.iter().any(|figure| failed(&figure.name));
        run.only = report
            .experiments
            .iter()
            .filter(|outcome| has_failed(outcome))
            .map(|outcome| outcome.name.clone())
            .collect();
        if run.only.is_empty() {
            break;
        }
        judged = gate::better(judged, &gate::judge(&baseline, &run.run()?));
    }
    Ok(judged)
}

fn fail_if_any_failed(report: &Report) -> Result<()> {
    let failures: Vec<String> = report
        .experiments
        .iter()
        .filter_map(|outcome| Some(format!("{}: {}", outcome.name, outcome.failure.as_ref()?)))
        .collect();
    if failures.is_empty() { Ok(()) } else { bail!("{}", failures.join("; ")) }
}
