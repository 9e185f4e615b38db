//! The combinations of model and decode strategy that are compiled: named here and nowhere else. What a configuration says in
//! words becomes types here, once, before an engine starts.

use crate::config::Source;
use crate::memory::{MemoryPlan, say_unlocked};
use crate::voice::Voice;
use crate::{Engine, EngineError};

impl Engine {
    /// Starts an engine with the model that the configuration names, from the model manager's cache. Nothing
    /// is fetched: that is the business of `voxlane models fetch`, or of [`voxlane_models::manager`].
    ///
    /// # Errors
    /// As for [`with_model`](Self::with_model), and [`EngineError::Model`] if the model is missing or damaged.
    pub fn start(config: impl Into<Source>) -> Result<Self, EngineError> {
        let source = config.into();
        let (loaded, unlocked) = source.config.memory.residency().apply(|| models::load(&source.config));
        say_unlocked("weights", unlocked);
        (loaded?.start)(source)
    }

    /// Loads the model and the detector that a configuration names and lets them go again: whether
    /// [`start`](Self::start) would find them whole, and fit for all that the configuration asks of them. The memory that
    /// an engine would take, on whatever machine.
    ///
    /// # Errors
    /// As for [`start`](Self::start), but for those that come of cores and threads.
    pub fn check_model(config: impl Into<Source>) -> Result<MemoryPlan, EngineError> {
        let source = config.into();
        let memory = (models::load(&source.config)?.check)(&source)?;
        Voice::load(source.config.endpoint.detector).map_err(EngineError::Detector)?;
        Ok(memory)
    }
}

mod models {
    use crate::config::{Backend, Config, DecodeKind, Source};
    use crate::memory::MemoryPlan;
    use crate::{Engine, EngineError};
    use std::sync::Arc;
    use voxlane_models::checkpoint::SentencePiece;
    use voxlane_models::commands;
    use voxlane_models::decode::{
        AttentionVerified, CtcGreedy, CtcPrefixBeam, StreamStrategy, TransducerBeam, TransducerGreedy,
    };
    use voxlane_models::emformer::Emformer;
    use voxlane_models::emformer::heads::Heads;
    use voxlane_models::manager::{Architecture, Manager, ManagerError, ModelFiles, Options};
    use voxlane_models::model::Model;
    use voxlane_models::moonshine::Moonshine;
    use voxlane_models::prepare::{Prepared, prepare};
    use voxlane_models::tokenizer::Tokenizer;
    use voxlane_models::vocabulary::Vocabulary;

    type Check = dyn Fn(&Source) -> Result<MemoryPlan, EngineError>;
    type Start = dyn FnOnce(Source) -> Result<Engine, EngineError>;

    /// A model that has been loaded, with its type hidden.
    pub(crate) struct Loaded {
        /// Whether it can do what a configuration asks of it.
        pub(crate) check: Box<Check>,
        /// Starts an engine with it.
        pub(crate) start: Box<Start>,
    }

    impl Loaded {
        /// A model for each lane.
        fn new<M: Model>(models: Vec<Arc<M>>, vocabulary: Arc<dyn Vocabulary>) -> Self {
            let (its_models, its_vocabulary) = (models.clone(), Arc::clone(&vocabulary));
            Loaded {
                check: Box::new(move |source| {
                    Engine::check(source, &its_models, &its_vocabulary).map(|(_, _, memory)| memory)
                }),
                start: Box::new(|source| Engine::with_models(source, models, vocabulary)),
            }
        }

        /// One for all lanes of `config`.
        fn shared<M: Model>(model: M, vocabulary: Arc<dyn Vocabulary>, config: &Config) -> Self {
            let model = Arc::new(model);
            Loaded::new(vec![model; config.lanes.len()], vocabulary)
        }
    }

    /// Loads the model that `config` names.
    pub(crate) fn load(config: &Config) -> Result<Loaded, EngineError> {
        if config.model == commands::NAME {
            on_processor(config)?;
            let (model, tokens) = commands::load(config.precision).map_err(model_error)?;
            return emformer(model, tokens, config);
        }
        // What is asked for is judged before files are looked for.
        let manager = Manager::new(Options::default()).map_err(model_error)?;
        let architecture = manager.entry(&config.model).map_err(unknown_model)?.architecture;
        let files = || manager.path(&config.model).map_err(unknown_model);
        match architecture {
            Architecture::Moonshine => moonshine(files, config),
            Architecture::EmformerRnnt => {
                on_processor(config)?;
                let (model, tokens) = packed(&files()?, config)?;
                emformer(model, tokens, config)
            }
            Architecture::SileroVad => Err(EngineError::NoRecognizer { name: config.model.clone() }),
        }
    }

    fn moonshine(
        files: impl Fn() -> Result<ModelFiles, EngineError>,
        config: &Config,
    ) -> Result<Loaded, EngineError> {
        if config.decode != DecodeKind::Greedy {
            return Err(not_decodable(config, "it is decoded greedily"));
        }
        if config.backend != Backend::Cpu {
            return on_device(files, config);
        }
        let (model, vocabulary): (Moonshine<AttentionVerified>, Tokenizer) = packed(&files()?, config)?;
        Ok(Loaded::shared(model, Arc::new(vocabulary), config))
    }

    /// `word => strategy` for the transducers.
    macro_rules! strategies {
        ($($word:path => $strategy:ty),+ $(,)?) => {
            /// An Emformer, decoded as `config` says.
            fn emformer(
                model: Emformer,
                tokens: SentencePiece,
                config: &Config,
            ) -> Result<Loaded, EngineError> {
                match config.decode {
                    $($word if <$strategy as StreamStrategy<Heads>>::NEEDS_CTC && !model.has_ctc() => {
                        Err(not_decodable(config, "it has no CTC head"))
                    })+
                    $($word => {
                        Ok(Loaded::shared(model.decoded_by::<$strategy>(), Arc::new(tokens), config))
                    })+
                }
            }
        };
    }

    strategies! {
        DecodeKind::Greedy => TransducerGreedy,
        DecodeKind::Beam => TransducerBeam<4>,
        DecodeKind::CtcGreedy => CtcGreedy,
        DecodeKind::CtcBeam => CtcPrefixBeam<4>,
    }

    fn not_decodable(config: &Config, reason: &'static str) -> EngineError {
        EngineError::Decode { decode: config.decode, name: config.model.clone(), reason }
    }

    /// An error unless `config` wants the processor, where alone this kind of network runs.
    fn on_processor(config: &Config) -> Result<(), EngineError> {
        let (name, backend) = (config.model.clone(), config.backend);
        if backend == Backend::Cpu { Ok(()) } else { Err(EngineError::NoBackend { name, backend }) }
    }

    fn packed<T: Prepared>(files: &ModelFiles, config: &Config) -> Result<T, EngineError> {
        // A warning, so that it is seen by default: the first start takes longer.
        let mut note = |note: &str| tracing::warn!("{note}");
        prepare(files, config.precision, &mut note).map_err(model_error)
    }

    /// `feature: backend, fusion => type` for the backends of Burn.
    macro_rules! backends {
        ($(#[$built:meta] $backend:path, $fusion:literal => $burn:ty),+ $(,)?) => {
            /// Loads a Moonshine onto the devices that `config` names.
            #[cfg_attr(not(feature = "burn"), expect(unused_variables, reason = "no backend is built in"))]
            fn on_device(
                files: impl Fn() -> Result<ModelFiles, EngineError>,
                config: &Config,
            ) -> Result<Loaded, EngineError> {
                let (backend, fusion) = (config.backend, config.device.fusion);
                match (backend, fusion) {
                    $(#[$built] ($backend, $fusion) => load_on_burn::<$burn>(&files()?, config),)+
                    _ => {
                        let features = if fusion { format!("{backend},fusion") } else { backend.to_string() };
                        Err(EngineError::NotBuilt { backend, fusion, features })
                    }
                }
            }
        };
    }

    backends! {
        #[cfg(feature = "flex")] Backend::Flex, false => platform::Flex,
        #[cfg(feature = "wgpu")] Backend::Wgpu, false => platform::Wgpu,
        #[cfg(all(feature = "wgpu", feature = "fusion"))] Backend::Wgpu, true => platform::FusedWgpu,
        #[cfg(feature = "cuda")] Backend::Cuda, false => platform::Cuda,
        #[cfg(all(feature = "cuda", feature = "fusion"))] Backend::Cuda, true => platform::FusedCuda,
    }

    #[cfg(feature = "burn")]
    use {
        std::collections::{BTreeMap, btree_map::Entry},
        voxlane_models::burn::{BurnMoonshine, platform},
        voxlane_models::prepare::import_moonshine,
    };

    /// Puts the weights onto every device that a lane names, and runs all shapes once.
    #[cfg(feature = "burn")]
    fn load_on_burn<B: platform::Platform>(
        files: &ModelFiles,
        config: &Config,
    ) -> Result<Loaded, EngineError> {
        let (weights, vocabulary) = import_moonshine(files).map_err(model_error)?;
        platform::keep_tuning_in(&files.dir().join("tuning"));
        let mut devices = BTreeMap::new();
        for index in config.lanes.iter().map(|lane| lane.device) {
            if let Entry::Vacant(place) = devices.entry(index) {
                let device = B::device(index, config.device.float)
                    .map_err(|error| EngineError::Device(Box::new(error)))?;
                let model = BurnMoonshine::<B>::new(&weights, &device, config.device);
                let took = model.warm_up();
                tracing::info!(
                    backend = B::NAME, index, float = %config.device.float, batch = config.device.batch,
                    fusion = config.device.fusion, attention = "plain", "all shapes ran in {took:.1?}"
                );
                place.insert(Arc::new(model));
            }
        }
        let models = config.lanes.iter().map(|lane| Arc::clone(&devices[&lane.device])).collect();
        Ok(Loaded::new(models, Arc::new(vocabulary)))
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
}
