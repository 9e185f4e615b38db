//! What was heard in a recording.

use super::segment::Segment;
use anyhow::{Result, bail};
use voxlane::{Event, Word};

/// What was heard in a recording.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Heard {
    /// In order.
    pub segments: Vec<Segment>,
    /// The words of all segments, where the model gives their times.
    pub words: Vec<Word>,
}

impl Heard {
    /// The text of all segments.
    pub fn text(&self) -> String {
        let texts = self.segments.iter().map(|segment| segment.text.as_str());
        texts.filter(|text| !text.is_empty()).collect::<Vec<_>>().join(" ")
    }

    /// Takes what the engine says.
    pub(super) fn take(&mut self, event: Event) -> Result<()> {
        match event {
            Event::Final(said) => {
                self.segments.push(Segment {
                    start: said.start,
                    end: said.end,
                    text: said.text.trim().to_owned(),
                    warning: said.warning.map(|warning| warning.to_string()),
                });
                self.words.extend(said.words);
            }
            Event::Error { error, .. } if !error.is_notice() => bail!(error),
            _ => {}
        }
        Ok(())
    }
}
