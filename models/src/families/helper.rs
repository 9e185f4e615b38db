//! Families of models that give no text: what listens beside a recognizer.

use super::load::{LoadError, LoadOptions, ModelFamily, Recognizer};
use crate::manager::ModelFiles;

/// A family by its name in manifests, whose models the manager fetches and the engine loads by itself.
#[derive(Clone, Copy, Debug)]
pub struct Helper(pub &'static str);

impl ModelFamily for Helper {
    fn name(&self) -> &'static str {
        self.0
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
