//! What was recognized in one recording, as it is kept and written, one JSON object a line.

use super::heard::Heard;
use super::segment::Segment;
use super::sets::Item;
use crate::alignment::{Alignment, Errors};
use crate::recordings::SAMPLE_RATE;
use crate::wer::{Score, words};
use anyhow::{Context as _, Result};
use serde::{Deserialize, Serialize};
use std::io::{BufRead, BufReader, BufWriter, Write};
use std::path::Path;

/// One recording of a set and its text.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Record {
    /// The set.
    pub set: String,
    /// The recording's name in it.
    pub id: String,
    /// Who speaks.
    pub speaker: String,
    /// What is said.
    pub reference: String,
    /// The text of all segments.
    pub text: String,
    /// The length of the recording, in seconds.
    pub audio_s: f64,
    /// The segments.
    pub segments: Vec<Segment>,
}

impl Record {
    /// What was heard in `item` of the set of this name.
    pub fn new(set: &str, item: &Item, heard: Heard) -> Self {
        Record {
            set: set.to_owned(),
            id: item.id.clone(),
            speaker: item.speaker.clone(),
            reference: item.reference.clone(),
            text: heard.text(),
            audio_s: item.samples.len() as f64 / f64::from(SAMPLE_RATE),
            segments: heard.segments,
        }
    }

    /// The words of the text aligned with those of the reference.
    pub fn alignment(&self) -> Alignment {
        Alignment::of(&words(&self.reference), &words(&self.text))
    }

    /// The errors by kind.
    pub fn errors(&self) -> Errors {
        self.alignment().errors()
    }

    /// The errors for bootstrap intervals.
    pub fn score(&self) -> Score {
        let errors = self.errors();
        Score { errors: errors.total(), words: errors.words }
    }

    /// Whether no word was recognized.
    pub fn is_empty(&self) -> bool {
        words(&self.text).is_empty()
    }

    /// Whether the engine finds a segment doubtful.
    pub fn has_warning(&self) -> bool {
        self.segments.iter().any(|segment| segment.warning.is_some())
    }
}

/// Writes records, one JSON object a line.
///
/// # Errors
/// If the file cannot be written.
pub fn write(path: &Path, records: &[Record]) -> Result<()> {
    let file = std::fs::File::create(path).with_context(|| path.display().to_string())?;
    let mut out = BufWriter::new(file);
    for record in records {
        serde_json::to_writer(&mut out, record)?;
        writeln!(out)?;
    }
    out.flush().with_context(|| path.display().to_string())
}

/// Reads what [`write()`] wrote.
///
/// # Errors
/// If the file cannot be read or a line is no record.
pub fn read(path: &Path) -> Result<Vec<Record>> {
    let file = std::fs::File::open(path).with_context(|| path.display().to_string())?;
    let parse = |(number, line): (usize, std::io::Result<String>)| {
        serde_json::from_str(&line?).with_context(|| format!("{}: line {}", path.display(), number + 1))
    };
    BufReader::new(file).lines().enumerate().map(parse).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_written_is_read() {
        let folder = tempfile::tempdir().unwrap();
        let segment = Segment { start: 0.5, end: 1.0, text: "One.".into(), warning: Some("no_text".into()) };
        let record = Record {
            set: "bare".into(),
            id: "a".into(),
            speaker: "b".into(),
            reference: "one two".into(),
            text: "One.".into(),
            audio_s: 1.5,
            segments: vec![segment],
        };
        let path = folder.path().join("records.jsonl");
        write(&path, std::slice::from_ref(&record)).unwrap();
        assert_eq!(read(&path).unwrap(), std::slice::from_ref(&record));
        assert_eq!(record.score(), Score { errors: 1, words: 2 });
        assert!(record.has_warning() && !record.is_empty());
        std::fs::write(&path, "{}\n").unwrap();
        assert!(read(&path).unwrap_err().to_string().contains("line 1"));
    }
}
