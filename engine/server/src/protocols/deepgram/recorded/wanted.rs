//! What a client wants of a recording.

use crate::protocols::deepgram::options::{Query, language, phrases};
use crate::protocols::deepgram::{model, refusal::Refusal};
use crate::recording::RecordingOptions;
use voxlane::Engine;

/// What a client wants.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Wanted {
    /// What the engine is asked for.
    pub(super) options: RecordingOptions,
    /// Whether each channel has its own text.
    pub(super) is_multichannel: bool,
    pub(super) utterances: bool,
    pub(super) paragraphs: bool,
    pub(super) tags: Vec<String>,
    pub(super) extra: Vec<String>,
}

impl Wanted {
    /// Reads a query.
    ///
    /// # Errors
    /// [`Refusal`] naming the option.
    pub(super) fn of(query: &mut Query, engine: &Engine) -> Result<Self, Refusal> {
        if let Some(name) = query.one("model").filter(|name| !name.is_empty()) {
            model::check(engine, name)?;
        }
        for name in ["punctuate", "detect_language"] {
            query.flag(name)?;
        }
        let options = RecordingOptions {
            language: language(query, engine)?,
            hotwords: phrases(query, engine),
            ..RecordingOptions::default()
        };
        Ok(Wanted {
            options,
            is_multichannel: query.flag("multichannel")?,
            utterances: query.flag("utterances")?,
            paragraphs: query.flag("paragraphs")? || query.flag("smart_format")?,
            tags: query.all("tag").map(str::to_owned).collect(),
            extra: query.all("extra").map(str::to_owned).collect(),
        })
    }
}
