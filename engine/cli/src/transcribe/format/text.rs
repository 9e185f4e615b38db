//! Plain text, a line a segment.

use crate::transcribe::update::{Outcome, Track};
use crate::transcribe::writer::Writer;
use std::io::{self, Write};
use voxlane::Transcript;
use voxlane::text::spoken;

/// See the module.
pub struct Text {
    /// In front of every line.
    prefix: String,
    is_empty: bool,
}

impl Text {
    /// For a track; the lines name its file if there are several, and its channel if not all are mixed.
    pub fn new(names_file: bool, track: &Track) -> Self {
        let prefix = match (names_file, track.channel) {
            (true, _) => format!("{}: ", track.name()),
            (false, Some(channel)) => format!("channel {channel}: "),
            (false, None) => String::new(),
        };
        Text { prefix, is_empty: true }
    }
}

impl Writer for Text {
    fn segment(&mut self, out: &mut dyn Write, segment: Transcript) -> io::Result<()> {
        let text = spoken(&segment.text);
        let text = text.trim();
        if text.is_empty() {
            return Ok(());
        }
        self.is_empty = false;
        writeln!(out, "{}{text}", self.prefix)
    }

    /// Of several files each has a line, even if nothing was said in it.
    fn end(&mut self, out: &mut dyn Write, outcome: &Outcome) -> io::Result<()> {
        let is_silent = self.is_empty && !outcome.is_partial();
        if is_silent { writeln!(out, "{}", self.prefix.trim_end()) } else { Ok(()) }
    }
}

#[cfg(test)]
mod tests {
    use crate::transcribe::format::tests::{segment, style, track, written};
    use crate::transcribe::format::{Format, Style};
    use crate::transcribe::update::{Outcome, Track};

    #[test]
    fn a_segment_is_a_line() {
        let segments = vec![segment(0.0, 1.0, " One.\x1b"), segment(1.0, 2.0, ""), segment(2.0, 3.0, "Two.")];
        let text = |style, track: &Track| written(style, track, segments.clone(), &Outcome::default());
        assert_eq!(text(style(Format::Text), &track("a.wav")), "One.\nTwo.\n");
        let several = Style { names_file: true, ..style(Format::Text) };
        assert_eq!(text(several, &track("a.wav")), "a.wav: One.\na.wav: Two.\n");
        let right = Track { channel: Some(2), ..track("a.wav") };
        assert_eq!(text(style(Format::Text), &right), "channel 2: One.\nchannel 2: Two.\n");
        assert_eq!(text(several, &right), "a.wav, channel 2: One.\na.wav, channel 2: Two.\n");
    }

    #[test]
    fn a_file_without_speech_has_a_line_and_one_that_failed_has_none() {
        let several = Style { names_file: true, ..style(Format::Text) };
        assert_eq!(written(several, &track("a.wav"), Vec::new(), &Outcome::default()), "a.wav:\n");
        assert_eq!(written(style(Format::Text), &track("a.wav"), Vec::new(), &Outcome::default()), "\n");
        let failed =
            Outcome { errors: vec![crate::transcribe::update::TrackError::Reader], ..Outcome::default() };
        assert_eq!(written(several, &track("a.wav"), Vec::new(), &failed), "");
    }
}
