//! The public face: an engine, its streams, and what they say.

mod assembler;
#[cfg(feature = "futures")]
mod asynchronous;
mod engine;
mod error;
mod event;
mod hotwords;
mod input;
mod options;
mod output;
mod queue;
mod sample;
mod stream;
mod writer;

#[cfg(feature = "futures")]
pub use asynchronous::EventStream;
pub use engine::Engine;
pub use error::{EngineError, OpenError, StreamError};
pub use event::{Event, EventRecord, Latency, SegmentWarning, StreamFault, Transcript, Word};
pub use hotwords::HotwordError;
pub use input::StreamInput;
pub use options::{StreamOptions, Task};
pub use output::StreamOutput;
pub use sample::Sample;
pub use stream::Stream;

pub use crate::message::MAX_MARKS;
