//! What an experiment is given: how much to do, where, and with what.

use anyhow::{Context as _, Result};
use std::path::PathBuf;

/// How large the experiments are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Size {
    /// A few samples, to see that everything runs: for tests.
    Touch,
    /// A minute for everything.
    Smoke,
    /// About twelve minutes.
    Full,
    /// The counts that rare cases need: hours.
    Long,
}

impl Size {
    /// The word in reports.
    pub fn name(self) -> &'static str {
        match self {
            Size::Touch => "touch",
            Size::Smoke => "smoke",
            Size::Full => "full",
            Size::Long => "long",
        }
    }
}

/// See the module.
#[derive(Clone, Debug)]
pub struct Context {
    /// How much to do.
    pub size: Size,
    /// The cores that may be used, in rising order; never empty.
    pub cores: Vec<usize>,
    /// The model, by its name in the model manager.
    pub model: String,
    /// A folder with a transcripts.tsv and recordings.
    pub clips: PathBuf,
    /// The Python of `bench/peers/setup.sh`, for the comparisons with other systems.
    pub peers: Option<PathBuf>,
    /// The `voxlane` command, if there is one beside this program.
    pub voxlane: Option<PathBuf>,
    /// This program, for work in a process of its own.
    pub program: PathBuf,
}

impl Context {
    /// One of four, by size: touch, smoke, full, long.
    pub fn pick<T>(&self, touch: T, smoke: T, full: T, long: T) -> T {
        match self.size {
            Size::Touch => touch,
            Size::Smoke => smoke,
            Size::Full => full,
            Size::Long => long,
        }
    }

    /// Two cores to work between.
    ///
    /// # Errors
    /// If the process has only one.
    pub fn two_cores(&self) -> Result<[usize; 2]> {
        let [first, second, ..] = self.cores[..] else {
            anyhow::bail!("this needs two cores, the process has one")
        };
        Ok([first, second])
    }

    /// The core for what is measured; the generator has another one, where there is one.
    pub fn measured_core(&self) -> usize {
        *self.cores.get(1).unwrap_or(&self.cores[0])
    }

    /// The generator's core.
    pub fn generator_core(&self) -> usize {
        self.cores[0]
    }

    /// Whether so many spinning threads are more than there are cores.
    pub fn is_oversubscribed(&self, threads: usize) -> bool {
        threads > self.cores.len()
    }

    /// The folder of the scripts that run other systems: that of this program's source.
    ///
    /// # Errors
    /// If it is not there any more.
    pub fn scripts(&self) -> Result<PathBuf> {
        let folder = PathBuf::from(concat!(env!("CARGO_MANIFEST_DIR"), "/peers"));
        folder
            .is_dir()
            .then_some(folder)
            .context("the scripts of bench/peers are not where this program was built")
    }
}
