//! JSON: an object a file, or a line a segment. The order of the fields is that of the documentation.

use crate::text::write_json;
use crate::transcribe::update::{Outcome, Track};
use crate::transcribe::writer::Writer;
use serde::Serialize;
use std::io::{self, Write};
use voxlane::words::{self, TimedWord};
use voxlane::{SegmentWarning, Transcript};

/// One object, written at the end of the track.
pub struct Object {
    words: bool,
    file: File,
    segments: Vec<Segment>,
    tokens: Vec<u32>,
}

/// A line a segment, and one at the end of the track.
pub struct Lines {
    words: bool,
    file: File,
}

/// The track that something belongs to.
#[derive(Clone, Debug, Serialize)]
struct File {
    file: String,
    /// The bytes of a name that is not UTF-8: `file` stands for it, but is not it.
    #[serde(skip_serializing_if = "Option::is_none")]
    file_bytes: Option<Vec<u8>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    channel: Option<usize>,
}

#[derive(Serialize)]
struct Whole<'a> {
    #[serde(flatten)]
    file: &'a File,
    text: String,
    tokens: &'a [u32],
    audio_s: f64,
    wall_s: f64,
    rtf: f64,
    segments: &'a [Segment],
    latency_ms: LatencyMs,
    #[serde(flatten)]
    end: End<'a>,
}

#[derive(Serialize)]
#[serde(tag = "type", rename_all = "snake_case")]
enum Line<'a> {
    Segment {
        #[serde(flatten)]
        file: &'a File,
        #[serde(flatten)]
        segment: Segment,
        tokens: Vec<u32>,
    },
    File {
        #[serde(flatten)]
        file: &'a File,
        #[serde(skip_serializing_if = "Option::is_none")]
        audio_s: Option<f64>,
        #[serde(skip_serializing_if = "Option::is_none")]
        wall_s: Option<f64>,
        #[serde(skip_serializing_if = "Option::is_none")]
        rtf: Option<f64>,
        #[serde(skip_serializing_if = "Option::is_none")]
        latency_ms: Option<LatencyMs>,
        #[serde(flatten)]
        end: End<'a>,
    },
}

/// Of a file that could not be opened.
#[derive(Serialize)]
struct Failed<'a> {
    #[serde(flatten)]
    file: &'a File,
    #[serde(flatten)]
    end: End<'a>,
}

#[derive(Serialize)]
struct Segment {
    start: f64,
    end: f64,
    text: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    words: Option<Vec<TimedWord>>,
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    token_limit: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    warning: Option<SegmentWarning>,
}

#[derive(Serialize)]
struct LatencyMs {
    total: f64,
    queue: f64,
    compute: f64,
}

/// What is said of a track's end; nothing if all is well.
#[derive(Serialize)]
struct End<'a> {
    #[serde(skip_serializing_if = "<[String]>::is_empty")]
    warnings: &'a [String],
    #[serde(skip_serializing_if = "Option::is_none")]
    interrupted: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    error: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    stopped_at_s: Option<f64>,
}

impl Object {
    /// For a track, with the words of its segments if they are wanted.
    pub fn new(words: bool, track: &Track) -> Self {
        Object { words, file: File::new(track), segments: Vec::new(), tokens: Vec::new() }
    }

    fn text(&self) -> String {
        let texts = self.segments.iter().map(|segment| segment.text.as_str());
        texts.filter(|text| !text.is_empty()).collect::<Vec<_>>().join(" ")
    }
}

impl Writer for Object {
    fn segment(&mut self, _: &mut dyn Write, segment: Transcript) -> io::Result<()> {
        self.tokens.extend(segment.tokens.iter().map(|token| token.id));
        self.segments.push(Segment::new(&segment, self.words));
        Ok(())
    }

    fn end(&mut self, mut out: &mut dyn Write, outcome: &Outcome) -> io::Result<()> {
        let (file, end) = (&self.file, End::new(outcome));
        if !outcome.is_opened {
            return write_json(&mut out, &Failed { file, end });
        }
        let whole = Whole {
            file,
            text: self.text(),
            tokens: &self.tokens,
            audio_s: micros(outcome.audio_s),
            wall_s: micros(outcome.wall_s),
            rtf: micros(outcome.rtf()),
            segments: &self.segments,
            latency_ms: LatencyMs::new(outcome),
            end,
        };
        write_json(&mut out, &whole)
    }
}

impl Lines {
    /// For a track, with the words of its segments if they are wanted.
    pub fn new(words: bool, track: &Track) -> Self {
        Lines { words, file: File::new(track) }
    }
}

impl Writer for Lines {
    fn segment(&mut self, mut out: &mut dyn Write, segment: Transcript) -> io::Result<()> {
        let tokens = segment.tokens.iter().map(|token| token.id).collect();
        let segment = Segment::new(&segment, self.words);
        write_json(&mut out, &Line::Segment { file: &self.file, segment, tokens })
    }

    fn end(&mut self, mut out: &mut dyn Write, outcome: &Outcome) -> io::Result<()> {
        let number = |value| outcome.is_opened.then(|| micros(value));
        let line = Line::File {
            file: &self.file,
            audio_s: number(outcome.audio_s),
            wall_s: number(outcome.wall_s),
            rtf: number(outcome.rtf()),
            latency_ms: outcome.is_opened.then(|| LatencyMs::new(outcome)),
            end: End::new(outcome),
        };
        write_json(&mut out, &line)
    }
}

impl File {
    fn new(track: &Track) -> Self {
        let name = track.path.as_os_str();
        let file_bytes = name.to_str().is_none().then(|| name.as_encoded_bytes().to_vec());
        File { file: name.to_string_lossy().into_owned(), file_bytes, channel: track.channel }
    }
}

impl Segment {
    fn new(segment: &Transcript, words: bool) -> Self {
        let word = |word: TimedWord| TimedWord { start: micros(word.start), end: micros(word.end), ..word };
        Segment {
            start: micros(segment.start),
            end: micros(segment.end),
            text: segment.text.trim().to_owned(),
            words: words.then(|| words::timed(segment).into_iter().map(word).collect()),
            token_limit: segment.token_limit,
            warning: segment.warning,
        }
    }
}

impl LatencyMs {
    fn new(outcome: &Outcome) -> Self {
        let latency = outcome.latency;
        LatencyMs {
            total: micros(latency.total),
            queue: micros(latency.queue),
            compute: micros(latency.compute),
        }
    }
}

impl<'a> End<'a> {
    fn new(outcome: &'a Outcome) -> Self {
        let errors: Vec<_> = outcome.errors.iter().map(ToString::to_string).collect();
        End {
            warnings: &outcome.warnings,
            interrupted: outcome.interrupted.map(|signal| signal.to_string()),
            error: (!errors.is_empty()).then(|| errors.join("; ")),
            stopped_at_s: outcome.stopped_at_s.map(micros),
        }
    }
}

/// Rounds to six decimals: what the clock resolves, and no noise of binary fractions.
fn micros(value: f64) -> f64 {
    (value * 1e6).round() / 1e6
}

#[cfg(test)]
mod tests {
    use super::super::tests::{segment, style, track, written};
    use super::super::{Format, Style};
    use super::*;
    use crate::transcribe::update::TrackError;
    use voxlane::StreamFault;

    fn outcome() -> Outcome {
        Outcome { audio_s: 3663.0, wall_s: 36.63, is_opened: true, ..Outcome::default() }
    }

    #[test]
    fn a_file_is_one_line_with_rounded_numbers() {
        let segments = vec![segment(0.0, 25.5, " One & two."), segment(26.0, 27.1234567, "<Three>")];
        let line = written(style(Format::Json), &track("a.wav"), segments, &outcome());
        assert_eq!(
            line,
            r#"{"file":"a.wav","text":"One & two. <Three>","tokens":[],"audio_s":3663.0,"wall_s":36.63,"rtf":0.01,"segments":[{"start":0.0,"end":25.5,"text":"One & two."},{"start":26.0,"end":27.123457,"text":"<Three>"}],"latency_ms":{"total":0.0,"queue":0.0,"compute":0.0}}"#.to_owned() + "\n"
        );
    }

    #[test]
    fn lines_are_segments_and_one_that_ends_the_file() {
        let mut doubtful = segment(1.0, 2.0, "Two");
        (doubtful.token_limit, doubtful.warning) = (true, Some(SegmentWarning::LittleText));
        let right = Track { channel: Some(2), ..track("a.wav") };
        let ended = Outcome {
            warnings: vec!["odd".into()],
            errors: vec![TrackError::Fault(StreamFault::SlowClient)],
            stopped_at_s: Some(2.0),
            ..outcome()
        };
        let style = Style { words: true, ..style(Format::Jsonl) };
        let lines = written(style, &right, vec![segment(0.0, 1.0, "One"), doubtful], &ended);
        let lines: Vec<_> = lines.lines().collect();
        assert_eq!(
            lines,
            [
                r#"{"type":"segment","file":"a.wav","channel":2,"start":0.0,"end":1.0,"text":"One","words":[{"text":"One","start":0.0,"end":1.0}],"tokens":[]}"#,
                r#"{"type":"segment","file":"a.wav","channel":2,"start":1.0,"end":2.0,"text":"Two","words":[{"text":"Two","start":1.0,"end":2.0}],"token_limit":true,"warning":"little_text","tokens":[]}"#,
                r#"{"type":"file","file":"a.wav","channel":2,"audio_s":3663.0,"wall_s":36.63,"rtf":0.01,"latency_ms":{"total":0.0,"queue":0.0,"compute":0.0},"warnings":["odd"],"error":"stream: closed, because the client left too many events unread","stopped_at_s":2.0}"#,
            ]
        );
    }

    #[test]
    fn a_file_that_was_not_opened_has_its_error_only() {
        let failed = Outcome { errors: vec![TrackError::Reader], ..Outcome::default() };
        let line = written(style(Format::Json), &track("a.wav"), Vec::new(), &failed);
        assert_eq!(
            line,
            "{\"file\":\"a.wav\",\"error\":\"reader: the thread that reads the file panicked\"}\n"
        );
    }

    #[cfg(unix)]
    #[test]
    fn the_bytes_of_a_name_that_is_not_utf8_are_there() {
        use std::os::unix::ffi::OsStrExt;
        let name = std::ffi::OsStr::from_bytes(b"\xff\x9b");
        let failed = Outcome { errors: vec![TrackError::Reader], ..Outcome::default() };
        let track = Track { path: name.into(), channel: None };
        let line = written(style(Format::Json), &track, Vec::new(), &failed);
        assert!(
            line.starts_with("{\"file\":\"\u{fffd}\u{fffd}\",\"file_bytes\":[255,155],\"error\":"),
            "{line}"
        );
    }
}
