//! Encoder: features → hidden frames, in place in the pooled buffer.

use super::{Meter, Stage};
use crate::frame::{Flags, NO_BUFFER, SpanFrame, StageKind};
use crate::pool::Pool;
use crate::ring::{Receiver, Sender};
use std::sync::Arc;
use voxlane_models::budget::{Budget, Progress};
use voxlane_models::model;

/// See the module.
pub(crate) struct Encoder<E: model::Encoder> {
    encoder: E,
    input: Receiver<SpanFrame>,
    output: Sender<SpanFrame>,
    pool: Arc<Pool<E::Span>>,
    /// The frame in hand, and its buffer while a pass over it is in flight.
    pass: Option<(SpanFrame, Option<Box<E::Span>>)>,
    /// What the frame in hand had taken when it came in, in nanoseconds.
    before: u64,
    meter: Meter,
}

impl<E: model::Encoder> Encoder<E> {
    pub(crate) fn new(
        encoder: E,
        ports: (Receiver<SpanFrame>, Sender<SpanFrame>),
        pool: Arc<Pool<E::Span>>,
        meter: Meter,
    ) -> Self {
        let (input, output) = ports;
        Encoder { encoder, input, output, pool, pass: None, before: 0, meter }
    }

    fn read(&mut self) -> bool {
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
        self.before = frame.header.compute_nanos();
        self.pass = Some((frame, span));
        true
    }

    /// Goes on with the frame in hand; `false` if the budget or the output ring ran out.
    fn advance(&mut self, mut frame: SpanFrame, span: Option<Box<E::Span>>, budget: &Budget) -> bool {
        if let Some(mut span) = span {
            // A dummy gives way to whatever waits behind it; its buffer goes home through the decoder.
            if frame.header.flags.has(Flags::WARM) && !self.input.is_empty() {
                frame.header.flags = frame.header.flags.with(Flags::ABORT);
            } else if frame.header.flags.gives_way() && self.input.any(SpanFrame::is_urgent) {
                frame.header.flags = frame.header.flags.with(Flags::DROPPED);
            } else {
                let begun = self.meter.clock.now();
                let progress = self.encoder.step(&mut span, budget, &mut frame.header.faults);
                self.meter.computed(&mut frame.header, begun);
                if progress == Progress::More {
                    self.pass = Some((frame, Some(span)));
                    return false;
                }
                self.meter.served(&frame.header, self.before);
                if frame.header.flags.has(Flags::FINAL) {
                    self.encoder.reset(frame.header.slot as usize);
                }
            }
            self.pool.put(frame.payload.handle, span);
        }
        let Some(place) = self.output.slot() else {
            self.pass = Some((frame, None));
            return false;
        };
        *place = frame;
        self.meter.stamp(&mut place.header);
        self.output.publish();
        true
    }
}

impl<E: model::Encoder> Stage for Encoder<E> {
    fn step(&mut self, budget: &Budget) -> Progress {
        self.meter.answer(self.output.refused());
        let mut worked = false;
        loop {
            let moved = match self.pass.take() {
                Some((frame, span)) => self.advance(frame, span, budget),
                None => self.read(),
            };
            worked |= moved || self.pass.is_some();
            if !moved || budget.is_spent() {
                return if worked { Progress::More } else { Progress::Done };
            }
        }
    }
}
