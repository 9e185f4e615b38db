//! A family of models of a program's own: a network of 280 weights in a file, whose tokens say how the loudness of each 20 ms
//! runs. It is right if it says what [`reference`] says.

mod network;

pub use network::{SIZE, Weights, reference};

use network::Toy;
use std::fmt::Write as _;
use std::sync::Arc;
use voxlane_models::families::{LoadError, LoadOptions, ModelFamily, Recognizer};
use voxlane_models::manager::ModelFiles;
use voxlane_models::tokenizers::vocabulary::Vocabulary;

/// What the file of weights is called in the cache.
pub const FILE: &str = "toy.weights";

/// See the module.
pub struct ToyFamily;

impl ModelFamily for ToyFamily {
    fn name(&self) -> &'static str {
        "toy"
    }

    fn check(&self, options: &LoadOptions) -> Result<(), LoadError> {
        options.on_processor()
    }

    fn load(
        &self,
        files: &ModelFiles,
        options: &LoadOptions,
        _: &mut dyn FnMut(&str),
    ) -> Result<Recognizer, LoadError> {
        let bytes = std::fs::read(files.path(FILE)).map_err(|error| LoadError::Model(error.into()))?;
        let weights = Weights::parse(&bytes).ok_or_else(|| {
            LoadError::Model(format!("{FILE}: {} bytes (expected {SIZE})", bytes.len()).into())
        })?;
        Ok(Recognizer::shared(Toy(Arc::new(weights)), Arc::new(Numbers), options))
    }
}

/// Ids as words.
struct Numbers;

impl Vocabulary for Numbers {
    fn text(&self, ids: &[u32]) -> String {
        ids.iter().fold(String::new(), |mut text, id| {
            write!(text, " {id}").unwrap();
            text
        })
    }

    fn begins_word(&self, _: u32) -> bool {
        true
    }
}
