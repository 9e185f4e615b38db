//! SubRip and WebVTT.

use crate::transcribe::update::Outcome;
use crate::transcribe::writer::Writer;
use std::io::{self, Write};
use voxlane::Transcript;
use voxlane::subtitles::Subtitles;

impl Writer for Subtitles {
    fn segment(&mut self, out: &mut dyn Write, segment: Transcript) -> io::Result<()> {
        Subtitles::segment(self, out, &segment)
    }

    /// A file that could not be opened has no subtitles, not even their header.
    fn end(&mut self, out: &mut dyn Write, outcome: &Outcome) -> io::Result<()> {
        if outcome.is_opened { Subtitles::end(self, out) } else { Ok(()) }
    }
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
