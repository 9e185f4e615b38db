//! EncoderStage: features → hidden frames, in place in the pooled buffer, for one stream after the other or, where the model
//! encodes in batches, for several at the same time.

use super::{PassBudget, is_urgent, pass_budget};
use crate::message::{SpanMessage, add_faults, state_of};
use crate::meter::Meter;
use crate::protocol::{Control, PassControl, SpanControl};
use crate::stage_kind::StageKind;
use std::collections::VecDeque;
use std::sync::Arc;
use voxlane_models::budget::Progress;
use voxlane_models::fault::Faults;
use voxlane_models::model;
use voxlane_runtime::budget::Budget;
use voxlane_runtime::pool::Pool;
use voxlane_runtime::ring::{Receiver, Sender};
use voxlane_runtime::stage::{Stage, StepStatus};

/// See the module.
pub(crate) struct EncoderStage<E: model::Encoder> {
    encoder: E,
    input: Receiver<SpanMessage>,
    output: Sender<SpanMessage>,
    pool: Arc<Pool<E::Span>>,
    /// The messages in hand, in order: at most as many as the model encodes at the same time, and at most one pass of a
    /// slot.
    hand: VecDeque<Held<E::Span>>,
    /// How many that are.
    batch: usize,
    states: usize,
    meter: Meter,
}

/// A message in hand.
struct Held<S> {
    message: SpanMessage,
    /// Its number and its buffer while a pass over it is in flight.
    span: Option<(u32, Box<S>)>,
    /// What the message had taken when it came in, in nanoseconds.
    before: u64,
}

impl<E: model::Encoder> EncoderStage<E> {
    /// An encoder of `states` slots, the dummy's among them, that can have `batch` passes in flight.
    pub(crate) fn new(
        encoder: E,
        (states, batch): (usize, usize),
        ports: (Receiver<SpanMessage>, Sender<SpanMessage>),
        pool: Arc<Pool<E::Span>>,
        meter: Meter,
    ) -> Self {
        let (input, output) = ports;
        EncoderStage {
            encoder,
            input,
            output,
            pool,
            hand: VecDeque::with_capacity(batch),
            batch,
            states,
            meter,
        }
    }

    fn read(&mut self) -> bool {
        if self.hand.len() == self.batch {
            return false;
        }
        let Some(slot) = self.input.peek().map(|message| message.header.slot) else { return false };
        if self.hand.iter().any(|held| held.span.is_some() && held.message.header.slot == slot) {
            return false;
        }
        let Some(message) = self.input.take() else { return false };
        self.meter.received(&message.header, message.header.stamped(StageKind::Features as usize));
        let state = state_of(&message.header, self.states);
        let mut span = None;
        match message.header.control {
            SpanControl::Pass(_) => {
                span = message.payload.buffer.and_then(|buffer| Some((buffer, self.pool.take(buffer)?)));
                match &mut span {
                    Some((_, span)) => self.encoder.begin(state, span),
                    // A final that a speculative pass has made, or a dummy that features gave up.
                    None => self.encoder.reset(state),
                }
            }
            SpanControl::Control(Control::Abort) => self.encoder.reset(state),
            SpanControl::Control(
                Control::Start
                | Control::End
                | Control::Marker(_)
                | Control::OptionsChanged
                | Control::Query(_)
                | Control::EagerEnd
                | Control::Resumed
                | Control::Notice(_)
                | Control::Last,
            ) => {}
        }
        self.hand.push_back(Held { message, span, before: message.header.compute_nanos() });
        true
    }

    /// Goes on with the first message in hand; `false` if there is none or the budget or the output ring ran out.
    fn advance(&mut self, budget: &PassBudget) -> bool {
        let has_others = self.hand.len() > 1 || !self.input.is_empty();
        let Some(Held { message, span, before }) = self.hand.front_mut() else { return false };
        let state = state_of(&message.header, self.states);
        if let (SpanControl::Pass(PassControl { kind, is_given_up }), Some((buffer, features))) =
            (&mut message.header.control, &mut *span)
        {
            let kind = *kind;
            // A dummy is dropped for whatever waits behind it. The buffer of what is dropped is returned through the decoder.
            if kind.is_warm_up() && has_others {
                *is_given_up = true;
                self.encoder.reset(state);
            } else if kind.gives_way() && self.input.any(is_urgent) {
                *is_given_up = true;
            } else {
                let (begun, mut faults) = (self.meter.clock.now(), Faults::NONE);
                let progress = self.encoder.step(features, budget, &mut faults);
                add_faults(&mut message.header, faults);
                self.meter.computed(&mut message.header, begun);
                if progress == Progress::More {
                    return false;
                }
                self.meter.served(&message.header, *before);
                if kind.ends_segment() {
                    self.encoder.reset(state);
                }
            }
            let buffer = *buffer;
            if let Some((_, span)) = span.take() {
                self.pool.put(buffer, span);
            }
        }
        let Some(mut place) = self.output.reserve() else { return false };
        *place = *message;
        self.meter.stamp(&mut place.header);
        place.publish();
        self.hand.pop_front();
        true
    }
}

impl<E: model::Encoder> Stage for EncoderStage<E> {
    fn report(&mut self) {
        self.meter.answer(self.output.refused());
    }

    fn step(&mut self, budget: &Budget) -> StepStatus {
        let budget = &pass_budget(budget, &self.meter.clock);
        let mut worked = false;
        loop {
            while self.read() {}
            let moved = self.advance(budget);
            worked |= moved || !self.hand.is_empty();
            if !moved || budget.is_spent() {
                return StepStatus::of(worked);
            }
        }
    }
}
