//! The fields of a session, as clients name them.

use serde::Deserialize;
use serde_json::Value;

/// A session.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct SessionFields {
    #[serde(rename = "type")]
    pub(super) kind: String,
    pub(super) audio: AudioFields,
    #[serde(default)]
    pub(super) include: Option<Vec<String>>,
}

#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct AudioFields {
    pub(super) input: InputFields,
}

#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct InputFields {
    pub(super) format: Format,
    pub(super) noise_reduction: Option<Value>,
    pub(super) transcription: Option<TranscriptionFields>,
    pub(super) turn_detection: Option<TurnDetection>,
}

/// The format of the audio.
#[derive(Clone, Copy, Debug, Deserialize)]
#[serde(tag = "type", deny_unknown_fields)]
pub(super) enum Format {
    #[serde(rename = "audio/pcm")]
    Pcm { rate: Option<u32> },
    #[serde(rename = "audio/pcmu")]
    Pcmu {},
    #[serde(rename = "audio/pcma")]
    Pcma {},
}

#[derive(Clone, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(super) struct TranscriptionFields {
    pub(super) model: Option<String>,
    pub(super) language: Option<String>,
    pub(super) languages: Option<Vec<String>>,
    pub(super) prompt: Option<String>,
    pub(super) keywords: Option<Vec<String>>,
    pub(super) delay: Option<Delay>,
}

/// How long text may be waited for.
#[derive(Clone, Copy, Debug, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(super) enum Delay {
    Minimal,
    Low,
    Medium,
    High,
    Xhigh,
}

/// What says that a turn is over.
#[derive(Clone, Debug, Deserialize)]
#[serde(tag = "type", rename_all = "snake_case")]
pub(super) enum TurnDetection {
    ServerVad(ServerVad),
    SemanticVad(SemanticVad),
}

#[derive(Clone, Copy, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct ServerVad {
    pub(super) threshold: Option<f32>,
    pub(super) prefix_padding_ms: Option<u16>,
    pub(super) silence_duration_ms: Option<u16>,
    pub(super) idle_timeout_ms: Option<u32>,
    pub(super) create_response: Option<bool>,
    pub(super) interrupt_response: Option<bool>,
}

#[derive(Clone, Copy, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct SemanticVad {
    pub(super) eagerness: Option<Eagerness>,
    pub(super) create_response: Option<bool>,
    pub(super) interrupt_response: Option<bool>,
}

/// How soon a turn counts as over.
#[derive(Clone, Copy, Debug, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(super) enum Eagerness {
    Low,
    Medium,
    High,
    Auto,
}
