//! Why an engine does not start, a stream does not open, or samples are not taken.

use super::HotwordError;
use crate::audio::ENGINE_RATE_HZ;
use crate::audio::pcm::PcmError;
use crate::audio::resample::ResampleError;
use crate::config::{Backend, ConfigError, DecodeKind, DetectorKind};
use crate::error_code::ErrorCode;
use crate::memory::Shortage;
use thiserror::Error;
use voxlane_runtime::lane::LaneError;

/// The reason why an engine does not start.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum EngineError {
    /// The configuration is wrong.
    #[error(transparent)]
    Config(#[from] ConfigError),
    /// A lane does not start.
    #[error("lane {lane}: {source}")]
    Lane {
        /// The lane's number.
        lane: usize,
        /// The reason.
        source: LaneError,
    },
    /// The lanes would take more memory than there is.
    #[error(transparent)]
    Memory(#[from] Shortage),
    /// The model is not there or cannot be used.
    #[error("{0}")]
    Model(Box<dyn std::error::Error + Send + Sync>),
    /// The voice activity detector is not there or cannot be used.
    #[error("voice activity: {0}")]
    Detector(Box<dyn std::error::Error + Send + Sync>),
    /// The network that hears whether a speaker has finished is not there or cannot be used.
    #[error("endpoint.turn: the network cannot be used: {0}")]
    Turn(Box<dyn std::error::Error + Send + Sync>),
    /// The model is not a speech recognizer.
    #[error("model {name}: does not turn speech into text")]
    NoRecognizer {
        /// The model's name.
        name: String,
    },
    /// The model wants audio of another rate than lanes carry.
    #[error("model: sample rate not supported (expected {ENGINE_RATE_HZ} Hz, found {rate} Hz)")]
    SampleRate {
        /// Samples per second that the model wants.
        rate: u32,
    },
    /// The model does not support the decode strategy that the configuration names.
    #[error("decode = \"{decode}\": not possible with model {name}: {reason}")]
    Decode {
        /// The way of decoding.
        decode: DecodeKind,
        /// The model.
        name: String,
        /// The reason.
        reason: &'static str,
    },
    /// The model does not run on the backend that the configuration names.
    #[error("backend: not possible with model {name} (expected \"cpu\", found \"{backend}\")")]
    NoBackend {
        /// The model.
        name: String,
        /// The backend.
        backend: Backend,
    },
    /// There is no model of this name.
    #[error("model {name:?}: unknown (expected one of {known})")]
    UnknownModel {
        /// The name.
        name: String,
        /// The names there are.
        known: String,
    },
    /// The device that the configuration names is not there or cannot be used.
    #[error("{0}")]
    Device(Box<dyn std::error::Error + Send + Sync>),
    /// The backend that the configuration names is not built in. Building with its Cargo feature helps.
    #[error("backend = \"{backend}\"{}: not built in (expected a build with --features {features})", if *fusion { " with fusion" } else { "" })]
    NotBuilt {
        /// The backend.
        backend: Backend,
        /// Whether it was asked to join operations.
        fusion: bool,
        /// The Cargo features that build it in.
        features: String,
    },
    /// The configuration's hotwords are not for this model.
    #[error(transparent)]
    Hotwords(#[from] HotwordError),
    /// The operating system gave no thread for the supervisor.
    #[error("supervisor: no thread can be started: {0}")]
    Spawn(std::io::Error),
}

impl EngineError {
    /// Returns the error's stable code.
    pub fn code(&self) -> ErrorCode {
        match self {
            EngineError::Config(error) => error.code(),
            EngineError::Lane { .. } => ErrorCode::EngineLane,
            EngineError::Memory(_) => ErrorCode::EngineMemory,
            EngineError::Model(_) => ErrorCode::EngineModel,
            EngineError::Detector(_) => ErrorCode::EngineDetector,
            EngineError::Turn(_) => ErrorCode::EngineTurn,
            EngineError::NoRecognizer { .. } => ErrorCode::EngineNoRecognizer,
            EngineError::SampleRate { .. } => ErrorCode::EngineSampleRate,
            EngineError::Decode { .. } => ErrorCode::EngineDecode,
            EngineError::NoBackend { .. } => ErrorCode::EngineNoBackend,
            EngineError::UnknownModel { .. } => ErrorCode::EngineUnknownModel,
            EngineError::Device(_) => ErrorCode::EngineDevice,
            EngineError::NotBuilt { .. } => ErrorCode::EngineNotBuilt,
            EngineError::Hotwords(error) => error.code(),
            EngineError::Spawn(_) => ErrorCode::EngineThreads,
        }
    }
}

/// The reason why a stream does not open.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum OpenError {
    /// All slots are taken. Retrying helps when a stream has ended.
    #[error("stream slots: all {slots} are taken; try again when a stream has ended")]
    Saturated {
        /// The number of slots.
        slots: usize,
    },
    /// Every lane is down or being restarted. Retrying helps when one is up again.
    #[error("lanes: all {lanes} are down or restarting; try again later")]
    Down {
        /// The number of lanes.
        lanes: usize,
    },
    /// The queue for a slot is full.
    #[error("open_queue: full, {waiting} clients wait for a stream slot already; try again later")]
    QueueFull {
        /// The number of clients that wait.
        waiting: usize,
    },
    /// The engine was shut down.
    #[error("engine: it was shut down")]
    ShutDown,
    /// The options are wrong.
    #[error(transparent)]
    Options(#[from] StreamError),
    /// The endpoint rules are out of range.
    #[error("{field} = {value}: {allowed}")]
    Rules {
        /// The field.
        field: &'static str,
        /// Its value.
        value: String,
        /// The rule that the value breaks.
        allowed: String,
    },
    /// The model does not know the language.
    #[error("language {language:?}: not one of the model's (expected {})", if known.is_empty() { "none: it has one only" } else { known })]
    Language {
        /// The language that the stream asks for.
        language: String,
        /// The languages that can be asked for.
        known: String,
    },
    /// The model cannot translate.
    #[error("task: the model does not translate")]
    Translation,
    /// The model cannot go on from what was said before, or cannot spell it.
    #[error("prompt: {reason}")]
    Prompt {
        /// The reason.
        reason: &'static str,
    },
    /// The rules name a detector that the engine was not started with.
    #[error("endpoint.detector: not the one that the engine was started with (expected \"{}\", found \"{}\")", has.name(), wanted.name())]
    Detector {
        /// The detector of the stream's rules.
        wanted: DetectorKind,
        /// The detector of the engine.
        has: DetectorKind,
    },
}

impl OpenError {
    /// Returns the error's stable code.
    pub fn code(&self) -> ErrorCode {
        match self {
            OpenError::Saturated { .. } => ErrorCode::OpenSaturated,
            OpenError::Down { .. } => ErrorCode::OpenDown,
            OpenError::QueueFull { .. } => ErrorCode::OpenQueueFull,
            OpenError::ShutDown => ErrorCode::ShutDown,
            OpenError::Options(error) => error.code(),
            OpenError::Rules { .. } => ErrorCode::OpenRules,
            OpenError::Detector { .. } => ErrorCode::OpenDetector,
            OpenError::Language { .. } => ErrorCode::OpenLanguage,
            OpenError::Translation => ErrorCode::OpenTranslation,
            OpenError::Prompt { .. } => ErrorCode::OpenPrompt,
        }
    }
}

/// The reason why a stream does not take samples or a request.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum StreamError {
    /// The hotwords are not for this model.
    #[error(transparent)]
    Hotwords(#[from] HotwordError),
    /// A sample is NaN or infinite. Nothing of the call has been taken.
    #[error("sample {index}: not audio (expected a finite number, found {value})")]
    NotFinite {
        /// Its index in the slice.
        index: usize,
        /// The sample.
        value: f32,
    },
    /// A sample is far beyond full scale: a wrong unit or garbage. Nothing of the call has been taken.
    #[error("sample {index}: far beyond full scale (expected -1.0 to 1.0, found {value})")]
    Amplitude {
        /// Its index in the slice.
        index: usize,
        /// The sample.
        value: f32,
    },
    /// The rate cannot be resampled, or the filter failed.
    #[error(transparent)]
    Resample(#[from] ResampleError),
    /// The audio ring is full. Retrying helps.
    #[error("audio ring: full; try again")]
    Full,
    /// Too many markers are unanswered. Retrying helps when one has been answered.
    #[error("markers: {} are unanswered; read events and try again", super::MAX_MARKS)]
    TooManyMarks,
    /// The stream has been finished.
    #[error("stream: finished already")]
    Finished,
    /// The client left too many events unread, and the stream was closed. Opening a new one, and reading its
    /// events while pushing, helps.
    #[error("stream: closed, because the client left too many events unread; read events while pushing")]
    SlowClient,
    /// The side with the stream's events was dropped: nobody would read what comes of it.
    #[error("stream: abandoned, its events are no longer read")]
    Abandoned,
    /// The lane failed and was restarted. Opening a new stream helps.
    #[error("lane: failed and was restarted; open a new stream")]
    LaneFailed,
    /// The engine was shut down.
    #[error("engine: it was shut down")]
    ShutDown,
    /// This is a forked child of the process that started the engine. The engine's threads did not come along; starting
    /// an engine in the child helps.
    #[error("engine: belongs to the parent process; start one after forking")]
    Forked,
}

impl StreamError {
    /// Returns the error's stable code.
    pub fn code(&self) -> ErrorCode {
        match self {
            StreamError::Hotwords(error) => error.code(),
            StreamError::NotFinite { .. } => ErrorCode::StreamNotFinite,
            StreamError::Amplitude { .. } => ErrorCode::StreamAmplitude,
            StreamError::Resample(_) => ErrorCode::StreamSampleRate,
            StreamError::Full => ErrorCode::StreamFull,
            StreamError::TooManyMarks => ErrorCode::StreamTooManyMarks,
            StreamError::Finished => ErrorCode::StreamFinished,
            StreamError::SlowClient => ErrorCode::StreamSlowClient,
            StreamError::Abandoned => ErrorCode::StreamAbandoned,
            StreamError::LaneFailed => ErrorCode::StreamLaneFailed,
            StreamError::ShutDown => ErrorCode::ShutDown,
            StreamError::Forked => ErrorCode::Forked,
        }
    }

    /// `offset` is where the checked part begins in the caller's slice.
    pub(super) fn from_pcm(error: PcmError, offset: usize) -> Self {
        match error {
            PcmError::NotFinite { index, value } => StreamError::NotFinite { index: offset + index, value },
            PcmError::TooLoud { index, value } => StreamError::Amplitude { index: offset + index, value },
        }
    }
}
