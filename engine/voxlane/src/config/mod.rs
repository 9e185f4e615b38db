//! The configuration file: TOML, unknown keys are errors, every field has a default.

mod check;
mod describe;
mod endpoint;
mod hotwords;
mod load;
mod merge;
mod placement;
mod profile;

pub use check::InvalidField;
pub use describe::{Documentation, describe_table};
pub use endpoint::{DetectorKind, EndpointConfig, PartialConfig, ServiceClass, StreamRules, TurnRule};
pub use hotwords::Hotword;
pub use load::{ConfigError, Located, Source};
pub use placement::{Placement, ThreadPlacement, Topology};
pub use profile::Profile;

use crate::stage_kind::StageKind;
use documented::DocumentedFields;
use serde::{Deserialize, Serialize};
use std::time::Duration;
pub use voxlane_models::decode::DecodeKind;
pub use voxlane_models::device::{Backend, DeviceOptions, Float};
pub use voxlane_models::layers::linear::Precision;
use voxlane_models::residency::Residency;
use voxlane_runtime::supervisor::Watch;

/// A whole deployment. `Config::default()` suits an interactive machine: placement by the process's
/// affinity mask, threads that sleep when idle.
///
/// ```
/// use voxlane::Config;
/// use voxlane::config::{DetectorKind, LaneConfig};
///
/// let config = Config { model: "commands".into(), lanes: vec![LaneConfig::with_slots(8)], ..Config::live() };
/// assert_eq!(config.fault(), None);
/// assert_eq!(config.endpoint.detector, DetectorKind::Silero);
/// assert_eq!(Config::default().endpoint.detector, DetectorKind::Off, "clients say where segments end");
///
/// let idle = Config { lanes: Vec::new(), ..Config::default() };
/// assert_eq!(idle.fault().map(|fault| fault.field), Some("lane"));
/// ```
#[derive(Clone, Debug, Deserialize, Serialize, DocumentedFields)]
#[serde(deny_unknown_fields, default)]
pub struct Config {
    /// Name of the model, as `voxlane models list` shows it. Default `moonshine-tiny`. Read by the model loader.
    pub model: String,
    /// Number format of the weights on the processor: `f32` or `int8`. Default `int8`. Read by the model
    /// loader when `backend` is `cpu`.
    pub precision: Precision,
    /// Backend that the network runs on: `cpu` (our kernels), `flex`, `wgpu` or `cuda`. Default `cpu`. Read by the model loader.
    /// Others than `cpu` need the Cargo feature of the same name.
    pub backend: Backend,
    /// Strategy by which tokens are chosen: `greedy`, `beam`, `ctc-greedy` or `ctc-beam`. Default `greedy`. Read by the model loader;
    /// others than `greedy` are for transducers.
    pub decode: DecodeKind,
    /// The most that hotwords may add to a segment's score altogether, in natural-logarithm units. Default 50.
    /// Read when streams open.
    pub hotword_cap: f32,
    /// Phrases that streams listen for that bring none of their own, a table each. Default none. Read at start; a model
    /// that cannot listen for phrases, or spell one, refuses.
    #[serde(rename = "hotword", skip_serializing_if = "Vec::is_empty")]
    #[documented_fields(rename = "hotword")]
    pub hotwords: Vec<Hotword>,
    /// The lanes: chains of stages, each on its own cores, a table each. Default: one, placed by the process's affinity
    /// mask. Read at start.
    #[serde(rename = "lane")]
    #[documented_fields(rename = "lane")]
    pub lanes: Vec<LaneConfig>,
    /// Settings of the network on a device such as a GPU. Read by the model loader when `backend` is not `cpu`.
    pub device: DeviceOptions,
    /// Recorded speech through the same code while no audio is due, so that caches, branch predictors and clock frequency
    /// are ready when someone speaks. Read by ingest.
    pub warm: WarmConfig,
    /// Window in which speech without a pause is cut, at its quietest moment. Read by ingest.
    pub segment: SegmentConfig,
    /// Rules for where a segment begins and ends by what is heard; a stream may have its own. Read by ingest.
    pub endpoint: EndpointConfig,
    /// Rhythm in which open segments are decoded for partials; a stream may have its own. Read by ingest.
    pub partial: PartialConfig,
    /// Whether passes of batch streams pause where a live stream has work: the lane then has a second set of the
    /// network's working memory (not of its weights). Without it a live stream waits for the pass that is under way.
    /// Default true, and false for recordings. Read at start; ignored by networks that compute in batches.
    pub preempt_batch: bool,
    /// Number of clients that may wait for a free slot (`Engine::open_within`). Default 64; 0: nobody waits. Read at start.
    pub open_queue: usize,
    /// Time at which a lane's memory is taken, and whether it may be taken away. Read at start.
    pub memory: MemoryConfig,
    /// Watch over lanes: what happens when a stage fails. Read by the supervisor.
    pub supervise: SuperviseConfig,
    /// A planned fault, for tests. Read by every stage.
    #[cfg(feature = "fault-injection")]
    pub fault: Option<FaultConfig>,
}

impl Default for Config {
    fn default() -> Self {
        Config {
            model: "moonshine-tiny".into(),
            precision: Precision::Int8,
            backend: Backend::Cpu,
            decode: DecodeKind::Greedy,
            hotword_cap: 50.0,
            hotwords: Vec::new(),
            lanes: vec![LaneConfig::default()],
            device: DeviceOptions::default(),
            warm: WarmConfig::default(),
            segment: SegmentConfig::default(),
            endpoint: EndpointConfig::default(),
            partial: PartialConfig::default(),
            preempt_batch: true,
            open_queue: 64,
            memory: MemoryConfig::default(),
            supervise: SuperviseConfig::default(),
            #[cfg(feature = "fault-injection")]
            fault: None,
        }
    }
}

impl Config {
    /// Returns the defaults for conversations: voice activity by Silero, partials four times a
    /// second.
    pub fn live() -> Self {
        Config {
            endpoint: EndpointConfig {
                detector: DetectorKind::Silero,
                lead_ms: 300,
                trail_ms: 200,
                turn: TurnRule::Both,
                context_s: 20,
                ..EndpointConfig::default()
            },
            partial: PartialConfig { every_ms: 250 },
            ..Config::default()
        }
    }

    /// Returns the default for recordings that need not be answered while they are spoken: segments by Silero, cut where
    /// people pause and long enough to carry their context. `docs/live.md` says which of the numbers have been measured.
    pub fn recordings() -> Self {
        Config {
            segment: SegmentConfig::RECORDINGS,
            endpoint: EndpointConfig {
                detector: DetectorKind::Silero,
                threshold: 0.3,
                onset_ms: 32,
                lead_ms: 350,
                trail_ms: 350,
                silence_ms: 500,
                join_s: 10,
                join_silence_ms: 1500,
                silence_without_speech_ms: 1500,
                speculate_ms: 0,
                ..EndpointConfig::default()
            },
            preempt_batch: false,
            memory: MemoryConfig { prefault: false, ..MemoryConfig::default() },
            ..Config::default()
        }
    }

    /// Returns the rules of streams that do not ask for others.
    pub fn stream_rules(&self) -> StreamRules {
        StreamRules { endpoint: self.endpoint, partial: self.partial, ..StreamRules::default() }
    }
}

/// One chain of stages on its cores.
#[derive(Clone, Debug, Deserialize, Serialize, DocumentedFields)]
#[serde(deny_unknown_fields, default)]
pub struct LaneConfig {
    /// The core of each stage. Default: by the affinity mask. Read at start. Stages that share a core run in
    /// one thread, in order: the light ones together and the heavy ones together is best.
    pub cores: Option<StageCores>,
    /// The core of a helper thread that takes half of the rows of the encoder's large products. Default: no
    /// such thread. Read at start. It must not be the encoder's own core.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub helper_core: Option<usize>,
    /// Device of the backend that the lane runs on, counted from 0 as `voxlane doctor` lists them. Default 0.
    /// Read by the model loader when `backend` is not `cpu`. Lanes of the same device share its weights.
    pub device: usize,
    /// Number of streams that the lane serves at once, 1 to 4096. Default 4. Read at start: each keeps the buffers of one open
    /// segment.
    pub slots: usize,
    /// Way in which its threads wait for work: `spin` never gives its core up and is for isolated cores, `park`
    /// sleeps until woken. Default `park`. Read by the lane's threads.
    pub wait: WaitKind,
    /// Time without work after which a thread that spins first goes to sleep, in microseconds.
    /// Default 50; more answers sooner and takes more power. Read by the lane's threads when `wait` is `park`.
    pub spin_us: u64,
    /// Time that a stage works before the others of its thread get their turn, in microseconds. Default 200.
    /// Read by the lane's threads.
    pub step_us: u64,
    /// Audio that a stream may be ahead of the lane, in milliseconds. Default 2000. Read at start: the size
    /// of each slot's audio ring.
    pub audio_ms: u64,
    /// Events that a stream's client may leave unread before the stream is closed, beside those that come at once: a
    /// final and the markers that it answers. Default 256. Read at start: the size of each slot's event ring.
    pub events: usize,
}

impl Default for LaneConfig {
    fn default() -> Self {
        LaneConfig {
            cores: None,
            helper_core: None,
            device: 0,
            slots: 4,
            wait: WaitKind::Park,
            spin_us: 50,
            step_us: 200,
            audio_ms: 2000,
            events: 256,
        }
    }
}

impl LaneConfig {
    /// Creates the default with another number of slots.
    pub fn with_slots(slots: usize) -> Self {
        LaneConfig { slots, ..LaneConfig::default() }
    }
}

/// A core for each stage.
#[derive(Clone, Debug, Deserialize, Serialize, DocumentedFields)]
#[serde(deny_unknown_fields)]
pub struct StageCores {
    /// Core of ingest.
    pub ingest: usize,
    /// Core of features.
    pub features: usize,
    /// Core of the encoder.
    pub encoder: usize,
    /// Core of the decoder.
    pub decoder: usize,
    /// Core of emit.
    pub emit: usize,
    /// Core of the stage that hears whether a speaker has finished, where `[endpoint] turn` asks for it. Default: the
    /// encoder's.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub turn: Option<usize>,
}

impl StageCores {
    /// Returns the core of `stage`.
    pub fn get(&self, stage: StageKind) -> usize {
        match stage {
            StageKind::Ingest => self.ingest,
            StageKind::Features => self.features,
            StageKind::Encoder => self.encoder,
            StageKind::Decoder => self.decoder,
            StageKind::Emit => self.emit,
            StageKind::Turn => self.turn.unwrap_or(self.encoder),
        }
    }
}

/// The way in which a thread waits for work.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum WaitKind {
    /// Never gives the core up: the lowest latency, for isolated cores.
    Spin,
    /// Spins, then sleeps until woken.
    #[default]
    Park,
}

/// The dummy work of an idle lane.
#[derive(Clone, Copy, Debug, Deserialize, Serialize, DocumentedFields)]
#[serde(deny_unknown_fields, default)]
pub struct WarmConfig {
    /// Whether to warm at all. Default true.
    pub enabled: bool,
    /// Time from the network's last real work (and from the start of the last dummy) to the next dummy, in milliseconds.
    /// Default 20.
    pub after_ms: u64,
    /// The largest share of time that dummies may take, 0 to 1. Default 0.25.
    pub duty: f64,
    /// Warming stops when no real audio came for this long since the lane was ready, in seconds; 0 is never. Default 10.
    pub stop_after_s: u64,
}

impl Default for WarmConfig {
    fn default() -> Self {
        WarmConfig { enabled: true, after_ms: 20, duty: 0.25, stop_after_s: 10 }
    }
}

/// The window in which speech that goes on for too long is cut, at its quietest moment.
#[derive(Clone, Copy, Debug, PartialEq, Deserialize, Serialize, DocumentedFields)]
#[serde(deny_unknown_fields, default)]
pub struct SegmentConfig {
    /// Earliest cut after the segment's start, in seconds. Default 20.
    pub cut_from_s: f64,
    /// Latest cut, in seconds. Default 30; more than the model takes is cut to that.
    pub cut_by_s: f64,
}

impl Default for SegmentConfig {
    fn default() -> Self {
        SegmentConfig { cut_from_s: 20.0, cut_by_s: 30.0 }
    }
}

impl SegmentConfig {
    /// The window of recordings.
    pub const RECORDINGS: SegmentConfig = SegmentConfig { cut_from_s: 12.0, cut_by_s: 25.0 };

    /// Returns what of this window a stream of an engine with the window `engine` can have: no segment is longer than the
    /// engine's.
    #[must_use]
    pub fn within(self, engine: SegmentConfig) -> Self {
        let cut_by_s = self.cut_by_s.min(engine.cut_by_s);
        SegmentConfig { cut_from_s: self.cut_from_s.min(cut_by_s - 0.5).max(0.0), cut_by_s }
    }

    /// The length of the window in seconds.
    pub(crate) fn length_s(self) -> f64 {
        self.cut_by_s - self.cut_from_s
    }
}

/// The time at which a lane's memory is taken, and whether it may be taken away.
#[derive(Clone, Copy, Debug, Deserialize, Serialize, DocumentedFields)]
#[serde(deny_unknown_fields, default)]
pub struct MemoryConfig {
    /// Whether a lane takes all the memory that it can need when it starts, so that no page is missing when a segment is
    /// longer than those before. `voxlane config check` says how much that is. Default true, and false for recordings.
    pub prefault: bool,
    /// Whether that memory and the weights are locked, so that nothing pages them out, as far as the process may (`ulimit
    /// -l`); what could not be locked is logged at start. Default false.
    pub lock: bool,
}

impl Default for MemoryConfig {
    fn default() -> Self {
        MemoryConfig { prefault: true, lock: false }
    }
}

impl MemoryConfig {
    /// How buffers hold their memory.
    pub(crate) fn residency(self) -> Residency {
        match self {
            MemoryConfig { lock: true, .. } => Residency::Locked,
            MemoryConfig { prefault: true, .. } => Residency::Present,
            MemoryConfig { .. } => Residency::OnUse,
        }
    }
}

/// The watch over lanes: what happens when a stage fails.
#[derive(Clone, Copy, Debug, Deserialize, Serialize, DocumentedFields)]
#[serde(deny_unknown_fields, default)]
pub struct SuperviseConfig {
    /// A thread of a lane that computes or sleeps for this long without finishing a round is given up, in milliseconds.
    /// Default 2000, at least 200. Time in which the system gives the thread no core does not count.
    pub watchdog_ms: u64,
    /// Number of restarts of a lane that are allowed within `restart_window_s`; after that it is down until they are older
    /// than that. Default 8.
    pub max_restarts: u32,
    /// Time for which a restart counts against `max_restarts`, in seconds. Default 600.
    pub restart_window_s: u64,
}

impl Default for SuperviseConfig {
    fn default() -> Self {
        SuperviseConfig { watchdog_ms: 2000, max_restarts: 8, restart_window_s: 600 }
    }
}

impl SuperviseConfig {
    /// As the supervisor has it.
    pub(crate) fn watch(self) -> Watch {
        Watch {
            watchdog: Duration::from_millis(self.watchdog_ms),
            max_restarts: self.max_restarts as usize,
            restart_window: Duration::from_secs(self.restart_window_s),
        }
    }
}

/// A planned fault.
#[cfg(feature = "fault-injection")]
#[derive(Clone, Debug, Deserialize, Serialize, DocumentedFields)]
#[serde(deny_unknown_fields)]
pub struct FaultConfig {
    /// Stage that fails.
    pub stage: StageKind,
    /// Way in which it fails.
    pub kind: FaultKind,
    /// Number of the real message at which it fails, among those that the stage reads, counted from 0.
    #[serde(default)]
    pub at_message: u64,
    /// Length of a hang, in milliseconds. Default 60000.
    #[serde(default = "one_minute")]
    pub hang_ms: u64,
    /// Number of messages in a row, from that one on, at which it fails. Default 1.
    #[serde(default = "once")]
    pub times: u64,
}

#[cfg(feature = "fault-injection")]
fn once() -> u64 {
    1
}

#[cfg(feature = "fault-injection")]
fn one_minute() -> u64 {
    60_000
}

/// The way in which a planned fault shows.
#[cfg(feature = "fault-injection")]
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum FaultKind {
    /// The stage panics.
    Panic,
    /// The stage sleeps.
    Hang,
    /// The stage computes without end.
    Spin,
}
