//! What a family of models is to the rest of the program.

use crate::decode::DecodeKind;
use crate::device::{Backend, DeviceOptions};
use crate::dynamic::DynModel;
use crate::families::prepare::PrepareError;
use crate::formats::packed::{Origin, PackedError, PackedFile};
use crate::layers::linear::Precision;
use crate::manager::ModelFiles;
use crate::model::Model;
use crate::tokenizers::vocabulary::Vocabulary;
use std::path::PathBuf;
use std::sync::Arc;
use thiserror::Error;

/// How a model is to be loaded.
#[derive(Clone, Debug)]
pub struct LoadOptions {
    /// Number format of the weights on the processor.
    pub precision: Precision,
    /// How tokens are found.
    pub decode: DecodeKind,
    /// What the network runs on.
    pub backend: Backend,
    /// How it runs on a device.
    pub device: DeviceOptions,
    /// The device of each lane, by its number.
    pub devices: Vec<usize>,
}

impl LoadOptions {
    /// # Errors
    /// [`LoadError::NoBackend`] unless the processor is wanted.
    pub fn on_processor(&self) -> Result<(), LoadError> {
        if self.backend == Backend::Cpu { Ok(()) } else { Err(LoadError::NoBackend) }
    }
}

/// A model that turns speech into text, loaded.
pub struct Recognizer {
    /// A model for each lane.
    pub models: Vec<Arc<DynModel>>,
    /// Tokens → text.
    pub vocabulary: Arc<dyn Vocabulary>,
}

impl Recognizer {
    /// One model for all lanes.
    pub fn shared(model: impl Model, vocabulary: Arc<dyn Vocabulary>, options: &LoadOptions) -> Self {
        let model = Arc::new(DynModel::new(Arc::new(model)));
        Recognizer { models: vec![model; options.devices.len()], vocabulary }
    }
}

/// Why a model is not loaded.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum LoadError {
    /// Models of the family do not turn speech into text.
    #[error("model: does not turn speech into text")]
    NoRecognizer,
    /// It is not decoded in the way that is asked for.
    #[error("decode: not possible with the model: {reason}")]
    Decode {
        /// Why not.
        reason: &'static str,
    },
    /// It does not run on the backend.
    #[error("backend: the model runs on the processor only")]
    NoBackend,
    /// The backend is not built in.
    #[error("backend: not built in (expected a build with --features {features})")]
    NotBuilt {
        /// The Cargo features that build it in.
        features: String,
    },
    /// The device is not there or cannot be used.
    #[error("{0}")]
    Device(Box<dyn std::error::Error + Send + Sync>),
    /// Its files are missing or damaged.
    #[error("{0}")]
    Model(Box<dyn std::error::Error + Send + Sync>),
}

impl LoadError {
    /// The backend that is wanted is not built in.
    pub(super) fn not_built(options: &LoadOptions) -> Self {
        let (backend, fusion) = (options.backend, options.device.fusion);
        LoadError::NotBuilt {
            features: if fusion { format!("{backend},fusion") } else { backend.to_string() },
        }
    }
}

impl From<PrepareError> for LoadError {
    fn from(error: PrepareError) -> Self {
        LoadError::Model(Box::new(error))
    }
}

/// A kind of model.
pub trait ModelFamily: Sync {
    /// What manifests call it.
    fn name(&self) -> &'static str;

    /// Whether its models turn speech into text.
    fn is_recognizer(&self) -> bool {
        true
    }

    /// Whether its models take audio in chunks and never go back.
    fn is_streaming(&self) -> bool {
        false
    }

    /// Whether its models are packed into one file that is read at start.
    fn is_packed(&self) -> bool {
        false
    }

    /// Whether its models can do what is asked; judged before their files are looked for.
    ///
    /// # Errors
    /// [`LoadError`] saying what they cannot do.
    fn check(&self, options: &LoadOptions) -> Result<(), LoadError>;

    /// Loads a model; `note` hears what takes long or is done anew.
    ///
    /// # Errors
    /// [`LoadError`].
    fn load(
        &self,
        files: &ModelFiles,
        options: &LoadOptions,
        note: &mut dyn FnMut(&str),
    ) -> Result<Recognizer, LoadError>;

    /// Packs a model anew and says where, if models of the family are packed.
    ///
    /// # Errors
    /// [`PrepareError`].
    fn pack(&self, files: &ModelFiles, _precision: Precision) -> Result<PathBuf, PrepareError> {
        Err(PrepareError::NotPackable { model: files.model().to_owned() })
    }

    /// Whether a packed file holds what it should.
    ///
    /// # Errors
    /// [`PackedError`].
    fn check_packed(&self, _file: &PackedFile, _origin: &Origin) -> Result<(), PackedError> {
        Err(PackedError::Fields("models of this family are not packed"))
    }
}
