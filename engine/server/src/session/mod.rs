//! A client's stream as every protocol has it: audio in, events out, both asynchronous.
//!
//! A session is one stream to its client. It takes a slot of the engine at its first audio, gives it back after a while
//! without audio, and takes one again when there is more: times, segments and markers go on where they were. Dropping both
//! sides gives the slot back whatever happens.

mod error;
mod input;
mod leg;
mod output;

pub use error::SessionError;
pub use input::SessionInput;
pub use output::SessionOutput;

use crate::access::Client;
use crate::admission::{Admission, Refusal};
use crate::metrics::Metrics;
use leg::Shared;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;
use tokio::sync::mpsc;
use voxlane::StreamOptions;

/// What may wait for the output's turn: streams of the engine that follow each other, and markers between them.
const ITEMS: usize = 64;

/// Opens sessions.
pub struct Sessions {
    admission: Arc<Admission>,
    metrics: Arc<Metrics>,
    idle: Duration,
    numbers: AtomicU64,
}

impl Sessions {
    /// Creates what opens sessions whose slots are given back after `idle` without audio.
    pub fn new(admission: Arc<Admission>, metrics: Arc<Metrics>, idle: Duration) -> Self {
        Sessions { admission, metrics, idle, numbers: AtomicU64::new(0) }
    }

    /// Opens a session of `client`. Takes no slot yet.
    ///
    /// # Errors
    /// [`Refusal::Options`] for what the engine would not take, [`Refusal::Draining`].
    pub fn open(
        &self,
        options: StreamOptions,
        client: Client,
    ) -> Result<(SessionInput, SessionOutput), Refusal> {
        self.admission.check(options.clone())?;
        let number = self.numbers.fetch_add(1, Ordering::Relaxed);
        let (sender, items) = mpsc::channel(ITEMS);
        let shared = Arc::new(Shared::default());
        let output = SessionOutput::new(output::Parts {
            number,
            items,
            shared: Arc::clone(&shared),
            admission: Arc::clone(&self.admission),
            metrics: Arc::clone(&self.metrics),
            idle: self.idle,
            class: options.class,
        });
        let input = SessionInput::new(input::Parts {
            options,
            client,
            items: Some(sender),
            shared,
            admission: Arc::clone(&self.admission),
            metrics: Arc::clone(&self.metrics),
        });
        Ok((input, output))
    }
}
