//! A running chain, as its client has it.

use crate::clock::{Clock, Time};
use crate::eventcount::Waiter;
use crate::lane::{Exit, Lane, Outcome};
use crate::message::{Header, Message, WARM_SLOT};
use crate::ring::{Receiver as RingReceiver, Sender};
use crate::telemetry::{Report, StageHistograms, StageReport};
use crossbeam_channel::Receiver;
use std::time::{Duration, Instant};

/// How long a report waits for the stages.
const REPORT_LIMIT: Duration = Duration::from_secs(1);
/// How long threads may take to end.
const END_LIMIT: Duration = Duration::from_secs(2);
/// The longest that a waiting client goes without looking whether the stages still live.
const LOOK_AGAIN: Duration = Duration::from_millis(20);

/// A running chain. Dropping it ends its threads. It has no supervisor: a stage that panics ends its thread, and the client
/// finds out by [`failure`](Self::failure). What is to go on by itself runs under a
/// [supervisor](crate::supervisor).
///
/// ```
/// use std::time::Duration;
/// use voxlane_runtime::chain::{Chain, Handle, Handling, Pipeline, Settings, TOTAL};
/// use voxlane_runtime::message::Message;
/// use voxlane_runtime::wait::SpinPark;
///
/// struct Square;
/// impl Handle for Square {
///     type Control = ();
///     type In = u64;
///     type Out = u64;
///     fn handle(&mut self, input: &Message<(), u64>, output: &mut Message<(), u64>) -> Handling {
///         output.payload = input.payload * input.payload;
///         Handling::SendOn
///     }
/// }
///
/// # let core = voxlane_runtime::host::allowed_cores().unwrap()[0];
/// let mut pipeline: Pipeline<(), u64, u64> =
///     Chain::new("square", || Square).start::<SpinPark>(&[core], Settings::default())?;
/// for number in 1..=3 {
///     assert!(pipeline.send(|message| message.payload = number), "64 messages may wait");
/// }
/// let next = || pipeline.receive_within(Duration::from_secs(60)).map(|message| message.payload);
/// assert!(std::iter::repeat_with(next).take(3).eq([Some(1), Some(4), Some(9)]));
/// assert_eq!(pipeline.failure(), None);
/// let report = pipeline.shutdown();
/// assert_eq!(report.stages[0].histograms.get(TOTAL).len(), 3, "the latencies of three messages");
/// # Ok::<(), voxlane_runtime::lane::LaneError>(())
/// ```
pub struct Pipeline<C, First, Last> {
    /// Nothing once it has been shut down.
    lane: Option<Lane>,
    input: Sender<Message<C, First>>,
    output: RingReceiver<Message<C, Last>>,
    waiter: Waiter,
    clock: Clock,
    ended: Receiver<Exit>,
    totals: Vec<(&'static str, StageHistograms)>,
    failure: Option<String>,
}

impl<C: Copy + Default, First: Copy, Last: Copy> Pipeline<C, First, Last> {
    pub(super) fn new(
        lane: Lane,
        input: Sender<Message<C, First>>,
        (output, waiter): (RingReceiver<Message<C, Last>>, Waiter),
        clock: Clock,
        ended: Receiver<Exit>,
    ) -> Self {
        let totals = lane.unmeasured();
        Pipeline { lane: Some(lane), input, output, waiter, clock, ended, totals, failure: None }
    }

    /// Returns the clock that stages stamp by.
    pub fn clock(&self) -> &Clock {
        &self.clock
    }

    /// Hands a message, which `write` writes in place, to the first stage. Returns `false`, and nothing is written, if the stage
    /// does not keep up. The message counts as captured now.
    pub fn send(&mut self, write: impl FnOnce(&mut Message<C, First>)) -> bool {
        let now = self.clock.now();
        self.send_at(now, write)
    }

    /// Hands a message on as [`send`](Self::send) does, for what came into being at `captured`: latencies count from there. A
    /// message that `write` puts into the slot of dummies is refused too.
    pub fn send_at(&mut self, captured: Time, write: impl FnOnce(&mut Message<C, First>)) -> bool {
        let Some(mut place) = self.input.reserve() else { return false };
        place.header = Header { captured, ..Header::default() };
        write(&mut place);
        let is_taken = place.header.slot != WARM_SLOT;
        if is_taken {
            place.publish();
        }
        is_taken
    }

    /// Returns the next message of the last stage, if there is one. Never blocks.
    pub fn receive(&mut self) -> Option<Message<C, Last>> {
        self.output.take()
    }

    /// Returns the next message of the last stage, and waits for it for `limit` at most, or until a stage has failed.
    pub fn receive_within(&mut self, limit: Duration) -> Option<Message<C, Last>> {
        let end = Instant::now().checked_add(limit);
        loop {
            let left = end.map_or(limit, |end| end.saturating_duration_since(Instant::now()));
            // Asked before the ring: what was published before a failure is then seen in the ring.
            let is_over = left.is_zero() || self.failure().is_some();
            let message = self.output.take();
            if message.is_some() || is_over {
                return message;
            }
            self.clock.note();
            let output = &mut self.output;
            self.waiter.wait(left.min(LOOK_AGAIN), || !output.is_empty());
        }
    }

    /// Returns what a stage that panicked said; nothing while all go on.
    pub fn failure(&mut self) -> Option<&str> {
        for exit in self.ended.try_iter() {
            if let Outcome::Panicked { stages, message } = exit.outcome {
                self.failure.get_or_insert(format!("{}: {message}", stages.join("+")));
            }
        }
        self.failure.as_deref()
    }

    /// Returns what the stages have measured so far. Waits for every stage to hand its histograms over, for a second at most.
    pub fn report(&mut self) -> Report {
        self.clock.note();
        if let Some(lane) = &mut self.lane {
            lane.measure(&mut self.totals, Instant::now() + REPORT_LIMIT);
        }
        let dummies = self.lane.as_ref().and_then(|lane| Some(lane.warm_up.as_ref()?.totals().0));
        let report = |(stage, histograms): &(&'static str, StageHistograms)| StageReport {
            lane: 0,
            stage,
            histograms: histograms.clone(),
        };
        Report {
            stages: self.totals.iter().map(report).collect(),
            warm_passes: dummies.unwrap_or(0),
            ..Report::default()
        }
    }

    /// Ends every thread, and returns what the stages have measured. Messages that have not been received
    /// are lost; nothing waits for them.
    pub fn shutdown(mut self) -> Report {
        let mut report = self.report();
        if let Some(lane) = self.lane.take() {
            report.abandoned_threads = lane.end(Instant::now() + END_LIMIT);
        }
        report
    }
}

impl<C, First, Last> Drop for Pipeline<C, First, Last> {
    fn drop(&mut self) {
        if let Some(lane) = self.lane.take() {
            lane.end(Instant::now() + END_LIMIT);
        }
    }
}
