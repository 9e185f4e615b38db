//! A stream's events for asynchronous programs, behind the feature `futures`.
//!
//! The lane's threads know nothing of wakers: a dispatcher thread waits for events as any client does and
//! wakes the task. Its queue is bounded; when the task does not read, events wait in the stream's own ring.

use super::{Event, Stream, StreamInput};
use crossbeam_channel::{Receiver, bounded};
use futures_core::Stream as FuturesStream;
use std::pin::Pin;
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll, Waker};
use std::time::Duration;

/// Events that may wait between the dispatcher and the task.
const EVENTS_AHEAD: usize = 16;

/// How often a dispatcher without events looks whether anybody waits for them.
const LOOK_AGAIN: Duration = Duration::from_millis(100);

/// The events of one stream; ends after [`Event::Closed`]. Dropping it abandons the stream, within 100 ms.
pub struct EventStream {
    events: Receiver<Event>,
    waker: Arc<Mutex<Option<Waker>>>,
}

impl Stream {
    /// The side that takes audio, and the events as a [`futures_core::Stream`].
    ///
    /// # Errors
    /// If the operating system gives no thread.
    pub fn into_events(self) -> std::io::Result<(StreamInput, EventStream)> {
        let (input, mut output) = self.split();
        let (sender, events) = bounded(EVENTS_AHEAD);
        let waker: Arc<Mutex<Option<Waker>>> = Arc::default();
        let its_waker = Arc::clone(&waker);
        std::thread::Builder::new().name("vox-dispatch".into()).spawn(move || {
            let wake = || {
                let waker = its_waker.lock().unwrap_or_else(PoisonError::into_inner).take();
                waker.into_iter().for_each(Waker::wake);
            };
            while !output.is_closed() {
                let Some(event) = output.next_timeout(LOOK_AGAIN) else {
                    if Arc::strong_count(&its_waker) == 1 {
                        return; // the task has dropped its side
                    }
                    continue;
                };
                if sender.send(event).is_err() {
                    return; // nobody reads any more
                }
                wake();
            }
            drop(sender);
            wake();
        })?;
        Ok((input, EventStream { events, waker }))
    }
}

impl FuturesStream for EventStream {
    type Item = Event;

    fn poll_next(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Event>> {
        // Registered before looking: an event that comes in between wakes this task.
        *self.waker.lock().unwrap_or_else(PoisonError::into_inner) = Some(context.waker().clone());
        match self.events.try_recv() {
            Ok(event) => Poll::Ready(Some(event)),
            Err(crossbeam_channel::TryRecvError::Empty) => Poll::Pending,
            Err(crossbeam_channel::TryRecvError::Disconnected) => Poll::Ready(None),
        }
    }
}
