//! The public face: an engine, its streams, and what they say.

#[cfg(feature = "futures")]
mod asynchronous;
mod engine;
mod error;
mod event;
mod gate;
mod hotwords;
mod input;
mod stream;

#[cfg(feature = "futures")]
pub use asynchronous::EventStream;
pub use engine::{Engine, StreamOptions};
pub use error::{EngineError, OpenError, StreamError};
pub use event::{Event, Latency, SegmentWarning, StreamFault, Transcript, Word};
pub(crate) use gate::{Gate, Inputs, LaneState};
pub use hotwords::HotwordError;
pub use stream::{Sample, Stream, StreamInput, StreamOutput};

/// The most markers of a stream that may be unanswered.
pub const MAX_MARKS: usize = 64;
