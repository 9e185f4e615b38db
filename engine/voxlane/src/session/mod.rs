//! The public face: an engine, its streams, and what they say.

#[cfg(feature = "futures")]
mod asynchronous;
mod engine;
mod error;
mod event;
mod hotwords;
mod input;
mod stream;

#[cfg(feature = "futures")]
pub use asynchronous::EventStream;
pub use engine::{Engine, StreamOptions};
pub use error::{EngineError, OpenError, StreamError};
pub use event::{Event, Latency, SegmentWarning, StreamFault, Transcript, Word};
pub use hotwords::HotwordError;
pub use stream::{Sample, Stream, StreamInput, StreamOutput};

pub use crate::message::MAX_MARKS;
