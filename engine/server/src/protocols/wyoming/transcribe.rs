//! A request for an utterance to be transcribed.

use serde::Deserialize;
use serde_json::{Map, Value};

/// The fields of `transcribe`. What it has beside these is passed over, as the protocol has it.
#[derive(Clone, Debug, Default, PartialEq, Deserialize)]
#[serde(default)]
pub struct Transcribe {
    /// The model.
    pub name: Option<String>,
    /// The language that is spoken.
    pub language: Option<String>,
    /// What the answers are to bring back.
    pub context: Option<Map<String, Value>>,
    /// How soon the end of a command is to be found.
    pub vad_sensitivity: Option<String>,
    /// Names that may be said. They come before the terms.
    pub transcript_names: Option<Vec<String>>,
    /// Terms that may be said.
    pub transcript_terms: Option<Vec<String>>,
}
