//! The public face: an engine, its streams, and what they say.

#[cfg(feature = "futures")]
mod asynchronous;
mod engine;
mod error;
mod event;
mod hotwords;
mod input;
mod options;
mod queue;
mod stream;

#[cfg(feature = "futures")]
pub use asynchronous::EventStream;
pub use engine::Engine;
pub use error::{EngineError, OpenError, StreamError};
pub use event::{Event, EventRecord, Latency, SegmentWarning, StreamFault, Transcript, Word};
pub use hotwords::HotwordError;
pub use options::StreamOptions;
pub use stream::{Sample, Stream, StreamInput, StreamOutput};

pub use crate::message::MAX_MARKS;
