//! Decoder: hidden frames → tokens.

use super::{Meter, Stage};
use crate::frame::{FRAME_TOKENS, Flags, NO_BUFFER, SpanFrame, StageKind, TokensFrame};
use crate::pool::Pool;
use crate::ring::{Receiver, Sender};
use std::sync::Arc;
use voxlane_models::budget::{Budget, Progress};
use voxlane_models::fault::Faults;
use voxlane_models::model::{self, Goal};

/// Frames that carry text.
const RESULT: Flags = Flags::FINAL.with(Flags::PARTIAL);

/// See the module.
pub(crate) struct Decoder<D: model::Decoder> {
    decoder: D,
    input: Receiver<SpanFrame>,
    output: Sender<TokensFrame>,
    /// Numbers of buffers that are free again, back to features.
    returned: Sender<u32>,
    pool: Arc<Pool<D::Span>>,
    work: Work<D::Span>,
    /// What went wrong in each slot's latest pass, for a final that a speculative pass has made.
    faults: Vec<Faults>,
    /// What the frame in hand had taken when it came in, in nanoseconds.
    before: u64,
    meter: Meter,
}

/// What the stage has in hand.
enum Work<S> {
    Nothing,
    /// A pass over this buffer.
    Decoding(SpanFrame, Box<S>),
    /// A result or a frame without one, of which so many tokens have been passed on.
    Publishing(SpanFrame, usize),
}

impl<D: model::Decoder> Decoder<D> {
    pub(crate) fn new(
        decoder: D,
        slots: usize,
        ports: (Receiver<SpanFrame>, Sender<TokensFrame>, Sender<u32>),
        pool: Arc<Pool<D::Span>>,
        meter: Meter,
    ) -> Self {
        let (input, output, returned) = ports;
        let faults = vec![Faults::NONE; slots];
        Decoder { decoder, input, output, returned, pool, work: Work::Nothing, faults, before: 0, meter }
    }

    fn read(&mut self) -> bool {
        let Some(frame) = self.input.take() else { return false };
        self.meter.received(&frame.header, frame.header.stamped(StageKind::Encoder));
        let (slot, flags) = (frame.header.slot as usize, frame.header.flags);
        let handle = frame.payload.handle;
        let has_span = flags.has_any(RESULT) && handle != NO_BUFFER;
        if flags.has(Flags::ABORT) {
            self.decoder.reset(slot);
        }
        let is_cut = flags.has_any(Flags::ABORT.with(Flags::DROPPED));
        if has_span && is_cut {
            self.give_back(handle);
        }
        let span = if has_span && !is_cut { self.pool.take(handle) } else { None };
        self.before = frame.header.compute_nanos();
        self.work = match span {
            Some(mut span) => {
                let is_final = flags.has_any(Flags::FINAL.with(Flags::SPECULATIVE));
                let goal = if is_final { Goal::Final } else { Goal::Partial };
                self.decoder.begin(slot, &mut span, goal);
                Work::Decoding(frame, span)
            }
            None if flags.has(Flags::DROPPED) => Work::Nothing,
            None => Work::Publishing(frame, 0),
        };
        if handle == NO_BUFFER && flags.has(Flags::FINAL) {
            if let Work::Publishing(frame, _) = &mut self.work {
                frame.header.faults |= self.faults[slot];
            }
            self.meter.served(&frame.header, 0);
        }
        true
    }

    /// Goes on with a pass; `false` if the budget ran out.
    fn decode(&mut self, mut frame: SpanFrame, mut span: Box<D::Span>, budget: &Budget) -> bool {
        let (slot, flags) = (frame.header.slot as usize, frame.header.flags);
        let is_dropped = flags.gives_way() && self.input.any(SpanFrame::is_urgent);
        if flags.has(Flags::WARM) && !self.input.is_empty() {
            frame.header.flags = frame.header.flags.with(Flags::ABORT);
            self.decoder.reset(slot);
        } else if !is_dropped {
            let begun = self.meter.clock.now();
            let progress = self.decoder.step(&mut span, budget, &mut frame.header.faults);
            self.meter.computed(&mut frame.header, begun);
            if progress == Progress::More {
                self.work = Work::Decoding(frame, span);
                return false;
            }
            self.faults[slot] = frame.header.faults;
            self.meter.served(&frame.header, self.before);
        }
        self.pool.put(frame.payload.handle, span);
        self.give_back(frame.payload.handle);
        // A speculative pass that contradicts what is stable shows nothing: speech may go on.
        let is_silent = flags.has(Flags::SPECULATIVE) && self.decoder.hypothesis(slot).is_revised();
        if !is_dropped && !is_silent {
            self.work = Work::Publishing(frame, 0);
        }
        true
    }

    /// The reverse ring has room for every buffer there is.
    fn give_back(&mut self, handle: u32) {
        let sent = self.returned.send(&handle);
        debug_assert!(sent);
    }

    /// Passes tokens on from number `from`, a frame's worth at a time; `false` if the output ring ran out.
    fn publish(&mut self, frame: SpanFrame, from: usize) -> bool {
        let Some(place) = self.output.slot() else {
            self.work = Work::Publishing(frame, from);
            return false;
        };
        let (slot, flags) = (frame.header.slot as usize, frame.header.flags);
        let has_result = flags.has_any(RESULT) && !flags.has(Flags::ABORT);
        place.header = frame.header;
        place.payload.extent = frame.payload.extent;
        let mut rest = 0;
        if has_result {
            let hypothesis = self.decoder.hypothesis(slot);
            let tokens = &hypothesis.tokens()[from..];
            let count = tokens.len().min(FRAME_TOKENS);
            place.payload.tokens[..count].copy_from_slice(&tokens[..count]);
            place.payload.stable = hypothesis.stable() as u32;
            place.header.count = count as u32;
            rest = tokens.len() - count;
        }
        if rest > 0 {
            place.header.flags = flags.with(Flags::CONTINUED);
            self.work = Work::Publishing(frame, from + FRAME_TOKENS);
        } else if flags.has(Flags::FINAL) {
            self.decoder.reset(slot);
        }
        self.meter.stamp(&mut place.header);
        self.output.publish();
        true
    }
}

impl<D: model::Decoder> Stage for Decoder<D> {
    fn step(&mut self, budget: &Budget) -> Progress {
        self.meter.answer(self.output.refused());
        let mut worked = false;
        loop {
            let moved = match std::mem::replace(&mut self.work, Work::Nothing) {
                Work::Nothing => self.read(),
                Work::Decoding(frame, span) => self.decode(frame, span, budget),
                Work::Publishing(frame, from) => self.publish(frame, from),
            };
            worked |= moved || !matches!(self.work, Work::Nothing);
            if !moved || budget.is_spent() {
                return if worked { Progress::More } else { Progress::Done };
            }
        }
    }
}
