//! The engine: lanes, their supervisor, and the streams they serve.

use super::hotwords::HotwordCompiler;
use super::queue::{OpenQueue, Refused};
use super::{EngineError, OpenError, Stream, StreamError, StreamOptions, Task};
use crate::audio::ENGINE_RATE_HZ;
use crate::audio::resample::Resampler;
use crate::config::{Config, ConfigError, InvalidField, Source, StreamRules, Topology, TurnRule};
use crate::fault_plan::FaultPlan;
use crate::gate::{Admission, Gate, LaneState};
use crate::lane::LaneSpec;
use crate::memory::MemoryPlan;
use crate::punctuation::Punctuation;
use crate::telemetry::Report;
use crate::turn;
use crate::voice::Voice;
use crossbeam_channel::{Sender, bounded};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};
use voxlane_models::decode::{DecodeOptions, Hotwords};
use voxlane_models::model::{Model, ModelInfo};
use voxlane_models::tokenizers::vocabulary::Vocabulary;
use voxlane_runtime::clock::{Clock, Time};
use voxlane_runtime::host::fork::Process;
use voxlane_runtime::host::{Root, memory};
use voxlane_runtime::supervisor::{
    Command, LONGEST_SHUTDOWN, LaneFactory, ShutdownReport, StartError, Supervisor,
};

/// How long threads may take to end after a shutdown's deadline.
const END_LIMIT: Duration = Duration::from_secs(1);

/// How long dropping an engine waits for what is open.
const DROP_DEADLINE: Duration = Duration::from_secs(5);

/// How often a shutdown looks whether streams have ended.
const POLL: Duration = Duration::from_micros(500);

/// The longest text that a stream may go on from.
const MAX_PROMPT_BYTES: usize = 4096;

/// A rule that only networks that take audio in chunks can keep.
const BLANK_FIELD: &str = "endpoint.blank_ms";
const BLANK_ALLOWED: &str = "must be 0, because the model does not take audio in chunks";

/// A rule that networks that take audio in chunks cannot keep: their text of a pause lacks what they look ahead for.
const EAGER_FIELD: &str = "endpoint.eager_threshold";
const EAGER_ALLOWED: &str = "must be 0, because the model takes audio in chunks";

/// A rule for which lanes keep memory.
const CONTEXT_FIELD: &str = "endpoint.context_s";

/// A rule that only networks with punctuation can keep, and one that takes a network of its own.
const TURN_FIELD: &str = "endpoint.turn";
const TURN_TEXT: &str = "must be \"off\" or \"audio\", because the model writes no punctuation";
const TURN_AUDIO: &str =
    "must be \"off\" or \"text\", because the engine was not started with \"audio\" or \"both\"";

/// A running engine. Dropping it shuts it down with a deadline of five seconds.
///
/// ```
/// use std::time::Duration;
/// use voxlane::{Config, Engine, Event, StreamOptions};
///
/// // The model `commands` is part of the library; others are fetched once, by `voxlane models fetch NAME`.
/// let engine = Engine::start(Config { model: "commands".into(), ..Config::default() })?;
/// let mut stream = engine.open(StreamOptions::new(16_000))?;
/// stream.push_wait(&[0_i16; 16_000])?; // a second of silence, in place of a microphone
/// stream.finish()?;
///
/// let mut texts = Vec::new();
/// while !stream.is_closed() {
///     if let Some(Event::Final(said)) = stream.next_timeout(Duration::from_secs(1)) {
///         texts.push(said.text);
///     }
/// }
/// assert_eq!(texts, [""], "one segment, in which nobody speaks");
/// assert_eq!(engine.shutdown(Duration::from_secs(5)).cut_streams, 0);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub struct Engine {
    clock: Clock,
    gates: Arc<[Gate]>,
    slots: usize,
    rules: StreamRules,
    voice: Voice,
    /// Whether there is a network that hears whether a speaker has finished.
    hears_turns: bool,
    /// Whether the models' text says where sentences end.
    reads_ends: bool,
    vocabulary: Arc<dyn Vocabulary>,
    info: ModelInfo,
    memory: MemoryPlan,
    compiler: HotwordCompiler,
    /// What streams listen for that bring nothing of their own.
    hotwords: Option<Arc<Hotwords>>,
    commands: Sender<Command>,
    supervisor: Option<JoinHandle<()>>,
    streams: AtomicU64,
    queue: OpenQueue,
    process: Process,
}

/// A stream that has yet to find a slot.
struct Opening {
    resampler: Resampler,
    rules: StreamRules,
    asked: DecodeOptions,
}

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
            voice,
            hears_turns: turn.is_some(),
            reads_ends,
            vocabulary,
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
        if config.endpoint.blank_ms > 0 && !models.iter().all(|model| model.info().is_streaming()) {
            let (at, value) = (source.locate(None), config.endpoint.blank_ms.to_string());
            let message = BLANK_ALLOWED.to_owned();
            return Err(ConfigError::Value { at, field: BLANK_FIELD, value, message }.into());
        }
        if config.endpoint.eager_threshold > 0.0 && models.iter().any(|model| model.info().is_streaming()) {
            let (at, value) = (source.locate(None), config.endpoint.eager_threshold.to_string());
            let message = EAGER_ALLOWED.to_owned();
            return Err(ConfigError::Value { at, field: EAGER_FIELD, value, message }.into());
        }
        let reads_ends = || {
            let is_chunked = models.iter().any(|model| model.info().is_streaming());
            !is_chunked && Punctuation::new(&**vocabulary).has_ends()
        };
        if config.endpoint.turn == TurnRule::Text && !reads_ends() {
            let (at, value) = (source.locate(None), config.endpoint.turn.name().to_owned());
            let message = TURN_TEXT.to_owned();
            return Err(ConfigError::Value { at, field: TURN_FIELD, value, message }.into());
        }
        let takes_hotwords = models.iter().all(|model| model.info().takes_hotwords);
        let vocabulary = takes_hotwords.then(|| Arc::clone(vocabulary));
        let compiler = HotwordCompiler { vocabulary, cap: config.hotword_cap };
        let hotwords = compiler.compile(&config.hotwords)?;
        Ok((compiler, hotwords, MemoryPlan::new(config, models)))
    }

    /// Opens a stream in the lane with the most free slots.
    ///
    /// # Errors
    /// [`OpenError::Saturated`] if there is no free slot, or others [wait](Self::open_within) for one; [`OpenError::Down`] if no lane
    /// serves; never waits. Otherwise what is wrong with the options.
    pub fn open(&self, options: StreamOptions) -> Result<Stream, OpenError> {
        let opening = self.prepare(options)?;
        let admission = if self.queue.is_empty() { self.admit() } else { None };
        self.enter(opening, admission.ok_or_else(|| self.refusal())?)
    }

    /// Opens a stream, and waits for a slot if there is none: until a stream has ended or a lane is up again, for `limit` at
    /// most, behind those that came before. Blocks the calling thread.
    ///
    /// # Errors
    /// As for [`open`](Self::open); a missing slot is an error only after `limit`; [`OpenError::QueueFull`] at once if `open_queue`
    /// clients wait already.
    ///
    /// ```
    /// # use std::time::Duration;
    /// # use voxlane::config::LaneConfig;
    /// # use voxlane::{Config, Engine, OpenError, StreamOptions};
    /// let lanes = vec![LaneConfig::with_slots(1)];
    /// let engine = Engine::start(Config { model: "commands".into(), lanes, ..Config::default() })?;
    /// let stream = engine.open_within(StreamOptions::new(8_000), Duration::from_secs(2))?;
    /// let second = engine.open_within(StreamOptions::new(8_000), Duration::from_millis(1));
    /// assert!(matches!(second, Err(OpenError::Saturated { slots: 1 })));
    /// drop(stream);
    /// assert!(engine.open_within(StreamOptions::new(8_000), Duration::from_secs(60)).is_ok());
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn open_within(&self, options: StreamOptions, limit: Duration) -> Result<Stream, OpenError> {
        let opening = self.prepare(options)?;
        if self.queue.is_empty()
            && let Some(admission) = self.admit()
        {
            return self.enter(opening, admission);
        }
        let deadline = Instant::now() + limit.min(LONGEST_SHUTDOWN);
        let attempt = || match self.admit() {
            Some(admission) => Some(Ok(admission)),
            None => Some(self.refusal()).filter(|refusal| matches!(refusal, OpenError::ShutDown)).map(Err),
        };
        match self.queue.wait(deadline, attempt) {
            Ok(admission) => self.enter(opening, admission?),
            Err(Refused::Late) => Err(self.refusal()),
            Err(Refused::Full) => Err(OpenError::QueueFull { waiting: self.queue.limit() }),
        }
    }

    /// Checks a stream's options and makes ready what it needs.
    fn prepare(&self, options: StreamOptions) -> Result<Opening, OpenError> {
        if !self.process.is_current() {
            return Err(StreamError::Forked.into());
        }
        let resampler = Resampler::new(options.sample_rate).map_err(StreamError::from)?;
        let mut rules = StreamRules {
            endpoint: options.endpoint.unwrap_or(self.rules.endpoint),
            partial: options.partial.unwrap_or(self.rules.partial),
            class: options.class,
        };
        if let Some(InvalidField { field, value, rule, .. }) = rules.endpoint.fault() {
            return Err(OpenError::Rules { field, value, allowed: rule });
        }
        if rules.endpoint.blank_ms > 0 && !self.info.is_streaming() {
            let (field, value) = (BLANK_FIELD, rules.endpoint.blank_ms.to_string());
            return Err(OpenError::Rules { field, value, allowed: BLANK_ALLOWED.to_owned() });
        }
        if rules.endpoint.turn == TurnRule::Both && !self.reads_ends {
            rules.endpoint.turn = TurnRule::Audio;
        }
        if rules.endpoint.eager_threshold > 0.0 && self.info.is_streaming() {
            let (value, allowed) = (rules.endpoint.eager_threshold.to_string(), EAGER_ALLOWED.to_owned());
            return Err(OpenError::Rules { field: EAGER_FIELD, value, allowed });
        }
        let (context, most) = (rules.endpoint.context_s, self.rules.endpoint.context_s);
        if context > most {
            let allowed = format!("must be at most {most}, with which the engine was started");
            return Err(OpenError::Rules { field: CONTEXT_FIELD, value: context.to_string(), allowed });
        }
        let turn = rules.endpoint.turn;
        let refused = [
            (turn.reads_text() && !self.reads_ends, TURN_TEXT),
            (turn.hears_audio() && !self.hears_turns, TURN_AUDIO),
        ];
        if let Some((_, allowed)) = refused.into_iter().find(|(is_refused, _)| *is_refused) {
            let (value, allowed) = (turn.name().to_owned(), allowed.to_owned());
            return Err(OpenError::Rules { field: TURN_FIELD, value, allowed });
        }
        if !self.voice.serves(&rules.endpoint) {
            let (wanted, has) = (rules.endpoint.detector, self.voice.kind());
            return Err(OpenError::Detector { wanted, has });
        }
        let mut asked = self.asked(&options)?;
        asked.hotwords = match &options.hotwords {
            Some(phrases) => self.compiler.compile(phrases).map_err(StreamError::from)?,
            None => self.hotwords.clone(),
        };
        Ok(Opening { resampler, rules, asked })
    }

    /// What a stream asks of its decoder beside hotwords, if the model can do it.
    fn asked(&self, options: &StreamOptions) -> Result<DecodeOptions, OpenError> {
        let mut asked = DecodeOptions::default();
        if let Some(language) = &options.language {
            let known =
                self.info.languages.iter().copied().find(|known| known.eq_ignore_ascii_case(language));
            asked.language = Some(known.ok_or_else(|| OpenError::Language {
                language: language.clone(),
                known: self.info.languages.join(", "),
            })?);
        }
        if options.task == Task::Translate && !self.info.translates {
            return Err(OpenError::Translation);
        }
        asked.task = options.task;
        if let Some(prompt) = options.prompt.as_deref().filter(|prompt| !prompt.is_empty()) {
            if !self.info.takes_prompt {
                return Err(OpenError::Prompt {
                    reason: "the model does not go on from what was said before",
                });
            }
            if prompt.len() > MAX_PROMPT_BYTES {
                return Err(OpenError::Prompt { reason: "too long (expected at most 4,096 bytes)" });
            }
            let spelled = self.vocabulary.encode(prompt);
            asked.prompt =
                spelled.ok_or(OpenError::Prompt { reason: "the model's vocabulary cannot spell it" })?;
        }
        Ok(asked)
    }

    /// The stream of a slot.
    fn enter(&self, opening: Opening, admission: Admission) -> Result<Stream, OpenError> {
        let Opening { resampler, rules, asked } = opening;
        let number = self.streams.fetch_add(1, Ordering::Relaxed);
        let vocabulary = Arc::clone(&self.vocabulary);
        let (clock, compiler) = (self.clock.clone(), self.compiler.clone());
        let mut stream = Stream::new(number, resampler, rules, admission, clock, vocabulary, compiler);
        stream.ask(asked)?;
        Ok(stream)
    }

    /// A slot of the lane with the most free ones; of another, where somebody else was faster.
    fn admit(&self) -> Option<Admission> {
        let best = self.gates.iter().max_by_key(|gate| gate.vacancies())?;
        best.admit(ENGINE_RATE_HZ).or_else(|| self.gates.iter().find_map(|gate| gate.admit(ENGINE_RATE_HZ)))
    }

    /// Why no lane has a slot.
    fn refusal(&self) -> OpenError {
        let states = || self.gates.iter().map(Gate::state);
        if states().any(|state| state == LaneState::Running) {
            OpenError::Saturated { slots: self.slots }
        } else if states().any(|state| state == LaneState::Failed) {
            OpenError::Down { lanes: self.gates.len() }
        } else {
            OpenError::ShutDown
        }
    }

    /// Returns the present by the engine's clock, for [`Stream::push_at`].
    pub fn now(&self) -> Time {
        self.clock.now()
    }

    /// Returns the memory that the engine takes beside the weights.
    pub fn memory(&self) -> &MemoryPlan {
        &self.memory
    }

    /// Returns the number of streams that the engine serves at once.
    pub fn slots(&self) -> usize {
        self.slots
    }

    /// Returns what the stages have measured since the engine started. Waits for every stage to hand its histograms
    /// over, at most one second, and before that for a lane that is being restarted, which may take a minute.
    /// In a forked child, which has none of the engine's threads, the report is empty.
    pub fn report(&self) -> Report {
        if !self.process.is_current() {
            return Report::default();
        }
        let (reply, answer) = bounded(1);
        let asked = self.commands.send(Command::Report(reply)).is_ok();
        if asked { answer.recv().unwrap_or_default() } else { Report::default() }
    }

    /// Lets no further stream in, decodes what has been pushed, and ends every thread; all within `deadline`, and a
    /// second for threads to end. The resampler of a stream that is not 16 kHz holds its last few milliseconds: finish such
    /// streams first. If a lane is restarting at the deadline, the supervisor is left behind, counted as an abandoned thread,
    /// and ends that lane later.
    pub fn shutdown(mut self, deadline: Duration) -> ShutdownReport {
        self.end(deadline)
    }

    fn end(&mut self, deadline: Duration) -> ShutdownReport {
        let Some(supervisor) = self.supervisor.take() else { return ShutdownReport::default() };
        if !self.process.is_current() {
            return ShutdownReport::default(); // the threads are the parent's
        }
        let (reply, answer) = bounded(1);
        let deadline = deadline.min(LONGEST_SHUTDOWN);
        let asked = self.commands.try_send(Command::Shutdown { deadline, reply }).is_ok();
        let answer = asked.then(|| answer.recv_timeout(deadline + END_LIMIT).ok()).flatten();
        if answer.is_some() || supervisor.is_finished() {
            // It ends right after its answer.
            let _ = supervisor.join();
        }
        let cut_streams = || self.gates.iter().map(|gate| gate.present().2.len()).sum();
        let report =
            answer.unwrap_or_else(|| ShutdownReport { cut_streams: cut_streams(), abandoned_threads: 1 });
        self.gates.iter().for_each(|gate| gate.close(LaneState::Stopped));
        report
    }
}

/// Lets no further stream in, waits until `limit` for what has been pushed to be decoded, unless no lane is up, and says how
/// many streams were cut.
fn drain(gates: &[Gate], limit: Instant, is_up: bool) -> usize {
    gates.iter().for_each(Gate::drain);
    for gate in gates {
        let (slots, notifier, present) = gate.present();
        for (slot, generation) in present {
            // A client in the middle of a push was let in before the gate closed: its samples count. One that is
            // stopped there keeps nobody waiting beyond the deadline.
            while slots.is_pushing(slot) && Instant::now() < limit {
                std::thread::yield_now();
            }
            slots.finish(slot, generation);
        }
        notifier.notify();
    }
    let open = || gates.iter().map(|gate| gate.present().2.len()).sum::<usize>();
    while open() > 0 && Instant::now() < limit && is_up {
        std::thread::sleep(POLL);
    }
    let cut_streams = open();
    gates.iter().for_each(|gate| gate.close(LaneState::Stopped));
    cut_streams
}

impl Drop for Engine {
    fn drop(&mut self) {
        self.end(DROP_DEADLINE);
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
