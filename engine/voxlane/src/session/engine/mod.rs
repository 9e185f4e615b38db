//! The engine: lanes, their supervisor, and the streams they serve.

mod open;
mod rules;
mod shutdown;
mod start;

use super::hotwords::HotwordCompiler;
use super::queue::OpenQueue;
use crate::config::{SegmentConfig, StreamRules};
use crate::gate::{Gate, LaneState};
use crate::memory::MemoryPlan;
use crate::telemetry::Report;
use crate::voice::Voice;
use crossbeam_channel::{Sender, bounded};
use std::sync::Arc;
use std::sync::atomic::AtomicU64;
use std::thread::JoinHandle;
use voxlane_models::decode::Hotwords;
use voxlane_models::model::ModelInfo;
use voxlane_models::tokenizers::vocabulary::Vocabulary;
use voxlane_runtime::clock::{Clock, Time};
use voxlane_runtime::host::fork::Process;
use voxlane_runtime::supervisor::Command;

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
    /// The window in which segments are cut.
    segment: SegmentConfig,
    voice: Voice,
    /// Whether there is a network that hears whether a speaker has finished.
    hears_turns: bool,
    /// Whether the models' text says where sentences end.
    reads_ends: bool,
    vocabulary: Arc<dyn Vocabulary>,
    model: String,
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

impl Engine {
    /// Returns the present by the engine's clock, for [`Stream::push_at`](super::Stream::push_at).
    pub fn now(&self) -> Time {
        self.clock.now()
    }

    /// Returns the memory that the engine takes beside the weights.
    pub fn memory(&self) -> &MemoryPlan {
        &self.memory
    }

    /// Returns the rules of streams that bring none of their own.
    pub fn stream_rules(&self) -> StreamRules {
        self.rules
    }

    /// Returns the window in which segments of streams are cut that bring none of their own.
    pub fn segment(&self) -> SegmentConfig {
        self.segment
    }

    /// Returns the model's name, as the configuration has it.
    pub fn model(&self) -> &str {
        &self.model
    }

    /// Returns the text of a sequence of the model's tokens, such as [`Transcript::tokens`](crate::Transcript::tokens); unknown ids
    /// give nothing.
    pub fn text(&self, tokens: &[u32]) -> String {
        self.vocabulary.text(tokens)
    }

    /// Returns what the model can take and do.
    pub fn model_info(&self) -> &ModelInfo {
        &self.info
    }

    /// Returns the number of streams that could be opened now.
    pub fn vacancies(&self) -> usize {
        self.gates.iter().map(Gate::vacancies).sum()
    }

    /// Returns whether a lane serves: none does while all are being restarted, or after a shutdown.
    pub fn is_serving(&self) -> bool {
        self.gates.iter().any(|gate| gate.state() == LaneState::Running)
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
}
