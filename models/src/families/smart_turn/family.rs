//! The Smart Turn network, which the model manager fetches and [`turn`](crate::turn) runs.

use crate::families::load::{LoadError, LoadOptions, ModelFamily, Recognizer};
use crate::manager::ModelFiles;

/// The Smart Turn network: one ONNX file. It gives no text.
#[derive(Clone, Copy, Debug)]
pub struct SmartTurnFamily;

impl ModelFamily for SmartTurnFamily {
    fn name(&self) -> &'static str {
        "smart-turn"
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
