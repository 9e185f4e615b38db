//! Models by their names: what a configuration says in words becomes a model here, once, before an engine starts.

use crate::config::{Config, Source};
use crate::memory::{MemoryPlan, say_unlocked};
use crate::voice::Voice;
use crate::{Engine, EngineError};
use voxlane_models::families::{FAMILIES, LoadError, LoadOptions, ModelFamily, Recognizer, commands, find};
use voxlane_models::manager::{Manager, ManagerError, Options};

impl Engine {
    /// Starts an engine with the model that the configuration names, from the model manager's cache. Nothing
    /// is fetched: that is the business of `voxlane models fetch`, or of [`voxlane_models::manager`].
    ///
    /// # Errors
    /// As for [`with_model`](Self::with_model), and [`EngineError::Model`] if the model is missing or damaged.
    pub fn start(config: impl Into<Source>) -> Result<Self, EngineError> {
        Self::start_with(config, &manager()?, FAMILIES)
    }

    /// Starts an engine as [`start`](Self::start) does, with the models of a manager and the families of a table: a program may
    /// have families of its own beside [`FAMILIES`].
    ///
    /// # Errors
    /// As for [`start`](Self::start).
    pub fn start_with(
        config: impl Into<Source>,
        manager: &Manager,
        families: &[&dyn ModelFamily],
    ) -> Result<Self, EngineError> {
        let source = config.into();
        let residency = source.config.memory.residency();
        let (recognizer, unlocked) = residency.apply(|| load(&source.config, manager, families));
        say_unlocked("weights", unlocked);
        let Recognizer { models, vocabulary } = recognizer?;
        Self::with_models(source, models, vocabulary)
    }

    /// Checks that [`start`](Self::start) would find the model and the detector that a configuration names whole, and fit for
    /// all that it asks of them. Returns the memory that an engine would take, on whatever machine.
    ///
    /// # Errors
    /// As for [`start`](Self::start), but for those that come of cores and threads.
    pub fn check_model(config: impl Into<Source>) -> Result<MemoryPlan, EngineError> {
        let source = config.into();
        let Recognizer { models, vocabulary } = load(&source.config, &manager()?, FAMILIES)?;
        let (_, _, memory) = Engine::check(&source, &models, &vocabulary)?;
        Voice::load(source.config.endpoint.detector).map_err(EngineError::Detector)?;
        Ok(memory)
    }
}

fn manager() -> Result<Manager, EngineError> {
    Manager::new(Options::default()).map_err(model_error)
}

/// Loads the model that `config` names.
fn load(
    config: &Config,
    manager: &Manager,
    families: &[&dyn ModelFamily],
) -> Result<Recognizer, EngineError> {
    let options = LoadOptions {
        precision: config.precision,
        decode: config.decode,
        backend: config.backend,
        device: config.device,
        devices: config.lanes.iter().map(|lane| lane.device).collect(),
    };
    if config.model == commands::NAME {
        return commands::recognize(&options).map_err(|error| load_error(error, config));
    }
    let entry = manager.entry(&config.model).map_err(unknown_model)?;
    let family = find(families, &entry.architecture).ok_or_else(|| {
        let known = families.iter().map(|family| family.name()).collect::<Vec<_>>().join(", ");
        let (name, family) = (&entry.name, &entry.architecture);
        EngineError::Model(
            format!("model {name}: unknown family (expected one of {known}, found {family})").into(),
        )
    })?;
    // What is asked for is judged before files are looked for.
    family.check(&options).map_err(|error| load_error(error, config))?;
    let files = manager.path(&config.model).map_err(unknown_model)?;
    // A warning, so that it is seen by default: the first start takes longer.
    let mut note = |note: &str| tracing::warn!("{note}");
    family.load(&files, &options, &mut note).map_err(|error| load_error(error, config))
}

/// The error with what the configuration says.
fn load_error(error: LoadError, config: &Config) -> EngineError {
    let (name, backend) = (config.model.clone(), config.backend);
    match error {
        LoadError::NoRecognizer => EngineError::NoRecognizer { name },
        LoadError::Decode { reason } => EngineError::Decode { decode: config.decode, name, reason },
        LoadError::NoBackend => EngineError::NoBackend { name, backend },
        LoadError::NotBuilt { features } => {
            EngineError::NotBuilt { backend, fusion: config.device.fusion, features }
        }
        LoadError::Device(error) => EngineError::Device(error),
        LoadError::Model(error) => EngineError::Model(error),
        error => EngineError::Model(Box::new(error)),
    }
}

fn unknown_model(error: ManagerError) -> EngineError {
    match error {
        ManagerError::UnknownModel { name, known } => {
            EngineError::UnknownModel { name, known: known.join(", ") }
        }
        error => model_error(error),
    }
}

fn model_error(error: impl std::error::Error + Send + Sync + 'static) -> EngineError {
    EngineError::Model(Box::new(error))
}
