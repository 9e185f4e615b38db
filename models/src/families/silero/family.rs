//! The Silero voice activity detector, which the model manager fetches and [`voice`](crate::voice) loads.

use crate::families::load::{LoadError, LoadOptions, ModelFamily, Recognizer};
use crate::manager::ModelFiles;

/// The Silero voice activity detector: one ONNX file. It gives no text.
#[derive(Clone, Copy, Debug)]
pub struct SileroVad;

impl ModelFamily for SileroVad {
    fn name(&self) -> &'static str {
        "silero-vad"
    }

    fn is_recognizer(&self) -> bool {
        false
    }

    fn check(&self, _: &LoadOptions) -> Result<(), LoadError> {
        Err(LoadError::NoRecognizer)
    }

    fn load(
        &self,
        _: &ModelFiles,
        _: &LoadOptions,
        _: &mut dyn FnMut(&str),
    ) -> Result<Recognizer, LoadError> {
        Err(LoadError::NoRecognizer)
    }
}
