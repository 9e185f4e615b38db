//! The subcommands, one file each.

pub mod commands;
pub mod fetch;
pub mod flood;
#[cfg(feature = "burn")]
pub mod gpu;
pub mod lab;
#[cfg(target_arch = "x86_64")]
pub mod limits;
pub mod live;
pub mod load;
pub mod robustness;
pub mod serve;
pub mod turns;
pub mod versions;
pub mod wer;

use anyhow::Result;
use std::path::PathBuf;
use voxlane_bench::recognizer::parse_precision;
use voxlane_bench::recordings::{Clip, read_sets};
use voxlane_models::layers::linear::Precision;
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

/// Which transcribed recordings.
#[derive(Clone, Debug, clap::Args)]
pub struct ClipArgs {
    /// Folder with a transcripts.tsv and the audio files that it names; may be given several times
    #[arg(long, value_name = "FOLDER", default_values = ["../shared/speech/dev", "../shared/speech/dev-other"])]
    dir: Vec<PathBuf>,
}

impl ClipArgs {
    /// The clips of all folders.
    pub fn read(&self) -> Result<Vec<Clip>> {
        read_sets(&self.dir)
    }
}

/// A precision on the command line.
pub fn precision(word: &str) -> Result<Precision, String> {
    parse_precision(word)
}
