//! A stream of the engine that is a part of a session.

use crate::admission::Slot;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use tokio::time::Instant;
use voxlane::{StreamError, StreamInput, StreamOutput};

/// The side of it that takes audio.
pub(super) struct LegInput {
    /// Its number in the session.
    pub(super) number: u64,
    pub(super) stream: StreamInput,
    /// When audio came last.
    pub(super) last_audio: Instant,
    /// Whether audio waits for room: then its client is not idle, however long that takes.
    pub(super) is_waiting: bool,
    /// Dropped after the stream.
    pub(super) _slot: Arc<Slot>,
}

/// The side of it that gives events.
pub(super) struct LegOutput {
    /// Its number in the session.
    pub(super) number: u64,
    pub(super) stream: StreamOutput,
    /// Seconds of the session's audio in front of it.
    pub(super) offset_s: f64,
    /// Markers of the session in front of it.
    pub(super) marks: u32,
    /// Dropped after the stream.
    pub(super) _slot: Arc<Slot>,
}

/// What waits for the output's turn.
pub(super) enum Item {
    /// A stream of the engine, behind the one before.
    Leg(Box<LegOutput>),
    /// A marker for which there is nothing to wait.
    Marker(u32),
}

/// What both sides of a session share: the output ends a stream that is idle. Never locked while anybody waits.
#[derive(Default)]
pub(super) struct Shared(Mutex<Option<LegInput>>);

impl Shared {
    pub(super) fn lock(&self) -> MutexGuard<'_, Option<LegInput>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// When audio came last, if the present stream takes more.
    pub(super) fn last_audio(&self) -> Option<Instant> {
        self.lock().as_ref().map(|leg| if leg.is_waiting { Instant::now() } else { leg.last_audio })
    }

    /// Notes that audio waits for room, until what is returned is dropped.
    pub(super) fn wait(&self) -> Waiting<'_> {
        if let Some(leg) = self.lock().as_mut() {
            leg.is_waiting = true;
        }
        Waiting(self)
    }

    /// Takes away the side that takes audio of the stream of a number, if that is still there: whether it was.
    pub(super) fn close(&self, number: u64) -> bool {
        self.lock().take_if(|leg| leg.number == number).is_some()
    }

    /// Ends the present stream if no audio has come since `since`, as far as there is room for its last samples; whether
    /// that is done.
    pub(super) fn end_if_idle(&self, since: Instant) -> bool {
        let mut leg = self.lock();
        let Some(input) = leg.as_mut().filter(|leg| !leg.is_waiting && leg.last_audio <= since) else {
            return true;
        };
        match input.stream.try_finish() {
            Err(StreamError::Full) => false,
            // Of a stream that cannot be finished its events say why.
            _ => {
                *leg = None;
                true
            }
        }
    }
}

/// Audio that waits for room.
pub(super) struct Waiting<'a>(&'a Shared);

impl Drop for Waiting<'_> {
    fn drop(&mut self) {
        if let Some(leg) = self.0.lock().as_mut() {
            (leg.is_waiting, leg.last_audio) = (false, Instant::now());
        }
    }
}
