//! The `voxlane` command: transcribes recordings, serves clients, looks after models, checks configurations and hosts. One file a
//! subcommand.

mod arguments;
mod config;
mod doctor;
mod failure;
mod hotwords;
mod live;
mod models;
mod serve;
mod signal;
mod signals;
mod text;
mod transcribe;

use clap::{Parser, Subcommand};
use failure::Failure;
use std::io::{self, BufWriter, Write};
use std::process::ExitCode;
use std::time::Duration;
use tracing_subscriber::EnvFilter;
use voxlane_kernels::isa;
use voxlane_server::operation::log::{self, Log};

/// The engine allocates nothing while it runs; loading, files and results do.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

/// The variable that says what is logged: `error`, `warn`, `info`, `debug`, `trace`, or a filter such as
/// `voxlane_runtime::supervisor=debug`.
const LOG_VARIABLE: &str = "VOXLANE_LOG";

/// Speech to text with a latency that can be written into a contract.
#[derive(Debug, Parser)]
#[command(
    name = "voxlane",
    version,
    after_help = "Exit codes: 0 ok, 1 some input was bad, 2 usage or configuration, 3 the model is missing or \
                  corrupt, 4 an engine fault; 130, 143 or 129 if SIGINT, SIGTERM or SIGHUP ended it; `serve` ends with 0 on SIGINT and SIGTERM.\nVOXLANE_LOG sets what is logged, VOXLANE_ISA forces an \
                  instruction set, VOXLANE_CACHE moves the model cache."
)]
#[command(args_conflicts_with_subcommands = true, subcommand_required = false, arg_required_else_help = true)]
struct Cli {
    /// Print the crates that this program is built of, and their licenses
    #[arg(long)]
    licenses: bool,

    #[command(subcommand)]
    command: Option<Command>,
}

/// What `.ci/licenses` writes.
const LICENSES: &str = include_str!("../licenses.txt");

#[derive(Debug, Subcommand)]
enum Command {
    /// Turn recordings into text
    Transcribe(transcribe::Args),
    /// Turn live audio into partial and final text
    Live(live::Args),
    /// Serve clients over the network
    Serve(serve::Args),
    /// List, fetch and verify models
    Models(models::Args),
    /// Check or show a configuration
    Config(config::Args),
    /// Say what this host offers to threads that must be on time, and what to change
    Doctor {
        /// Watch each core for scheduling gaps for so many seconds; 0 skips that
        #[arg(long, value_name = "SECONDS", default_value_t = 1, value_parser = clap::value_parser!(u64).range(0..=600))]
        watch: u64,
    },
}

/// Does what the command line says; failures go to standard error as one line and a hint.
fn main() -> ExitCode {
    let cli = match Cli::try_parse() {
        Ok(cli) => cli,
        Err(answer) if !answer.use_stderr() => {
            // Help and version. That nobody reads them is no failure.
            let _ = answer.print();
            return ExitCode::SUCCESS;
        }
        Err(error) => return Failure::from(error).tell(&mut io::stderr()),
    };
    let mut out = BufWriter::new(io::stdout().lock());
    let outcome = match &cli.command {
        // Without a subcommand there is nothing else that it can be.
        None => out.write_all(LICENSES.as_bytes()).map_err(Failure::from),
        // The log is kept until the end: what waits is then written.
        Some(command) => prepare(command).and_then(|_log| run(command, &mut out)),
    };
    let outcome = outcome.and_then(|()| Ok(out.flush()?));
    match outcome {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => {
            // What is done is shown even if more was asked for.
            let _ = out.flush();
            failure.tell(&mut io::stderr())
        }
    }
}

/// What every subcommand needs: a log, and an instruction set that the machine has. A server's log is read by programs, says
/// more, and keeps nobody waiting.
fn prepare(command: &Command) -> Result<Option<Log>, Failure> {
    let is_server = matches!(command, Command::Serve(_));
    let filter = std::env::var(LOG_VARIABLE).unwrap_or_default();
    let default = if is_server { "info" } else { "warn" };
    let filter = if filter.is_empty() { default } else { &filter };
    let filter = EnvFilter::builder().parse(filter).map_err(|error| {
        Failure::usage(
            format!("{LOG_VARIABLE}={filter:?}: {error}"),
            "the levels are error, warn, info, debug and trace",
        )
    })?;
    let log = if is_server {
        Some(log::install(filter).map_err(|error| Failure::usage(error.to_string(), ""))?)
    } else {
        tracing_subscriber::fmt()
            .with_ansi(false) // also where another crate of a build asks for the feature
            .with_env_filter(filter)
            .with_writer(io::stderr)
            .log_internal_errors(false)
            .init();
        None
    };
    isa::check().map_err(|error| {
        let available: Vec<_> = isa::Isa::available().map(isa::Isa::name).collect();
        Failure::usage(error.to_string(), format!("this machine runs {}", available.join(", ")))
    })?;
    Ok(log)
}

fn run(command: &Command, out: &mut impl Write) -> Result<(), Failure> {
    match command {
        Command::Transcribe(args) => transcribe::run(args, out),
        Command::Live(args) => live::run(args, out),
        Command::Serve(args) => serve::run(args, out),
        Command::Models(args) => models::run(args, out),
        Command::Config(args) => config::run(args, out),
        Command::Doctor { watch } => {
            let options =
                doctor::Options { watch: Duration::from_secs(*watch), ..doctor::Options::default() };
            Ok(doctor::run(out, options)?)
        }
    }
}
