//! One stage of a chain: what the user's handler is wrapped in.

use crate::budget::Budget;
use crate::clock::{Clock, Time};
use crate::message::{Header, Message, WARM_SLOT};
use crate::ring::{Receiver, Sender};
use crate::stage::{Stage, StepStatus};
use crate::telemetry::recorder::{Measures, QUEUE, Recorder, SERVICE};
use crate::warm_up::{WarmFeedback, WarmUp};
use std::sync::Arc;
use std::time::Duration;

/// The place of the last stage's measure of the whole way, from capture to the client's ring.
pub const TOTAL: usize = SERVICE + 1;

/// What the last stage measures.
pub(super) const LAST_MEASURES: Measures = Measures { names: &["queue", "service", "total"], always: 3 };

/// How many messages of a dummy may wait in front of the second stage: real ones wait for these at most.
const MESSAGES_AHEAD: usize = 2;

/// How long a thread may sleep while a stage waits for room, which nothing announces.
const LOOK_AGAIN: Duration = Duration::from_micros(100);

/// The error bits of a dummy that a handler has dropped: it goes on without being handled.
const DROPPED: u32 = u32::MAX;

/// The fate of a message that has been handled.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Handling {
    /// The next stage gets what was written.
    SendOn,
    /// The message ends here. A dropped dummy still travels to the end, to be counted, but no later
    /// handler sees it.
    Drop,
}

/// What a stage does with a message: it makes one message for the next stage, or none.
///
/// ```
/// use voxlane_runtime::chain::{Handle, Handling};
/// use voxlane_runtime::message::{Header, Message};
///
/// /// Passes the peak of every block of samples on, where there is one.
/// struct Peak;
///
/// impl Handle for Peak {
///     type Control = ();
///     type In = [i16; 4];
///     type Out = u16;
///
///     fn handle(&mut self, input: &Message<(), [i16; 4]>, output: &mut Message<(), u16>) -> Handling {
///         output.payload = input.payload.iter().map(|sample| sample.unsigned_abs()).max().unwrap_or(0);
///         if output.payload > 0 { Handling::SendOn } else { Handling::Drop }
///     }
/// }
///
/// // A pipeline calls it on its thread; here the test does.
/// let input = Message { header: Header::default(), payload: [3, -9, 4, 0] };
/// let mut output = Message::default();
/// assert_eq!(Peak.handle(&input, &mut output), Handling::SendOn);
/// assert_eq!(output.payload, 9);
/// ```
pub trait Handle: 'static {
    /// The part of a header that is the chain's own; the same for all its stages.
    type Control: Copy + Default + Send + 'static;
    /// The payload that comes in.
    type In: Copy + Default + Send + 'static;
    /// The payload that goes out.
    type Out: Copy + Default + Send + 'static;

    /// Writes what follows from `input` into `output`: its header is a copy of the input's already; its payload must be written
    /// whole, for it still holds an earlier message. Must not block, allocate or lock. Of the header a handler may change the control,
    /// the count and the errors and, of real messages, slot, generation and sequence; other changes are
    /// discarded, and the errors of a dummy are reserved. A stage with state should leave it alone for dummies
    /// ([`Header::is_warm`](crate::message::Header::is_warm)).
    fn handle(
        &mut self,
        input: &Message<Self::Control, Self::In>,
        output: &mut Message<Self::Control, Self::Out>,
    ) -> Handling;
}

/// Where dummies come from.
pub(super) struct Warmer<M> {
    pub(super) warm_up: WarmUp,
    pub(super) dummy: Vec<M>,
    pub(super) feedback: Arc<WarmFeedback>,
}

/// What the last stage has to do.
pub(super) struct End<M> {
    /// Where dummies end, if there are any.
    pub(super) feedback: Option<Arc<WarmFeedback>>,
    /// What has been spent on the messages of the present dummy, in nanoseconds.
    pub(super) spent: u64,
    /// What follows from a dummy: it needs no room where the client reads.
    pub(super) scratch: M,
}

impl<M> End<M> {
    /// A message of a dummy, of which so many follow, has come here.
    fn dummy_came(&mut self, compute_nanos: u64, following: u32) {
        self.spent += compute_nanos;
        if let (Some(feedback), 0) = (&self.feedback, following) {
            feedback.complete(std::mem::take(&mut self.spent));
        }
    }
}

/// See the module.
pub(super) struct Link<H: Handle> {
    pub(super) handler: H,
    pub(super) input: Receiver<Message<H::Control, H::In>>,
    pub(super) output: Sender<Message<H::Control, H::Out>>,
    pub(super) position: usize,
    pub(super) recorder: Recorder,
    pub(super) clock: Clock,
    /// The first stage's.
    pub(super) warmer: Option<Warmer<Message<H::Control, H::In>>>,
    /// The last stage's.
    pub(super) end: Option<End<Message<H::Control, H::Out>>>,
    /// Whether a message waits for room.
    pub(super) is_blocked: bool,
}

/// Has a message handled; what it cost, with the header as it should be whatever the handler has made of it.
fn handle<H: Handle>(
    handler: &mut H,
    input: &Message<H::Control, H::In>,
    output: &mut Message<H::Control, H::Out>,
    clock: &Clock,
    position: usize,
) -> (Handling, Time, u64) {
    let begun = clock.now();
    let Header { slot, generation, sequence, errors, .. } = input.header;
    let is_warm = slot == WARM_SLOT;
    output.header = input.header;
    let handling = if is_warm && errors == DROPPED { Handling::Drop } else { handler.handle(input, output) };
    let now = clock.now();
    let took = now.nanos_since(begun);
    let header = &mut output.header;
    if is_warm {
        (header.slot, header.generation, header.sequence) = (slot, generation, sequence);
        header.errors = if handling == Handling::Drop { DROPPED } else { 0 };
    } else if header.slot == WARM_SLOT {
        header.slot = slot;
    }
    header.captured = input.header.captured;
    header.add_compute(took);
    header.stamp(position, now);
    (handling, now, took)
}

impl<H: Handle> Link<H> {
    /// Handles the oldest message; `false` if there is none, or no room for what follows from it.
    fn take(&mut self) -> bool {
        let is_last_dummy = |header: &Header<H::Control>| header.is_warm() && self.end.is_some();
        let has_others = self.input.len() > 1;
        let Some(input) = self.input.peek() else { return false };
        let (clock, position) = (&self.clock, self.position);
        if let (true, Some(end)) = (is_last_dummy(&input.header), &mut self.end) {
            if !has_others {
                handle(&mut self.handler, input, &mut end.scratch, clock, position);
            } else {
                end.scratch.header = input.header;
            }
            end.dummy_came(end.scratch.header.compute_nanos(), input.header.sequence);
            self.input.release();
            return true;
        }
        let Some(mut output) = self.output.reserve() else {
            self.is_blocked = true;
            return false;
        };
        self.is_blocked = false;
        if input.header.is_warm() {
            if has_others {
                // Real work waits behind it: it goes on, to be counted, and nobody handles it any more.
                output.header = Header { errors: DROPPED, ..input.header };
            } else {
                handle(&mut self.handler, input, &mut output, clock, position);
            }
            output.publish();
            self.input.release();
            return true;
        }
        let begun = clock.now();
        let published =
            if position == 0 { input.header.captured } else { input.header.stamped(position - 1) };
        let (handling, now, took) = handle(&mut self.handler, input, &mut output, clock, position);
        self.recorder.record(QUEUE, begun.nanos_since(published));
        self.recorder.record(SERVICE, took);
        if handling == Handling::SendOn {
            if self.end.is_some() {
                self.recorder.record(TOTAL, now.nanos_since(output.header.captured));
            }
            output.publish();
        }
        self.input.release();
        true
    }

    /// Handles message number `number` of the dummy as if it had come in; whether there was room.
    fn take_dummy(&mut self, number: usize, now: Time) -> bool {
        let Some(warmer) = &mut self.warmer else { return false };
        let following = (warmer.dummy.len() - 1 - number) as u32;
        let dummy = &mut warmer.dummy[number];
        (dummy.header.captured, dummy.header.sequence) = (now, following);
        dummy.header.generation = warmer.warm_up.dummies();
        let (handler, clock, position) = (&mut self.handler, &self.clock, self.position);
        match &mut self.end {
            Some(end) => {
                handle(handler, dummy, &mut end.scratch, clock, position);
                end.dummy_came(end.scratch.header.compute_nanos(), following);
            }
            None => {
                if self.output.capacity() - self.output.vacant() >= MESSAGES_AHEAD {
                    return false;
                }
                let Some(mut output) = self.output.reserve() else { return false };
                handle(handler, dummy, &mut output, clock, position);
                output.publish();
            }
        }
        warmer.warm_up.sent();
        true
    }
}

impl<H: Handle> Stage for Link<H> {
    fn step(&mut self, budget: &Budget) -> StepStatus {
        let mut worked = false;
        while self.take() {
            worked = true;
            if budget.is_spent() {
                break;
            }
        }
        if worked && let Some(warmer) = &mut self.warmer {
            let now = self.clock.now();
            warmer.warm_up.input_came(now);
            // What has been sent of a dummy is followed by the rest of it: the last stage counts whole ones.
            if !warmer.warm_up.is_sending() {
                warmer.warm_up.rest(now);
            }
        }
        StepStatus::of(worked)
    }

    fn warm_up(&mut self) -> StepStatus {
        let now = self.clock.now();
        let due = self.warmer.as_mut().and_then(|warmer| warmer.warm_up.due(now, &warmer.feedback));
        StepStatus::of(due.is_some_and(|number| self.take_dummy(number, now)))
    }

    fn due_in(&self) -> Option<Duration> {
        let dummy = self.warmer.as_ref().and_then(|warmer| warmer.warm_up.due_in(self.clock.now()));
        let room = self.is_blocked.then_some(LOOK_AGAIN);
        dummy.into_iter().chain(room).min()
    }

    fn report(&mut self) {
        self.recorder.answer(self.output.refused());
    }
}
