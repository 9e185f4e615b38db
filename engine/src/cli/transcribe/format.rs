//! Results as text, JSON Lines, SubRip or WebVTT.

use super::Format;
use super::recording::{Heard, RecordingError};
use serde::Serialize;
use std::io::{self, Write};
use std::path::Path;
use voxlane::Transcript;

/// A file's line of JSON. The order of the fields is that of the documentation.
#[derive(Serialize)]
struct Line<'a> {
    file: String,
    text: String,
    tokens: Vec<u32>,
    audio_s: f64,
    wall_s: f64,
    rtf: f64,
    segments: Vec<Segment<'a>>,
    latency_ms: LatencyMs,
}

#[derive(Serialize)]
struct Segment<'a> {
    start: f64,
    end: f64,
    text: &'a str,
}

#[derive(Serialize)]
struct LatencyMs {
    total: f64,
    queue: f64,
    compute: f64,
}

#[derive(Serialize)]
struct FailedLine {
    file: String,
    error: String,
}

/// Writes the result of one file; text that is one of several files' names its file. Of a file that failed only
/// JSON says anything: for the others the error on standard error is enough.
pub fn write(
    out: &mut impl Write,
    format: Format,
    path: &Path,
    is_one_of_several: bool,
    result: &Result<Heard, RecordingError>,
) -> io::Result<()> {
    match (format, result) {
        (Format::Json, Ok(heard)) => write_line(out, &line(path, heard)),
        (Format::Json, Err(error)) => {
            write_line(out, &FailedLine { file: path.display().to_string(), error: error.to_string() })
        }
        (_, Err(_)) => Ok(()),
        (Format::Text, Ok(heard)) if is_one_of_several => {
            writeln!(out, "{}: {}", path.display(), heard.text())
        }
        (Format::Text, Ok(heard)) => writeln!(out, "{}", heard.text()),
        (Format::Srt, Ok(heard)) => write_srt(out, &heard.segments),
        (Format::Vtt, Ok(heard)) => write_vtt(out, &heard.segments),
    }
}

fn write_line(out: &mut impl Write, line: &impl Serialize) -> io::Result<()> {
    serde_json::to_writer(&mut *out, line)?;
    writeln!(out)
}

fn line<'a>(path: &Path, heard: &'a Heard) -> Line<'a> {
    let latency = heard.latency();
    let segment = |segment: &'a Transcript| Segment {
        start: micros(segment.start),
        end: micros(segment.end),
        text: segment.text.trim(),
    };
    Line {
        file: path.display().to_string(),
        text: heard.text(),
        tokens: heard.segments.iter().flat_map(|segment| &segment.tokens).map(|token| token.id).collect(),
        audio_s: micros(heard.audio_s),
        wall_s: micros(heard.wall_s),
        rtf: micros(heard.rtf()),
        segments: heard.segments.iter().map(segment).collect(),
        latency_ms: LatencyMs {
            total: micros(latency.total),
            queue: micros(latency.queue),
            compute: micros(latency.compute),
        },
    }
}

/// Rounds to six decimals: what the clock resolves, and no noise of binary fractions.
fn micros(value: f64) -> f64 {
    (value * 1e6).round() / 1e6
}

fn write_srt(out: &mut impl Write, segments: &[Transcript]) -> io::Result<()> {
    let spoken = segments.iter().filter(|segment| !segment.text.trim().is_empty());
    for (index, segment) in spoken.enumerate() {
        let (start, end) = (timestamp(segment.start, ','), timestamp(segment.end, ','));
        writeln!(out, "{}\n{start} --> {end}\n{}\n", index + 1, segment.text.trim())?;
    }
    Ok(())
}

fn write_vtt(out: &mut impl Write, segments: &[Transcript]) -> io::Result<()> {
    writeln!(out, "WEBVTT\n")?;
    for segment in segments.iter().filter(|segment| !segment.text.trim().is_empty()) {
        let (start, end) = (timestamp(segment.start, '.'), timestamp(segment.end, '.'));
        // The characters that begin a tag or an entity in WebVTT, and the end of an arrow.
        let text = segment.text.trim().replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;");
        writeln!(out, "{start} --> {end}\n{text}\n")?;
    }
    Ok(())
}

/// `hours:minutes:seconds` with milliseconds behind `point`.
fn timestamp(seconds: f64, point: char) -> String {
    let millis = (seconds * 1e3).round() as u64;
    let (hours, minutes, seconds) = (millis / 3_600_000, millis / 60_000 % 60, millis / 1000 % 60);
    format!("{hours:02}:{minutes:02}:{seconds:02}{point}{:03}", millis % 1000)
}

#[cfg(test)]
mod tests {
    use super::*;
    use voxlane::Latency;

    fn segment(start: f64, end: f64, text: &str) -> Transcript {
        Transcript {
            stream: 0,
            segment: 0,
            start,
            end,
            text: text.into(),
            stable: None,
            tail: None,
            words: Vec::new(),
            revised: false,
            latency_ms: Latency::default(),
            tokens: Vec::new(),
            token_limit: false,
        }
    }

    fn written(format: Format, is_one_of_several: bool) -> String {
        let segments = vec![
            segment(0.0, 25.5, " One & two."),
            segment(25.5, 26.0, ""),
            segment(3661.0004, 3662.9996, "<Three>"),
        ];
        let heard = Heard { segments, audio_s: 3663.0, wall_s: 36.63 };
        let mut out = Vec::new();
        write(&mut out, format, Path::new("a.wav"), is_one_of_several, &Ok(heard)).unwrap();
        String::from_utf8(out).unwrap()
    }

    #[test]
    fn subtitles_number_what_is_spoken() {
        assert_eq!(
            written(Format::Srt, false),
            "1\n00:00:00,000 --> 00:00:25,500\nOne & two.\n\n2\n01:01:01,000 --> 01:01:03,000\n<Three>\n\n"
        );
    }

    #[test]
    fn web_subtitles_escape_what_would_be_markup() {
        assert_eq!(
            written(Format::Vtt, false),
            "WEBVTT\n\n00:00:00.000 --> 00:00:25.500\nOne &amp; two.\n\n\
             01:01:01.000 --> 01:01:03.000\n&lt;Three&gt;\n\n"
        );
    }

    #[test]
    fn text_names_the_file_where_there_are_several() {
        assert_eq!(written(Format::Text, false), "One & two. <Three>\n");
        assert_eq!(written(Format::Text, true), "a.wav: One & two. <Three>\n");
    }

    #[test]
    fn json_is_one_line_with_rounded_numbers() {
        let line = written(Format::Json, true);
        assert_eq!(line.matches('\n').count(), 1);
        assert!(line.starts_with(r#"{"file":"a.wav","text":"One & two. <Three>","tokens":[],"audio_s":3663.0,"wall_s":36.63,"rtf":0.01,"segments":[{"start":0.0,"end":25.5,"text":"One & two."}"#), "{line}");
    }
}
