//! What writes results, whatever their form.

use super::update::Outcome;
use std::io::{self, Write};
use voxlane::Transcript;

/// Writes the results of one track.
pub trait Writer {
    /// Writes what comes of the next segment.
    ///
    /// # Errors
    /// If it cannot be written.
    fn segment(&mut self, out: &mut dyn Write, segment: Transcript) -> io::Result<()>;

    /// Writes what is left, and how the track ended.
    ///
    /// # Errors
    /// If it cannot be written.
    fn end(&mut self, out: &mut dyn Write, outcome: &Outcome) -> io::Result<()>;
}
