//! `voxlane-bench rings`: our ring beside other ways between two cores.

use anyhow::{Result, bail};
use std::io::{self, Write};
use voxlane_bench::lab::rings::{self, Plan};

/// How much to run.
#[derive(Clone, Debug, clap::Args)]
pub struct Args {
    /// How often each kind gets its turn
    #[arg(long, default_value_t = 10)]
    rounds: usize,
    /// Messages a turn
    #[arg(long, default_value_t = 20_000)]
    messages: u64,
    /// The two cores
    #[arg(long, value_delimiter = ',', default_value = "0,1")]
    cores: Vec<usize>,
    /// Print JSON
    #[arg(long)]
    json: bool,
}

/// Prints the rows.
pub fn run(args: &Args) -> Result<()> {
    let &[near, far] = args.cores.as_slice() else { bail!("--cores takes two cores") };
    if args.rounds == 0 || args.messages == 0 {
        bail!("--rounds and --messages are at least 1");
    }
    let rows = rings::run(&Plan { rounds: args.rounds, messages: args.messages, cores: [near, far] })?;
    let mut out = io::stdout().lock();
    if args.json {
        serde_json::to_writer_pretty(&mut out, &rows)?;
        writeln!(out)?;
        return Ok(());
    }
    writeln!(out, "one-way nanoseconds, cores {near} and {far}, {} interleaved rounds", args.rounds)?;
    writeln!(
        out,
        "{:18} {:>5} {:>8} {:>9} {:>9} {:>11} {:>8} {:>8} {:>7}",
        "link", "bytes", "p50", "p99", "p99.9", "max", "n", "to bare", "to ours"
    )?;
    for row in rows {
        writeln!(
            out,
            "{:18} {:5} {:8.0} {:9.0} {:9.0} {:11.0} {:8} {:8.2} {:7.2}",
            row.link, row.bytes, row.p50, row.p99, row.p999, row.max, row.count, row.to_floor, row.to_ours
        )?;
    }
    Ok(())
}
