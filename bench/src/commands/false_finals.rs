//! What is heard where nothing is said that the network knows.

use super::accuracy::text;
use super::streams::{self, Pace};
use crate::live::feed::Run;
use crate::spoken::Recording;
use crate::wer::words;
use anyhow::Result;
use voxlane::Engine;

/// Counts over a set.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct FalseFinals {
    /// Audio, in minutes.
    pub minutes: f64,
    /// Finals with text.
    pub finals: usize,
    /// Words in them.
    pub words: usize,
}

impl FalseFinals {
    /// Of what recordings gave.
    pub fn of(recordings: &[Recording], runs: &[Run]) -> Self {
        let minutes = recordings.iter().map(|recording| recording.seconds() / 60.0).sum();
        let has_text = |said: &&crate::live::feed::Said| said.is_final && !words(&said.text).is_empty();
        FalseFinals {
            minutes,
            finals: runs.iter().map(|run| run.said.iter().filter(has_text).count()).sum(),
            words: runs.iter().map(|run| words(&text(run)).len()).sum(),
        }
    }

    /// Finals with text a minute.
    pub fn a_minute(&self) -> f64 {
        self.finals as f64 / self.minutes
    }
}

/// Streams all recordings.
///
/// # Errors
/// If a stream fails.
pub fn measure(engine: &Engine, recordings: &[Recording], pace: Pace) -> Result<FalseFinals> {
    Ok(FalseFinals::of(recordings, &streams::run(engine, recordings, pace)?))
}
