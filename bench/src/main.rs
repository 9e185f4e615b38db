//! `voxlane-bench`: comparisons that are more than a Criterion bench.

mod cli;

use clap::{Parser, Subcommand};
use std::io::{self, Write};
use std::process::ExitCode;

/// Measures Voxlane: word error rates, and our side of the comparisons in bench/peers.
#[derive(Debug, Parser)]
#[command(name = "voxlane-bench", version)]
struct Arguments {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Run the latency lab, or compare its runs
    Lab(Box<cli::lab::Args>),
    /// Measure the streaming network that ships with the engine
    Commands(Box<cli::commands::Args>),
    /// Measure live streams: latency, stability, accuracy, capacity
    Live(cli::live::Args),
    /// Compare encoder and decode step with what one core can do at most
    #[cfg(target_arch = "x86_64")]
    Limits(cli::limits::Args),
    /// Measure what a server's clients see, with a load that does not wait for it
    Load(cli::load::Args),
    /// Print word error rates over transcribed recordings
    Wer(cli::wer::Args),
    /// Bring a model into the cache and print its folder
    Fetch(cli::fetch::Args),
    /// Measure what a recording pushed as fast as it goes costs live streams
    Flood(cli::flood::Args),
    /// Measure what is lost and invented: silence and noise around speech, quiet speech, single words, long recordings
    Robustness(cli::robustness::Args),
    /// Transcribe the files named on standard input, one JSON line each with its times
    Serve(cli::serve::Args),
    /// Measure how soon and how rightly rules say that a speaker has finished
    Turns(cli::turns::Args),
    /// Compare the times of two builds, interleaved on one core
    Versions(cli::versions::Args),
    /// Compare a device with the processor, and time it
    #[cfg(feature = "burn")]
    Gpu(cli::gpu::Args),
}

fn main() -> ExitCode {
    let arguments = Arguments::parse();
    let result = match arguments.command {
        Command::Lab(args) => cli::lab::run_lab(&args),
        Command::Commands(args) => cli::commands::run(&args),
        Command::Live(args) => cli::live::run(&args),
        #[cfg(target_arch = "x86_64")]
        Command::Limits(args) => cli::limits::run(&args),
        Command::Load(args) => cli::load::run(&args),
        Command::Wer(args) => cli::wer::run(&args),
        Command::Fetch(args) => cli::fetch::run(&args),
        Command::Flood(args) => cli::flood::run(&args),
        Command::Robustness(args) => cli::robustness::run(&args),
        Command::Serve(args) => cli::serve::run(&args),
        Command::Turns(args) => cli::turns::run(&args),
        Command::Versions(args) => cli::versions::run(&args),
        #[cfg(feature = "burn")]
        Command::Gpu(args) => cli::gpu::run(&args),
    };
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            // Nobody reads it if standard error is gone too.
            let _ = writeln!(io::stderr(), "voxlane-bench: {error:#}");
            ExitCode::FAILURE
        }
    }
}
