//! Decoder: hidden frames → tokens, for one stream after the other or, where the model decodes in batches, for
//! several at the same time.

use super::told::Told;
use super::{PassBudget, pass_budget};
use crate::frame::{FRAME_TOKENS, Flags, Header, NO_BUFFER, SpanFrame, StageKind, TokensFrame};
use crate::meter::Meter;
use crate::phrases::PhraseReceiver;
use crate::slot_state::Slots;
use std::collections::VecDeque;
use std::sync::Arc;
use voxlane_models::budget::Progress;
use voxlane_models::decode::coverage;
use voxlane_models::fault::Faults;
use voxlane_models::model::{self, Goal, Request};
use voxlane_runtime::budget::Budget;
use voxlane_runtime::eventcount::Notifier;
use voxlane_runtime::pool::Pool;
use voxlane_runtime::ring::{Receiver, Sender};
use voxlane_runtime::stage::{Stage, StepStatus};

/// Frames that carry text.
const RESULT: Flags = Flags::FINAL.with(Flags::PARTIAL);
/// Frames that may be held back, for each pass that can be in flight.
const HELD_FRAMES: usize = 4;

/// What the decoder is connected to.
pub(crate) struct DecoderPorts {
    /// From the encoder.
    pub(crate) input: Receiver<SpanFrame>,
    /// To emit.
    pub(crate) output: Sender<TokensFrame>,
    /// Numbers of buffers that are free again, back to features.
    pub(crate) returned: Sender<u32>,
    /// What streams are to listen for, one end a slot.
    pub(crate) phrases: Vec<PhraseReceiver>,
    /// What is shared with the clients.
    pub(crate) slots: Arc<Slots>,
    /// Wakes ingest.
    pub(crate) ingest: Arc<Notifier>,
}

/// See the module.
pub(crate) struct Decoder<D: model::Decoder> {
    decoder: D,
    input: Receiver<SpanFrame>,
    output: Sender<TokensFrame>,
    returned: Sender<u32>,
    pool: Arc<Pool<D::Span>>,
    /// The passes in flight, at most as many as the model decodes at the same time.
    passes: Vec<Pass<D::Span>>,
    /// How many that are.
    batch: usize,
    /// The pass whose turn it is.
    turn: usize,
    /// Frames behind a pass of their own stream, in order.
    held: VecDeque<SpanFrame>,
    /// A result or a frame without one, of which so many tokens have been passed on.
    publishing: Option<(SpanFrame, usize)>,
    /// What went wrong in each slot's latest pass, for a final that a speculative pass has made.
    faults: Vec<Faults>,
    /// What each slot's stream has been told of its open segment.
    told: Vec<Told>,
    phrases: Vec<PhraseReceiver>,
    slots: Arc<Slots>,
    ingest: Arc<Notifier>,
    meter: Meter,
}

/// A pass in flight over a buffer.
struct Pass<S> {
    frame: SpanFrame,
    span: Box<S>,
    /// What the frame had taken when it came in, in nanoseconds.
    before: u64,
}

impl<D: model::Decoder> Decoder<D> {
    /// A decoder of `states` slots, the dummy's among them, whose segments have at most `max_tokens` tokens, and
    /// that can have `batch` passes in flight.
    pub(crate) fn new(
        decoder: D,
        (states, max_tokens, batch): (usize, usize, usize),
        ports: DecoderPorts,
        pool: Arc<Pool<D::Span>>,
        meter: Meter,
    ) -> Self {
        let DecoderPorts { input, output, returned, phrases, slots, ingest } = ports;
        Decoder {
            decoder,
            input,
            output,
            returned,
            pool,
            passes: Vec::with_capacity(batch),
            batch,
            turn: 0,
            held: VecDeque::with_capacity(HELD_FRAMES * batch),
            publishing: None,
            faults: vec![Faults::NONE; states],
            told: (0..states).map(|_| Told::with_capacity(max_tokens)).collect(),
            phrases,
            slots,
            ingest,
            meter,
        }
    }

    fn read(&mut self) -> bool {
        if self.passes.len() == self.batch {
            return false;
        }
        if let Some(index) = self.held.iter().position(|frame| !self.is_decoding(frame.header.slot)) {
            if let Some(frame) = self.held.remove(index) {
                self.accept(frame);
            }
            return true;
        }
        if self.held.len() == self.held.capacity() {
            return false;
        }
        let Some(frame) = self.input.take() else { return false };
        self.meter.received(&frame.header, frame.header.stamped(StageKind::Encoder));
        // Whatever a stream says after a pass began comes out after its result.
        if self.is_decoding(frame.header.slot) {
            self.held.push_back(frame);
        } else {
            self.accept(frame);
        }
        true
    }

    fn is_decoding(&self, slot: u16) -> bool {
        self.passes.iter().any(|pass| pass.frame.header.slot == slot)
    }

    fn accept(&mut self, mut frame: SpanFrame) {
        let (slot, flags) = (frame.header.slot as usize, frame.header.flags);
        if flags.has_any(Flags::HOTWORDS.with(Flags::LAST).with(Flags::ABORT)) {
            self.change_hotwords(&frame.header);
            if flags.has(Flags::HOTWORDS) {
                return;
            }
        }
        if flags.has(Flags::QUESTION) {
            let quiet = self.quiet_samples(slot).try_into().unwrap_or(u32::MAX);
            self.slots.state(slot).answer(frame.header.marker, quiet);
            self.slots.mark_active(slot);
            return self.ingest.notify();
        }
        let handle = frame.payload.handle;
        let has_span = flags.has_any(RESULT) && handle != NO_BUFFER;
        if flags.has(Flags::ABORT) {
            self.forget(slot);
        }
        let is_cut = flags.has_any(Flags::ABORT.with(Flags::DROPPED));
        if has_span && is_cut {
            self.give_back(handle);
        }
        if handle == NO_BUFFER && flags.has(Flags::FINAL) {
            if !flags.has(Flags::DROPPED) {
                frame.header.faults |= self.faults[slot];
            }
            self.meter.served(&frame.header, 0);
        }
        let span = if has_span && !is_cut { self.pool.take(handle) } else { None };
        match span {
            Some(mut span) => {
                let is_final = flags.has_any(Flags::FINAL.with(Flags::SPECULATIVE));
                let goal = if is_final { Goal::Final } else { Goal::Partial };
                let voiced_samples = frame.payload.extent.voiced as usize;
                self.decoder.begin(slot, &mut span, Request { goal, voiced_samples });
                let before = frame.header.compute_nanos();
                self.passes.push(Pass { frame, span, before });
            }
            None if flags.has(Flags::DROPPED) => {}
            None => self.publishing = Some((frame, 0)),
        }
    }

    /// Goes on with the pass whose turn it is; `false` if there is none or none has come to its end.
    fn decode(&mut self, budget: &PassBudget) -> bool {
        for _ in 0..self.passes.len() {
            self.turn = if self.turn < self.passes.len() { self.turn } else { 0 };
            let has_others = self.passes.len() > 1 || !self.held.is_empty() || !self.input.is_empty();
            let Pass { frame, span, before } = &mut self.passes[self.turn];
            let (slot, flags) = (frame.header.slot as usize, frame.header.flags);
            let is_dropped = flags.gives_way()
                && (self.held.iter().any(SpanFrame::is_urgent) || self.input.any(SpanFrame::is_urgent));
            if flags.has(Flags::WARM) && has_others {
                frame.header.flags = flags.with(Flags::ABORT);
                self.decoder.reset(slot);
            } else if is_dropped {
                self.decoder.cancel(slot);
            } else {
                let begun = self.meter.clock.now();
                let progress = self.decoder.step(span, budget, &mut frame.header.faults);
                self.meter.computed(&mut frame.header, begun);
                if progress == Progress::More {
                    self.turn += 1;
                    continue;
                }
                if frame.is_urgent() {
                    let tokens = self.decoder.hypothesis(slot).tokens().len();
                    frame.header.faults |= coverage::faults(tokens, frame.payload.extent.voiced as usize);
                }
                self.faults[slot] = frame.header.faults;
                self.meter.served(&frame.header, *before);
            }
            let Pass { frame, span, .. } = self.passes.remove(self.turn);
            self.pool.put(frame.payload.handle, span);
            self.give_back(frame.payload.handle);
            // Speech may go on: a speculative pass shows nothing that contradicts what is stable, or that the next
            // partial, which ends where the network ends it, would take back.
            let hypothesis = self.decoder.hypothesis(slot);
            let is_silent =
                flags.has(Flags::SPECULATIVE) && (hypothesis.is_revised() || hypothesis.is_resumed());
            if !is_dropped && !is_silent && !self.is_stale(&frame.header) {
                self.publishing = Some((frame, 0));
            }
            return true;
        }
        false
    }

    /// Whether a partial is not told because its client knows all that it says.
    fn is_stale(&mut self, header: &Header) -> bool {
        let (slot, flags) = (header.slot as usize, header.flags);
        if !flags.has(Flags::PARTIAL) || flags.has(Flags::WARM) {
            return false;
        }
        let is_news = self.told[slot].is_news(self.decoder.hypothesis(slot));
        flags.has(Flags::CHUNK)
            && !is_news
            && header.faults.is_none()
            && !self.slots.state(slot).take_left_out()
    }

    /// The reverse ring has room for every buffer there is.
    fn give_back(&mut self, handle: u32) {
        let sent = self.returned.send(&handle);
        debug_assert!(sent);
    }

    /// For how long the network has found nothing after the segment's text; a segment without text does not end.
    fn quiet_samples(&self, slot: usize) -> usize {
        let has_text = !self.decoder.hypothesis(slot).tokens().is_empty();
        if has_text { self.decoder.quiet_samples(slot).unwrap_or_default() } else { 0 }
    }

    /// The stream listens for the phrases that wait, or for none because it has ended. Frees none: the client's
    /// end has a share in each.
    fn change_hotwords(&mut self, header: &Header) {
        let (slot, generation) = (header.slot as usize, header.generation);
        let Some(phrases) = self.phrases.get_mut(slot) else { return }; // the dummy's
        if header.flags.has(Flags::HOTWORDS) {
            if let Some(hotwords) = phrases.take(generation) {
                self.decoder.set_hotwords(slot, hotwords);
            }
        } else {
            phrases.clear(generation);
            self.decoder.set_hotwords(slot, None);
        }
    }

    /// The slot's segment is over.
    fn forget(&mut self, slot: usize) {
        self.decoder.reset(slot);
        self.told[slot].clear();
    }

    /// Passes tokens on from number `from`, a frame's worth at a time; `false` if the output ring ran out.
    fn publish(&mut self, frame: SpanFrame, from: usize) -> bool {
        let Some(mut place) = self.output.reserve() else {
            self.publishing = Some((frame, from));
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
            place.header.count = count as u16;
            rest = tokens.len() - count;
        }
        if rest > 0 {
            place.header.flags = flags.with(Flags::CONTINUED);
            self.publishing = Some((frame, from + FRAME_TOKENS));
        }
        self.meter.stamp(&mut place.header);
        place.publish();
        if rest == 0 && flags.has(Flags::FINAL) {
            self.forget(slot);
        }
        true
    }
}

impl<D: model::Decoder> Stage for Decoder<D> {
    fn report(&mut self) {
        self.meter.answer(self.output.refused());
    }

    fn step(&mut self, budget: &Budget) -> StepStatus {
        let budget = &pass_budget(budget, &self.meter.clock);
        let mut worked = false;
        loop {
            let moved = match self.publishing.take() {
                Some((frame, from)) => self.publish(frame, from),
                None => self.read() || self.decode(budget),
            };
            worked |= moved || self.publishing.is_some() || !self.passes.is_empty();
            if !moved || budget.is_spent() {
                return StepStatus::of(worked);
            }
        }
    }
}
