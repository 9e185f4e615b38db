//! SubRip and WebVTT.

mod breaks;
mod cues;
mod lines;

pub use cues::CueLimits;

use super::update::Outcome;
use super::words;
use super::writer::Writer;
use cues::{Cue, Cues};
use std::io::{self, Write};
use voxlane::Transcript;

/// The kind of subtitles.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Timing {
    /// SubRip.
    Srt,
    /// WebVTT.
    Vtt,
}

/// Writes the subtitles of one track.
pub struct Subtitles {
    timing: Timing,
    cues: Cues,
    /// Cues so far.
    count: usize,
    has_header: bool,
}

impl Subtitles {
    /// Nothing is written yet.
    pub fn new(timing: Timing, limits: CueLimits) -> Self {
        Subtitles { timing, cues: Cues::new(limits), count: 0, has_header: timing == Timing::Srt }
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

impl Writer for Subtitles {
    fn segment(&mut self, out: &mut dyn Write, segment: Transcript) -> io::Result<()> {
        self.header(out)?;
        let cues = self.cues.push(&words::timed(&segment));
        cues.iter().try_for_each(|cue| self.cue(out, cue))
    }

    fn end(&mut self, out: &mut dyn Write, outcome: &Outcome) -> io::Result<()> {
        if outcome.is_opened {
            self.header(out)?;
        }
        self.cues.finish().map_or(Ok(()), |cue| self.cue(out, &cue))
    }
}

/// `hours:minutes:seconds` with milliseconds behind `point`.
fn timestamp(seconds: f64, point: char) -> String {
    let millis = (seconds * 1e3).round() as u64;
    let (hours, minutes, seconds) = (millis / 3_600_000, millis / 60_000 % 60, millis / 1000 % 60);
    format!("{hours:02}:{minutes:02}:{seconds:02}{point}{:03}", millis % 1000)
}

#[cfg(test)]
mod tests {
    use crate::transcribe::format::Format;
    use crate::transcribe::format::tests::{segment, style, track, written};
    use crate::transcribe::update::Outcome;

    fn subtitles(format: Format) -> String {
        let segments = vec![
            segment(0.0, 2.5, " One & two."),
            segment(25.5, 26.0, ""),
            segment(3661.0004, 3662.9996, "<Three>"),
        ];
        let outcome = Outcome { is_opened: true, ..Outcome::default() };
        written(style(format), &track("a.wav"), segments, &outcome)
    }

    #[test]
    fn cues_are_numbered() {
        assert_eq!(
            subtitles(Format::Srt),
            "1\n00:00:00,000 --> 00:00:02,500\nOne & two.\n\n2\n01:01:01,000 --> 01:01:03,000\n<Three>\n\n"
        );
    }

    #[test]
    fn web_subtitles_escape_what_would_be_markup() {
        assert_eq!(
            subtitles(Format::Vtt),
            "WEBVTT\n\n00:00:00.000 --> 00:00:02.500\nOne &amp; two.\n\n\
             01:01:01.000 --> 01:01:03.000\n&lt;Three&gt;\n\n"
        );
    }

    #[test]
    fn without_speech_there_is_a_header_at_most() {
        let written =
            |format, outcome: &Outcome| written(style(format), &track("a.wav"), Vec::new(), outcome);
        let silent = Outcome { is_opened: true, ..Outcome::default() };
        assert_eq!(written(Format::Srt, &silent), "");
        assert_eq!(written(Format::Vtt, &silent), "WEBVTT\n\n");
        assert_eq!(written(Format::Vtt, &Outcome::default()), "");
    }
}
