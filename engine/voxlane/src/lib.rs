//! Voxlane: live audio in, text out, with a latency that can be written into a contract.
//!
//! An [`Engine`] runs one or more *lanes*. A lane is a chain of five stages on pinned threads,
//!
//! ```text
//! Stream::push ─► ingest ─► features ─► encoder ─► decoder ─► emit ─► Stream::try_next
//! ```
//!
//! which exchange fixed-size messages over bounded single-producer single-consumer rings. A [`Stream`] lives in
//! one slot of one lane: audio goes in by [`Stream::push`], [`Event`]s come out in order.
//!
//! # What results guarantee
//! - Events of one stream come in order; at most one segment is open; it closes once.
//! - A final is a pure function of its segment's samples: not of chunking, load or partials.
//! - [`Stream::finish`] decodes all that was pushed, then closes. A marker is answered in order.
//! - After start-up no thread of a lane allocates, locks or logs.
//! - Bad input is a typed error; nothing here exits, prints or panics.

pub mod audio;
pub mod config;
mod cut;
mod decode_options;
mod endpoint;
mod error_code;
mod fault_plan;
mod gate;
mod history;
mod lane;
pub mod memory;
mod message;
mod meter;
mod protocol;
mod punctuation;
#[cfg(feature = "fetch")]
mod registry;
mod session;
mod settings;
mod signal;
mod sizes;
mod slot_state;
mod stage;
mod stage_kind;
pub mod subtitles;
mod tail;
pub mod telemetry;
pub mod text;
mod turn;
mod voice;
mod voicing;
mod warm;
pub mod words;

pub use config::{Config, Hotword};
pub use error_code::ErrorCode;
pub use message::EndCause;
#[cfg(feature = "futures")]
pub use session::EventStream;
pub use session::{
    Engine, EngineError, Event, EventRecord, HotwordError, Latency, MAX_MARKS, OpenError, Sample,
    SegmentWarning, Stream, StreamError, StreamFault, StreamInput, StreamOptions, StreamOutput, Task,
    Transcript, Word,
};
pub use stage_kind::StageKind;
pub use voxlane_runtime::clock::{Clock, Time};
pub use voxlane_runtime::lane::LaneError;
pub use voxlane_runtime::supervisor::ShutdownReport;
