//! Subtitles of a recording: SubRip and WebVTT.

mod breaks;
mod cues;
mod lines;

pub use cues::CueLimits;

use crate::session::Transcript;
use crate::words;
use cues::{Cue, Cues};
use std::io::{self, Write};

/// The kind of subtitles.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Timing {
    /// SubRip.
    Srt,
    /// WebVTT.
    Vtt,
}

/// A writer of the subtitles of one recording.
///
/// ```
/// use voxlane::Transcript;
/// use voxlane::subtitles::{CueLimits, Subtitles, Timing};
///
/// let mut said = Transcript::default();
/// (said.start, said.end, said.text) = (0.5, 2.5, "One latte, please.".into());
/// let (mut subtitles, mut out) = (Subtitles::new(Timing::Srt, CueLimits::default()), Vec::new());
/// subtitles.segment(&mut out, &said)?;
/// subtitles.end(&mut out)?;
/// assert_eq!(out, b"1\n00:00:00,500 --> 00:00:02,500\nOne latte, please.\n\n");
/// # Ok::<(), std::io::Error>(())
/// ```
pub struct Subtitles {
    timing: Timing,
    cues: Cues,
    /// Cues so far.
    count: usize,
    has_header: bool,
}

impl Subtitles {
    /// Creates a writer that has written nothing yet.
    pub fn new(timing: Timing, limits: CueLimits) -> Self {
        Subtitles { timing, cues: Cues::new(limits), count: 0, has_header: timing == Timing::Srt }
    }

    /// Writes the cues that the next segment completes.
    ///
    /// # Errors
    /// If they cannot be written.
    pub fn segment(&mut self, out: &mut dyn Write, segment: &Transcript) -> io::Result<()> {
        self.header(out)?;
        let cues = self.cues.push(&words::timed(segment));
        cues.iter().try_for_each(|cue| self.cue(out, cue))
    }

    /// Writes what is left, at the end of a recording, in which maybe nothing was said.
    ///
    /// # Errors
    /// If it cannot be written.
    pub fn end(&mut self, out: &mut dyn Write) -> io::Result<()> {
        self.header(out)?;
        self.cues.finish().map_or(Ok(()), |cue| self.cue(out, &cue))
    }

    fn header(&mut self, out: &mut dyn Write) -> io::Result<()> {
        if !std::mem::replace(&mut self.has_header, true) {
            writeln!(out, "WEBVTT\n")?;
        }
        Ok(())
    }

    fn cue(&mut self, out: &mut dyn Write, cue: &Cue) -> io::Result<()> {
        self.count += 1;
        let text = cue.lines.join("\n");
        match self.timing {
            Timing::Srt => {
                let (start, end) = (timestamp(cue.start, ','), timestamp(cue.end, ','));
                writeln!(out, "{}\n{start} --> {end}\n{text}\n", self.count)
            }
            Timing::Vtt => {
                let (start, end) = (timestamp(cue.start, '.'), timestamp(cue.end, '.'));
                // The characters that begin a tag or an entity in WebVTT, and the end of an arrow.
                let text = text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;");
                writeln!(out, "{start} --> {end}\n{text}\n")
            }
        }
    }
}

/// `hours:minutes:seconds` with milliseconds behind `point`.
fn timestamp(seconds: f64, point: char) -> String {
    let millis = (seconds * 1e3).round() as u64;
    let (hours, minutes, seconds) = (millis / 3_600_000, millis / 60_000 % 60, millis / 1000 % 60);
    format!("{hours:02}:{minutes:02}:{seconds:02}{point}{:03}", millis % 1000)
}
