//! The start of an engine: what its models can do, then its lanes with their supervisor.

use super::super::EngineError;
use super::super::hotwords::HotwordCompiler;
use super::super::queue::OpenQueue;
use super::shutdown::drain;
use super::{Engine, rules};
use crate::audio::ENGINE_RATE_HZ;
use crate::config::{Config, Source, Topology};
use crate::fault_plan::FaultPlan;
use crate::gate::Gate;
use crate::lane::LaneSpec;
use crate::memory::MemoryPlan;
use crate::punctuation::Punctuation;
use crate::turn;
use crate::voice::Voice;
use crossbeam_channel::bounded;
use std::sync::Arc;
use std::sync::atomic::AtomicU64;
use voxlane_models::decode::Hotwords;
use voxlane_models::model::Model;
use voxlane_models::tokenizers::vocabulary::Vocabulary;
use voxlane_runtime::clock::Clock;
use voxlane_runtime::host::fork::Process;
use voxlane_runtime::host::{Root, memory};
use voxlane_runtime::supervisor::{LaneFactory, StartError, Supervisor};

impl Engine {
    /// Starts an engine with a model that is at hand. Returns when every thread is pinned, built and, unless
    /// warming is off, has run its first dummy pass.
    ///
    /// # Errors
    /// [`EngineError`] naming the field, the core or the stage at fault. Nothing is left running.
    pub fn with_model<M: Model>(
        config: impl Into<Source>,
        model: Arc<M>,
        vocabulary: Arc<dyn Vocabulary>,
    ) -> Result<Self, EngineError> {
        let source = config.into();
        let models = vec![model; source.config.lanes.len()];
        Self::with_models(source, models, vocabulary)
    }

    /// Like [`with_model`](Self::with_model), with a model for each lane.
    pub(crate) fn with_models<M: Model>(
        source: Source,
        models: Vec<Arc<M>>,
        vocabulary: Arc<dyn Vocabulary>,
    ) -> Result<Self, EngineError> {
        let mut rates = models.iter().map(|model| model.info().limits.sample_rate);
        if let Some(rate) = rates.find(|&rate| rate != ENGINE_RATE_HZ) {
            return Err(EngineError::SampleRate { rate });
        }
        let placements = source.placement(&Topology::of_host())?;
        let info = models.first().map(|model| model.info());
        let info = info.ok_or_else(|| EngineError::Model("no lane has a model".into()))?;
        let (compiler, hotwords, memory) = Self::check(&source, &models, &vocabulary)?;
        if let Some(limit) = memory::limit(&Root::system()) {
            memory.check(&source.config, limit)?;
        }
        let voice = Voice::load(source.config.endpoint.detector).map_err(EngineError::Detector)?;
        let turn = turn::load(source.config.endpoint.turn).map_err(EngineError::Turn)?;
        let punctuation = Arc::new(Punctuation::new(&*vocabulary));
        let reads_ends = punctuation.has_ends() && !info.is_streaming();
        let config = Arc::new(source.config);
        let clock = Clock::new();
        let faults = Arc::new(fault_plan(&config));
        let gates: Arc<[Gate]> = placements.iter().map(|_| Gate::closed()).collect();
        let factory = |(number, (placement, model))| {
            Box::new(LaneSpec {
                number,
                model,
                config: Arc::clone(&config),
                placement,
                clock: clock.clone(),
                faults: Arc::clone(&faults),
                voice: voice.clone(),
                turn: turn.clone(),
                punctuation: Arc::clone(&punctuation),
                gates: Arc::clone(&gates),
            }) as Box<dyn LaneFactory>
        };
        let factories = placements.into_iter().zip(models).enumerate().map(factory).collect();
        let process = Process::current();
        let supervisor = Supervisor::start(factories, config.supervise.watch(), clock.clone())
            .map_err(|StartError { lane, source }| EngineError::Lane { lane, source })?;
        let its_gates = Arc::clone(&gates);
        let (commands, inbox) = bounded(64);
        let handle = std::thread::Builder::new()
            .name("vox-supervise".into())
            .spawn(move || supervisor.run(&inbox, |limit, is_up| drain(&its_gates, limit, is_up)))
            .map_err(EngineError::Spawn)?;
        Ok(Engine {
            clock,
            gates,
            slots: config.lanes.iter().map(|lane| lane.slots).sum(),
            rules: config.stream_rules(),
            segment: config.segment,
            voice,
            hears_turns: turn.is_some(),
            reads_ends,
            vocabulary,
            model: config.model.clone(),
            info,
            memory,
            compiler,
            hotwords,
            commands,
            supervisor: Some(handle),
            streams: AtomicU64::new(0),
            queue: OpenQueue::new(config.open_queue),
            process,
        })
    }

    /// Whether the models can do what a configuration asks of them, what its hotwords are to them, and what the lanes take.
    pub(crate) fn check<M: Model>(
        source: &Source,
        models: &[Arc<M>],
        vocabulary: &Arc<dyn Vocabulary>,
    ) -> Result<(HotwordCompiler, Option<Arc<Hotwords>>, MemoryPlan), EngineError> {
        let config = &source.config;
        rules::check(source, models, &**vocabulary)?;
        let takes_hotwords = models.iter().all(|model| model.info().takes_hotwords);
        let vocabulary = takes_hotwords.then(|| Arc::clone(vocabulary));
        let compiler = HotwordCompiler { vocabulary, cap: config.hotword_cap };
        let hotwords = compiler.compile(&config.hotwords)?;
        Ok((compiler, hotwords, MemoryPlan::new(config, models)))
    }
}

#[cfg(feature = "fault-injection")]
fn fault_plan(config: &Config) -> FaultPlan {
    FaultPlan::new(config.fault.clone())
}

#[cfg(not(feature = "fault-injection"))]
fn fault_plan(_: &Config) -> FaultPlan {
    FaultPlan
}
