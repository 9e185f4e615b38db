//! The subcommands, one file each.

pub mod commands;
pub mod fetch;
#[cfg(feature = "burn")]
pub mod gpu;
pub mod lab;
#[cfg(target_arch = "x86_64")]
pub mod limits;
pub mod live;
pub mod serve;
pub mod wer;

use anyhow::Result;
use voxlane_bench::recognizer::parse_precision;
use voxlane_models::linear::Precision;
use voxlane_models::manager::{self, ModelFiles};

/// Which model.
#[derive(Clone, Debug, clap::Args)]
pub struct ModelArgs {
    /// As `voxlane models list` shows it
    #[arg(long, default_value = "moonshine-tiny")]
    pub model: String,
}

impl ModelArgs {
    /// The model's files, fetched if they are not there.
    pub fn files(&self) -> Result<ModelFiles> {
        Ok(manager::fetch(&self.model)?)
    }
}

/// A precision on the command line.
pub fn precision(word: &str) -> Result<Precision, String> {
    parse_precision(word)
}
