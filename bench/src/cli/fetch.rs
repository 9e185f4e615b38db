//! `voxlane-bench fetch`: where a model's files are, for the scripts in bench/peers.

use super::ModelArgs;
use anyhow::Result;
use std::io::{self, Write};

/// What to bring.
#[derive(Clone, Debug, clap::Args)]
pub struct Args {
    #[command(flatten)]
    model: ModelArgs,
}

/// Prints the folder.
pub fn run(args: &Args) -> Result<()> {
    writeln!(io::stdout(), "{}", args.model.files()?.dir().display())?;
    Ok(())
}
