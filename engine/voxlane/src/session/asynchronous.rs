//! A stream's events for asynchronous programs, behind the feature `futures`.

use super::{Event, Stream, StreamInput, StreamOutput};
use futures_core::Stream as FuturesStream;
use std::pin::Pin;
use std::task::{Context, Poll};

/// The events of one stream; ends after [`Event::Closed`]. Dropping it abandons the stream.
pub struct EventStream(StreamOutput);

impl Stream {
    /// Splits the stream into the side that takes audio and the events as a [`futures_core::Stream`]. No thread stands
    /// between the lane and the task: the lane wakes it.
    pub fn into_events(self) -> (StreamInput, EventStream) {
        let (input, output) = self.split();
        (input, EventStream(output))
    }
}

impl FuturesStream for EventStream {
    type Item = Event;

    fn poll_next(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Event>> {
        self.0.poll_event(context)
    }
}
