//! Results in the form that was asked for, written as they come.

mod json;
mod subtitles;
mod text;

use super::update::Track;
use super::writer::Writer;
use clap::ValueEnum;
use voxlane::subtitles::{CueLimits, Subtitles, Timing};

/// What results look like.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Format {
    /// The text, one line a segment
    Text,
    /// One JSON object per file, one per line
    Json,
    /// One JSON object per segment, and one at the end of each file
    Jsonl,
    /// SubRip subtitles
    Srt,
    /// WebVTT subtitles
    Vtt,
}

impl Format {
    /// The ending of file names.
    pub fn ending(self) -> &'static str {
        match self {
            Format::Text => "txt",
            Format::Json => "json",
            Format::Jsonl => "jsonl",
            Format::Srt => "srt",
            Format::Vtt => "vtt",
        }
    }

    /// Whether the results are subtitles.
    pub fn is_subtitles(self) -> bool {
        matches!(self, Format::Srt | Format::Vtt)
    }

    /// Whether the results are JSON.
    pub fn is_json(self) -> bool {
        matches!(self, Format::Json | Format::Jsonl)
    }
}

/// How results are written.
#[derive(Clone, Copy, Debug)]
pub struct Style {
    /// Their form.
    pub format: Format,
    /// Whether text names its file: there are several.
    pub names_file: bool,
    /// Whether JSON has the words with their times.
    pub words: bool,
    /// What a cue may hold.
    pub cues: CueLimits,
}

/// A writer for a track.
pub fn writer(style: Style, track: &Track) -> Box<dyn Writer> {
    match style.format {
        Format::Text => Box::new(text::Text::new(style.names_file, track)),
        Format::Json => Box::new(json::Object::new(style.words, track)),
        Format::Jsonl => Box::new(json::Lines::new(style.words, track)),
        Format::Srt => Box::new(Subtitles::new(Timing::Srt, style.cues)),
        Format::Vtt => Box::new(Subtitles::new(Timing::Vtt, style.cues)),
    }
}

#[cfg(test)]
pub mod tests {
    use super::*;
    use crate::transcribe::update::Outcome;
    use voxlane::Transcript;

    /// A segment without words.
    pub fn segment(start: f64, end: f64, text: &str) -> Transcript {
        let mut said = Transcript::default();
        (said.start, said.end, said.text) = (start, end, text.into());
        said
    }

    /// What is written of segments and an outcome.
    pub fn written(style: Style, track: &Track, segments: Vec<Transcript>, outcome: &Outcome) -> String {
        let (mut out, mut writer) = (Vec::new(), writer(style, track));
        for segment in segments {
            writer.segment(&mut out, segment).unwrap();
        }
        writer.end(&mut out, outcome).unwrap();
        String::from_utf8(out).unwrap()
    }

    /// A style without anything special.
    pub fn style(format: Format) -> Style {
        let cues = CueLimits { lines: 2, columns: 42, seconds: 7.0 };
        Style { format, names_file: false, words: false, cues }
    }

    /// A track of all channels.
    pub fn track(path: &str) -> Track {
        Track { path: path.into(), channel: None }
    }
}
