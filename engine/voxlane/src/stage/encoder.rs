//! Encoder: features → hidden frames, in place in the pooled buffer, for one stream after the other or, where the model
//! encodes in batches, for several at the same time.

use super::{PassBudget, pass_budget};
use crate::frame::{Flags, NO_BUFFER, SpanFrame, StageKind};
use crate::meter::Meter;
use std::collections::VecDeque;
use std::sync::Arc;
use voxlane_models::budget::Progress;
use voxlane_models::model;
use voxlane_runtime::budget::Budget;
use voxlane_runtime::pool::Pool;
use voxlane_runtime::ring::{Receiver, Sender};
use voxlane_runtime::stage::{Stage, StepStatus};

/// See the module.
pub(crate) struct Encoder<E: model::Encoder> {
    encoder: E,
    input: Receiver<SpanFrame>,
    output: Sender<SpanFrame>,
    pool: Arc<Pool<E::Span>>,
    /// The frames in hand, in order: at most as many as the model encodes at the same time, and at most one pass of a
    /// slot.
    hand: VecDeque<Held<E::Span>>,
    /// How many that are.
    batch: usize,
    meter: Meter,
}

/// A frame in hand.
struct Held<S> {
    frame: SpanFrame,
    /// Its buffer while a pass over it is in flight.
    span: Option<Box<S>>,
    /// What the frame had taken when it came in, in nanoseconds.
    before: u64,
}

impl<E: model::Encoder> Encoder<E> {
    /// An encoder that can have `batch` passes in flight.
    pub(crate) fn new(
        encoder: E,
        batch: usize,
        ports: (Receiver<SpanFrame>, Sender<SpanFrame>),
        pool: Arc<Pool<E::Span>>,
        meter: Meter,
    ) -> Self {
        let (input, output) = ports;
        Encoder { encoder, input, output, pool, hand: VecDeque::with_capacity(batch), batch, meter }
    }

    fn read(&mut self) -> bool {
        if self.hand.len() == self.batch {
            return false;
        }
        let Some(slot) = self.input.peek().map(|frame| frame.header.slot) else { return false };
        if self.hand.iter().any(|held| held.span.is_some() && held.frame.header.slot == slot) {
            return false;
        }
        let Some(frame) = self.input.take() else { return false };
        self.meter.received(&frame.header, frame.header.stamped(StageKind::Features));
        let slot = frame.header.slot as usize;
        let flags = frame.header.flags;
        let is_made = flags.has(Flags::FINAL) && frame.payload.handle == NO_BUFFER;
        if flags.has(Flags::ABORT) || is_made {
            self.encoder.reset(slot);
        }
        let has_span = flags.has(Flags::FINAL) || flags.has(Flags::PARTIAL);
        let mut span = if has_span { self.pool.take(frame.payload.handle) } else { None };
        if let Some(span) = &mut span {
            self.encoder.begin(slot, span);
        }
        self.hand.push_back(Held { frame, span, before: frame.header.compute_nanos() });
        true
    }

    /// Goes on with the first frame in hand; `false` if there is none or the budget or the output ring ran out.
    fn advance(&mut self, budget: &PassBudget) -> bool {
        let has_others = self.hand.len() > 1 || !self.input.is_empty();
        let Some(Held { frame, span, before }) = self.hand.front_mut() else { return false };
        if let Some(features) = span {
            // A dummy gives way to whatever waits behind it; its buffer goes home through the decoder.
            if frame.header.flags.has(Flags::WARM) && has_others {
                frame.header.flags = frame.header.flags.with(Flags::ABORT);
                self.encoder.reset(frame.header.slot as usize);
            } else if frame.header.flags.gives_way() && self.input.any(SpanFrame::is_urgent) {
                frame.header.flags = frame.header.flags.with(Flags::DROPPED);
            } else {
                let begun = self.meter.clock.now();
                let progress = self.encoder.step(features, budget, &mut frame.header.faults);
                self.meter.computed(&mut frame.header, begun);
                if progress == Progress::More {
                    return false;
                }
                self.meter.served(&frame.header, *before);
                if frame.header.flags.has(Flags::FINAL) {
                    self.encoder.reset(frame.header.slot as usize);
                }
            }
            if let Some(span) = span.take() {
                self.pool.put(frame.payload.handle, span);
            }
        }
        let Some(mut place) = self.output.reserve() else { return false };
        *place = *frame;
        self.meter.stamp(&mut place.header);
        place.publish();
        self.hand.pop_front();
        true
    }
}

impl<E: model::Encoder> Stage for Encoder<E> {
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
