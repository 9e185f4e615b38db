//! One stage of a chain: what the user's handler is wrapped in.

use crate::budget::Budget;
use crate::clock::{Clock, Time};
use crate::message::Message;
use crate::ring::{Receiver, Sender};
use crate::stage::{Stage, StepStatus};
use crate::telemetry::recorder::{Measures, QUEUE, Recorder, SERVICE};
use crate::warm_up::{WarmFeedback, WarmUp};
use std::sync::Arc;
use std::time::Duration;

/// The place of the last stage's measure of the whole way, from capture to the client's ring.
pub const TOTAL: usize = SERVICE + 1;

/// What the last stage measures.
pub(super) const LAST_MEASURES: Measures = &["queue", "service", "total"];

/// What becomes of a message that has been handled.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Handling {
    /// The next stage gets what was written.
    SendOn,
    /// Nothing follows from it.
    Drop,
}

/// What a stage does with a message.
pub trait Handle: 'static {
    /// What headers say beside what every header says; the same for all stages of a chain.
    type Control: Copy + Default + Send + 'static;
    /// What comes in.
    type In: Copy + Default + Send + 'static;
    /// What goes out.
    type Out: Copy + Default + Send + 'static;

    /// Writes what follows from `input` into `output`: its header is a copy of the input's already, its payload is what
    /// some earlier message left there. Must not block, allocate or lock.
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
pub(super) struct End {
    /// Where dummies end, if there are any.
    pub(super) feedback: Option<Arc<WarmFeedback>>,
    /// What has been spent on the messages of the present dummy, in nanoseconds.
    pub(super) spent: u64,
}

impl End {
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
    pub(super) end: Option<End>,
}

impl<H: Handle> Link<H> {
    /// Handles the oldest message; `false` if there is none, or no room for what follows from it.
    fn take(&mut self) -> bool {
        let Some(input) = self.input.peek() else { return false };
        let Some(mut output) = self.output.reserve() else { return false };
        let begun = self.clock.now();
        let published =
            if self.position == 0 { input.header.captured } else { input.header.stamped(self.position - 1) };
        output.header = input.header;
        let handling = self.handler.handle(input, &mut output);
        let now = self.clock.now();
        let (took, is_warm) = (now.nanos_since(begun), input.header.is_warm());
        output.header.add_compute(took);
        output.header.stamp(self.position, now);
        if !is_warm {
            self.recorder.record(QUEUE, begun.nanos_since(published));
            self.recorder.record(SERVICE, took);
        }
        match (&mut self.end, handling) {
            // A dummy goes all the way, whatever follows from it, and ends at the last stage.
            (Some(end), _) if is_warm => {
                end.dummy_came(output.header.compute_nanos(), output.header.sequence);
            }
            (None, _) if is_warm => output.publish(),
            (_, Handling::Drop) => {}
            (Some(_), Handling::SendOn) => {
                self.recorder.record(TOTAL, now.nanos_since(output.header.captured));
                output.publish();
            }
            (None, Handling::SendOn) => output.publish(),
        }
        self.input.release();
        true
    }

    /// Handles message number `number` of the dummy as if it had come in; whether there was room.
    fn take_dummy(&mut self, number: usize, now: Time) -> bool {
        let (Some(warmer), Some(mut output)) = (&mut self.warmer, self.output.reserve()) else {
            return false;
        };
        let following = (warmer.dummy.len() - 1 - number) as u32;
        let dummy = &mut warmer.dummy[number];
        (dummy.header.captured, dummy.header.sequence) = (now, following);
        dummy.header.generation = warmer.warm_up.dummies();
        output.header = dummy.header;
        self.handler.handle(dummy, &mut output);
        let end = self.clock.now();
        output.header.add_compute(end.nanos_since(now));
        output.header.stamp(self.position, end);
        match &mut self.end {
            Some(end) => end.dummy_came(output.header.compute_nanos(), following),
            None => output.publish(),
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
            if !warmer.warm_up.is_sending() {
                warmer.warm_up.rest(now);
            }
        }
        StepStatus::of(worked || !self.input.is_empty())
    }

    fn warm_up(&mut self) -> StepStatus {
        let now = self.clock.now();
        let due = self.warmer.as_mut().and_then(|warmer| warmer.warm_up.due(now, &warmer.feedback));
        StepStatus::of(due.is_some_and(|number| self.take_dummy(number, now)))
    }

    fn due_in(&self) -> Option<Duration> {
        self.warmer.as_ref()?.warm_up.due_in(self.clock.now())
    }

    fn report(&mut self) {
        self.recorder.answer(self.output.refused());
    }
}
