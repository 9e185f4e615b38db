//! The side of a stream that its events come from.

use super::assembler::Assembler;
use super::event::{Event, StreamFault};
use crate::audio::ENGINE_RATE_HZ;
use crate::gate::{LaneState, Returned, Shared};
use crate::message::TokensMessage;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::task::{Context, Poll};
use std::time::{Duration, Instant};
use voxlane_models::tokenizers::vocabulary::Vocabulary;
use voxlane_runtime::eventcount::Waiter;
use voxlane_runtime::ring::Receiver;

/// The longest that a waiting reader goes without looking whether its lane still lives.
const LOOK_AGAIN: Duration = Duration::from_millis(20);

/// The side of a stream that its events come from. Dropping it abandons the stream.
pub struct StreamOutput {
    ends: Option<(Receiver<TokensMessage>, Waiter)>,
    shared: Arc<Shared>,
    assembler: Assembler,
    vocabulary: Arc<dyn Vocabulary>,
    closing: Closing,
}

/// How far the end of a stream has come.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Closing {
    Open,
    /// An error has been given, `Closed` follows.
    Failed,
    Closed,
}

impl StreamOutput {
    pub(super) fn new(
        number: u64,
        events: Receiver<TokensMessage>,
        waiter: Waiter,
        shared: Arc<Shared>,
        vocabulary: Arc<dyn Vocabulary>,
    ) -> Self {
        let assembler = Assembler::new(number, ENGINE_RATE_HZ);
        let ends = Some((events, waiter));
        StreamOutput { ends, shared, assembler, vocabulary, closing: Closing::Open }
    }

    /// The stream's number within its engine.
    pub(super) fn number(&self) -> u64 {
        self.assembler.stream
    }

    /// Returns the next event, if there is one. Never blocks.
    pub fn try_next(&mut self) -> Option<Event> {
        let stream = self.assembler.stream;
        if let Some(event) = self.assembler.pending() {
            return Some(event);
        }
        if self.closing == Closing::Failed {
            self.closing = Closing::Closed;
            return Some(Event::Closed { stream });
        }
        if self.closing == Closing::Closed {
            return None;
        }
        // Read before the ring: whatever was handed over before is then seen in the ring.
        let status = self.shared.status.get();
        let is_overrun = self.shared.slots.is_overrun(self.shared.slot, self.shared.generation);
        let (events, _) = self.ends.as_mut()?;
        while let Some(message) = events.peek() {
            let event = if message.header.generation == self.shared.generation {
                self.assembler.take(message, &*self.vocabulary)
            } else {
                None
            };
            events.release();
            match event {
                Some(Event::Closed { .. }) => self.closing = Closing::Closed,
                Some(Event::Marker { .. }) => {
                    self.shared.marks.fetch_sub(1, Ordering::Relaxed);
                }
                _ => {}
            }
            if event.is_some() {
                return event;
            }
        }
        let error = match status {
            _ if !self.shared.process.is_current() => StreamFault::Forked,
            _ if is_overrun => StreamFault::SlowClient,
            LaneState::Running | LaneState::Draining => return None,
            LaneState::Failed => StreamFault::LaneFailed,
            LaneState::Stopped => StreamFault::ShutDown,
        };
        self.closing = Closing::Failed;
        Some(Event::Error { stream, segment: None, error })
    }

    /// Returns the next event, and waits for it for `limit` at most.
    pub fn next_timeout(&mut self, limit: Duration) -> Option<Event> {
        // None: later than there are times.
        let end = Instant::now().checked_add(limit);
        loop {
            let event = self.try_next();
            let left = end.map_or(limit, |end| end.saturating_duration_since(Instant::now()));
            if event.is_some() || left.is_zero() || self.is_closed() {
                return event;
            }
            let (events, waiter) = self.ends.as_mut()?;
            waiter.wait(left.min(LOOK_AGAIN), || !events.is_empty());
        }
    }

    /// Returns the next event, or nothing after [`Event::Closed`]; else `Pending`, and the task of `context` is woken when there
    /// is one.
    pub fn poll_event(&mut self, context: &mut Context<'_>) -> Poll<Option<Event>> {
        loop {
            if let Some(event) = self.try_next() {
                return Poll::Ready(Some(event));
            }
            let Some((events, waiter)) = self.ends.as_mut().filter(|_| self.closing != Closing::Closed)
            else {
                return Poll::Ready(None);
            };
            let status = &self.shared.status;
            // Whoever ends the lane notifies its clients after it has said so.
            let has_ended = || !matches!(status.get(), LaneState::Running | LaneState::Draining);
            match waiter.poll(context, || !events.is_empty() || has_ended()) {
                Poll::Ready(()) => {}
                Poll::Pending => return Poll::Pending,
            }
        }
    }

    /// Returns whether [`Event::Closed`] has come: no event follows.
    pub fn is_closed(&self) -> bool {
        self.closing == Closing::Closed
    }
}

impl Drop for StreamOutput {
    fn drop(&mut self) {
        self.shared.slots.abandon(self.shared.slot, self.shared.generation);
        if let Some((events, waiter)) = self.ends.take() {
            self.shared.give_back(Returned::Events(self.shared.slot, events, waiter));
        }
    }
}
