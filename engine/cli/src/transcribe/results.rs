//! What becomes of updates: results are written, warnings and errors shown, everything counted.

use super::destination::Destination;
use super::files::Sink;
use super::format::{self, Style};
use super::progress::{Meter, Progress};
use super::update::{Ended, Outcome, Track, Update};
use super::writer::Writer;
use crate::failure::Failure;
use crate::text::printable;
use std::io::{self, Write};
use std::path::PathBuf;
use voxlane::Transcript;

/// See the module.
pub struct Results<'a> {
    style: Style,
    destination: Destination<'a>,
    files: &'a [PathBuf],
    meter: &'a Meter,
    progress: Progress,
    present: Option<(Track, Box<dyn Writer>)>,
    /// The first file that is not done.
    file: usize,
    ended: Vec<Ended>,
}

impl<'a> Results<'a> {
    /// Nothing has been written yet.
    pub fn new(style: Style, destination: Destination<'a>, files: &'a [PathBuf], meter: &'a Meter) -> Self {
        let progress = Progress::new();
        Results { style, destination, files, meter, progress, present: None, file: 0, ended: Vec::new() }
    }

    /// Clears the progress line. Gives the number of files that were worked on, how their tracks ended, and where
    /// results went.
    pub fn finish(self) -> (usize, Vec<Ended>, Destination<'a>) {
        (self.file, self.ended, self.destination)
    }

    /// Writes with the writer of the present track, at once.
    fn write(
        &mut self,
        write: impl FnOnce(&mut dyn Writer, &mut dyn Write) -> io::Result<()>,
    ) -> Result<(), Failure> {
        let Some((_, writer)) = &mut self.present else { return Ok(()) };
        let mut bytes = Vec::new();
        write(writer.as_mut(), &mut bytes)?;
        let destination = &mut self.destination;
        self.progress.aside(|| destination.write(&bytes))
    }

    /// Shows something on standard error.
    fn show(&self, kind: &str, message: &str) {
        // Nothing can be written where standard error is closed; the exit code remains.
        let _ = self.progress.aside(|| writeln!(io::stderr(), "{kind}: {}", printable(message)));
    }

    fn segment(&mut self, segment: Transcript) -> Result<(), Failure> {
        let (start, end) = (segment.start, segment.end);
        let doubt = segment.warning.map(|warning| warning.to_string());
        let limit = segment.token_limit.then(|| "the text was cut off at the token limit".to_owned());
        self.write(|writer, out| writer.segment(out, segment))?;
        for warning in doubt.into_iter().chain(limit) {
            self.show("warning", &format!("{}: {start:.3} s to {end:.3} s: {warning}", self.name()));
        }
        Ok(())
    }

    fn end(&mut self, outcome: Outcome) -> Result<(), Failure> {
        self.write(|writer, out| writer.end(out, &outcome))?;
        if outcome.is_opened {
            self.destination.end()?;
        }
        let Some((track, _)) = self.present.take() else { return Ok(()) };
        let end = outcome.stopped_at_s.map_or(String::new(), |at| format!("; the text ends at {at:.3} s"));
        for error in &outcome.errors {
            self.show("error", &format!("{}{end}", error.of(&track)));
        }
        if let Some(signal) = outcome.interrupted {
            self.show("error", &format!("{}: stopped by {signal}{end}", track.name()));
        }
        self.ended.push(Ended { file: self.file, track, outcome });
        Ok(())
    }

    fn name(&self) -> String {
        self.present.as_ref().map(|(track, _)| track.name()).unwrap_or_default()
    }
}

impl Sink for Results<'_> {
    fn take(&mut self, file: usize, update: Update) -> Result<(), Failure> {
        match update {
            Update::Track(track) => {
                self.destination.begin(&track);
                self.present = Some((track.clone(), format::writer(self.style, &track)));
            }
            Update::Segment(segment) => self.segment(segment)?,
            Update::Warning(warning) => self.show("warning", &format!("{}: {warning}", self.name())),
            Update::End(outcome) => self.end(outcome)?,
            Update::Done => self.file = file + 1,
        }
        Ok(())
    }

    fn tick(&mut self) {
        if let Some(path) = self.files.get(self.file) {
            self.progress.draw(self.meter, self.file, path);
        }
    }
}
