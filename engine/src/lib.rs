//! Voxlane: live audio in, text out, with a latency that can be written into a contract.
//!
//! An [`Engine`] runs one or more *lanes*. A lane is a chain of five stages on pinned threads,
//!
//! ```text
//! Stream::push ─► ingest ─► features ─► encoder ─► decoder ─► emit ─► Stream::try_next
//! ```
//!
//! which exchange fixed-size frames over bounded single-producer single-consumer rings. A [`Stream`] lives in
//! one slot of one lane: audio goes in by [`Stream::push`], [`Event`]s come out in order.
//!
//! # What results guarantee
//! - Events of one stream come in order; at most one segment is open; it closes once.
//! - A final is a pure function of its segment's samples: not of chunking, load or partials.
//! - [`Stream::finish`] decodes all that was pushed, then closes. A marker is answered in order.
//! - After start-up nothing between push and event allocates, locks or logs.
//! - Bad input is a typed error; nothing here exits, prints or panics.

mod assist;
pub mod audio;
pub mod bell;
mod clock;
pub mod config;
mod cut;
mod endpoint;
mod fault_plan;
pub mod frame;
mod futex;
mod heartbeat;
mod history;
pub mod host;
pub mod lane;
mod membarrier;
pub mod memory;
mod phrases;
pub mod pool;
mod registry;
pub mod ring;
mod session;
mod signal;
mod slot_set;
mod slots;
mod stage;
mod supervise;
mod sync;
mod tail;
pub mod telemetry;
mod voice;
mod voicing;
pub mod wait;
mod warm;

pub use clock::{Clock, Time};
pub use config::{Config, Hotword};
#[cfg(feature = "futures")]
pub use session::EventStream;
pub use session::{
    Engine, EngineError, Event, HotwordError, Latency, MAX_MARKS, OpenError, Sample, SegmentWarning,
    ShutdownReport, Stream, StreamError, StreamFault, StreamInput, StreamOptions, StreamOutput, Transcript,
    Word,
};
