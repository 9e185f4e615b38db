//! What a stream asks of its decoder.

use super::hotwords::Hotwords;
use std::sync::Arc;

/// What becomes of what is said.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Task {
    /// It is written down in its own language.
    #[default]
    Transcribe,
    /// It is translated into English.
    Translate,
}

/// What a stream asks of its decoder beside the words. Made once, shared, never changed.
#[derive(Clone, Debug, Default)]
#[non_exhaustive]
pub struct DecodeOptions {
    /// What is spoken: one of the languages of the model's `ModelInfo`. None: the model finds out, or has one only.
    pub language: Option<&'static str>,
    /// What is to be done.
    pub task: Task,
    /// Tokens of what was said before, which the text goes on from.
    pub prompt: Vec<u32>,
    /// Phrases to listen for.
    pub hotwords: Option<Arc<Hotwords>>,
}

impl DecodeOptions {
    /// Whether nothing is asked.
    pub fn is_empty(&self) -> bool {
        self.language.is_none()
            && self.task == Task::Transcribe
            && self.prompt.is_empty()
            && self.hotwords.is_none()
    }
}
