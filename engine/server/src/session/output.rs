//! The side of a session that its events come from.

use super::leg::{Item, LegOutput, Shared};
use crate::admission::Admission;
use crate::metrics::Metrics;
use std::future::poll_fn;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::mpsc;
use tokio::time::{Instant, sleep, sleep_until};
use voxlane::config::ServiceClass;
use voxlane::{Event, Transcript};

/// How long to wait for room to end a stream that is idle.
const PAUSE: Duration = Duration::from_millis(5);

/// What a [`SessionOutput`] is made of.
pub(super) struct Parts {
    pub(super) number: u64,
    pub(super) items: mpsc::Receiver<Item>,
    pub(super) shared: Arc<Shared>,
    pub(super) admission: Arc<Admission>,
    pub(super) metrics: Arc<Metrics>,
    pub(super) idle: Duration,
    pub(super) class: ServiceClass,
}

/// The side of a session that its events come from: those of [`voxlane::Event`], in order, and [`Event::Closed`] last. Its
/// owner must keep asking for events, also to have an idle slot given back. Dropping it abandons the session.
pub struct SessionOutput {
    parts: Parts,
    leg: Option<Box<LegOutput>>,
    /// When the present stream began.
    leg_since: Instant,
    /// Segments of the streams before the present one.
    segments_before: u32,
    /// Segments so far.
    segments: u32,
    is_closed: bool,
}

impl SessionOutput {
    pub(super) fn new(parts: Parts) -> Self {
        SessionOutput {
            parts,
            leg: None,
            leg_since: Instant::now(),
            segments_before: 0,
            segments: 0,
            is_closed: false,
        }
    }

    /// Returns the session's number, as in its events.
    pub fn number(&self) -> u64 {
        self.parts.number
    }

    /// Waits for the next event; nothing after [`Event::Closed`]. A call that is given up loses nothing.
    pub async fn next(&mut self) -> Option<Event> {
        let event = self.look().await;
        if let Some(event) = &event {
            self.parts.metrics.told();
            self.observe(event);
        }
        event
    }

    async fn look(&mut self) -> Option<Event> {
        loop {
            if self.is_closed {
                return None;
            }
            let Some(leg) = &mut self.leg else {
                match self.parts.items.recv().await {
                    Some(Item::Leg(leg)) => {
                        self.leg = Some(leg);
                        self.leg_since = Instant::now();
                    }
                    Some(Item::Marker(marker)) => {
                        return Some(Event::Marker { stream: self.parts.number, marker });
                    }
                    None => return Some(self.close()),
                }
                continue;
            };
            let idle = self.parts.idle;
            let deadline = self.parts.shared.last_audio().map(|last| last + idle);
            let expired = async {
                match deadline {
                    Some(deadline) => sleep_until(deadline).await,
                    None => std::future::pending().await,
                }
            };
            tokio::select! {
                biased;
                event = poll_fn(|context| leg.stream.poll_event(context)) => match event {
                    Some(Event::Closed { .. }) | None => {
                        let number = leg.number;
                        self.leg = None;
                        self.segments_before = self.segments;
                        // One that still took audio was closed from inside.
                        if self.parts.shared.close(number) {
                            self.parts.items.close();
                            return Some(self.close());
                        }
                    }
                    Some(event) => return Some(self.translate(event)),
                },
                () = expired => {
                    let is_done = Instant::now().checked_sub(idle).is_none_or(|since| self.parts.shared.end_if_idle(since));
                    if !is_done {
                        sleep(PAUSE).await;
                    }
                }
            }
        }
    }

    fn close(&mut self) -> Event {
        self.is_closed = true;
        Event::Closed { stream: self.parts.number }
    }

    /// Counts what says how the engine does.
    fn observe(&self, event: &Event) {
        if let Event::Final(said) = event
            && self.parts.class == ServiceClass::Live
        {
            let offset_s = self.leg.as_ref().map_or(0.0, |leg| leg.offset_s);
            let elapsed_s = self.leg_since.elapsed().as_secs_f64();
            if let Some(wait_ms) = wait_ms(said.latency_ms.queue, elapsed_s, said.end - offset_s) {
                self.parts.admission.observe(wait_ms);
            }
        }
    }

    /// An event of the present stream as one of the session.
    fn translate(&mut self, event: Event) -> Event {
        let stream = self.parts.number;
        let (offset, marks) = self.leg.as_ref().map_or((0.0, 0), |leg| (leg.offset_s, leg.marks));
        let before = self.segments_before;
        let mut segment = |segment: u32| {
            let segment = before + segment;
            self.segments = self.segments.max(segment + 1);
            segment
        };
        let mut transcript = |said: Transcript| {
            let mut said = said;
            (said.stream, said.segment) = (stream, segment(said.segment));
            said.start += offset;
            said.end += offset;
            for word in &mut said.words {
                word.start += offset;
                word.end += offset;
            }
            said
        };
        match event {
            Event::Partial(said) => Event::Partial(transcript(said)),
            Event::EagerEnd(said) => Event::EagerEnd(transcript(said)),
            Event::Final(said) => Event::Final(transcript(said)),
            Event::SpeechStart { segment: number, start, .. } => {
                Event::SpeechStart { stream, segment: segment(number), start: start + offset }
            }
            Event::Endpoint { segment: number, end, cause, silence_ms, turn, .. } => Event::Endpoint {
                stream,
                segment: segment(number),
                end: end + offset,
                cause,
                silence_ms,
                turn,
            },
            Event::Resumed { segment: number, .. } => Event::Resumed { stream, segment: segment(number) },
            Event::Warning { segment: number, warning, .. } => {
                Event::Warning { stream, segment: segment(number), warning }
            }
            Event::Marker { marker, .. } => Event::Marker { stream, marker: marks.wrapping_add(marker) },
            Event::Error { segment: number, error, .. } => {
                Event::Error { stream, segment: number.map(segment), error }
            }
            Event::Closed { .. } => Event::Closed { stream },
            // Of another version of the library: as it is.
            other => other,
        }
    }
}

/// What a final that is here `elapsed_s` after its stream began says of the engine: how long it waited, but no longer than it would
/// have if its audio, up to `end_s`, had come as it was spoken. Nothing of one that is ahead of that: who sends a recording as
/// fast as it goes waits for himself.
fn wait_ms(queue_ms: f64, elapsed_s: f64, end_s: f64) -> Option<f64> {
    let late_ms = (elapsed_s - end_s) * 1e3;
    (late_ms > 0.0).then(|| queue_ms.min(late_ms))
}

impl Drop for SessionOutput {
    fn drop(&mut self) {
        // Streams that nobody will hear of are given up, and the side that takes audio is told.
        self.parts.items.close();
        while self.parts.items.try_recv().is_ok() {}
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn audio_that_comes_too_soon_says_nothing_of_the_engine() {
        // As it is spoken: the endpoint's wait comes on top.
        assert_eq!(wait_ms(30.0, 10.35, 10.0), Some(30.0));
        // A minute at once, decoded six times as fast as it is spoken.
        assert_eq!(wait_ms(1_600.0, 1.7, 10.0), None);
        // The same of an engine that does not keep up.
        let wait = wait_ms(12_000.0, 12.0, 10.0).unwrap();
        assert!((wait - 2_000.0).abs() < 1e-6, "{wait}");
    }
}
