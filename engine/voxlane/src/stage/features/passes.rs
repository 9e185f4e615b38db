//! Passes over segments: how they begin, go on and end, and the buffers that they fill.

use super::{FeaturesPass, FeaturesStage, Speculation, is_urgent};
use crate::message::{Extent, Header, MAX_MARKS, ReturnedBuffer, SpanPlace, add_faults, state_of};
use crate::protocol::{PassControl, PassKind, SpanControl};
use crate::stage::PassBudget;
use voxlane_models::budget::Progress;
use voxlane_models::model::{FrontEnd, Goal};
use voxlane_runtime::message::WARM_SLOT;

impl<F: FrontEnd> FeaturesStage<F> {
    /// Whether there is a free buffer, and room for the result that it is for and all markers that it answers.
    pub(super) fn has_room_for_result(&mut self) -> bool {
        self.has_free_buffer() && self.output.vacant() > 1 + MAX_MARKS
    }

    pub(super) fn has_free_buffer(&mut self) -> bool {
        self.take_returned();
        !self.free.is_empty()
    }

    /// Takes the buffers that the decoder has given back, and what it says about the passes in them.
    pub(super) fn take_returned(&mut self) {
        while let Some(ReturnedBuffer { number, is_doubtful }) = self.returned.take() {
            self.free.push(number);
            if self.partial == Some(number) {
                self.partial = None;
            }
            let Some(segment) = self.speculative[number as usize].take() else { continue };
            let slot = state_of(&segment.header, self.slots.len());
            // Otherwise speech has gone on, or another segment has begun.
            if self.slots[slot].is_speculated(&segment.header, segment.extent) {
                self.slots[slot].is_judged_later = false;
                if is_doubtful {
                    self.doubtful.push_back(segment);
                }
            }
        }
    }

    /// Begins a pass over the chunks that are complete; there is a free buffer.
    pub(super) fn begin_chunk(&mut self, slot: usize) {
        let state = &self.slots[slot];
        let kind = if state.slot == WARM_SLOT {
            PassKind::WarmUp { is_final: false }
        } else {
            PassKind::Chunk { is_awaited: !state.markers.is_empty() }
        };
        self.look(slot, kind);
    }

    /// Begins a pass over the open segment as far as it has come.
    pub(super) fn look(&mut self, slot: usize, kind: PassKind) {
        let state = &self.slots[slot];
        let header = Header {
            slot: state.slot,
            generation: state.generation,
            captured: state.captured,
            ..Header::<()>::default()
        };
        let extent = Extent { samples: state.samples as u32, ..state.extent };
        self.begin(header.with(kind), extent);
    }

    /// Begins the next partial that is wanted, if nothing else is due: a buffer is left for a final.
    pub(super) fn begin_partial(&mut self) -> bool {
        let Some(slot) = self.wanted.next(self.next_slot, (&self.wanted, true)) else { return false };
        if !self.has_room_for_result() || self.partial.is_some() || self.free.len() < 2 {
            return false;
        }
        // What is urgent may wait for what the decoder says; a partial would make way for it at once.
        let is_asked = self.turns.as_ref().is_some_and(|turns| turns.is_any());
        if self.closing.is_some() || is_asked || self.input.any(is_urgent) {
            return false;
        }
        self.next_slot = slot + 1;
        self.wanted.remove(slot);
        let state = &mut self.slots[slot];
        (state.speculated, state.is_judged_later) = (None, false);
        let is_awaited = !state.markers.is_empty();
        self.look(slot, PassKind::Partial { is_awaited });
        self.partial = self.pass.as_ref().map(|pass| pass.buffer);
        true
    }

    pub(super) fn begin(&mut self, mut header: Header<PassKind>, extent: Extent) {
        let slot = state_of(&header, self.slots.len());
        if header.is_warm() {
            header.add_compute(self.slots[slot].pushed_nanos);
        }
        let Some(buffer) = self.free.pop() else { return };
        // Invariant: a number in `free` is nobody else's, so its buffer is in the pool.
        let Some(span) = self.pool.take(buffer) else { return };
        if let PassKind::Speculative { .. } = header.control {
            let has_context = self.has_context(extent);
            let state = &mut self.slots[slot];
            (state.speculated, state.is_judged_later) = (Some(extent.samples), has_context);
            let segment = Speculation { header: header.with(()), extent };
            self.speculative[buffer as usize] = has_context.then_some(segment);
        }
        let goal = if header.control.is_over_whole() { Goal::Final } else { Goal::Partial };
        let (state, samples) = match header.control {
            PassKind::Context => (self.slots.len() + slot, extent.context + extent.samples),
            _ => (slot, extent.samples),
        };
        self.front_end.begin(state, samples as usize, goal);
        self.pass = Some(FeaturesPass { header, extent, buffer, span, is_done: false });
    }

    /// Goes on with the pass in flight; `false` if the budget or the output ring ran out.
    pub(super) fn advance(&mut self, mut pass: FeaturesPass<F::Span>, budget: &PassBudget) -> bool {
        let kind = pass.header.control;
        if kind.is_warm_up() && !self.input.is_empty() {
            if self.output.vacant() == 0 {
                self.pass = Some(pass);
                return false;
            }
            // Whoever sends dummies waits until this one has come to its end.
            let given_up = PassControl { kind, is_given_up: true };
            self.forward(pass.header.with(SpanControl::Pass(given_up)), pass.extent, None);
            self.take_back(pass);
            return true;
        }
        if kind.gives_way() && self.input.any(is_urgent) {
            self.take_back(pass);
            return true;
        }
        let slot = state_of(&pass.header, self.slots.len());
        if !pass.is_done {
            let begun = self.meter.clock.now();
            let progress = self.front_end.step(&mut pass.span, budget, &mut self.slots[slot].faults);
            self.meter.computed(&mut pass.header, begun);
            pass.is_done = progress == Progress::Done;
        }
        if !pass.is_done || self.output.vacant() <= self.slots[slot].markers.len() {
            self.pass = Some(pass);
            return false;
        }
        self.meter.served(&pass.header, 0);
        add_faults(&mut pass.header, self.slots[slot].faults);
        self.pool.put(pass.buffer, pass.span);
        self.close(pass.header, pass.extent, Some(pass.buffer));
        true
    }

    /// Ends a pass that has been given up.
    pub(super) fn take_back(&mut self, pass: FeaturesPass<F::Span>) {
        self.pool.put(pass.buffer, pass.span);
        self.free.push(pass.buffer);
        if self.partial == Some(pass.buffer) {
            self.partial = None;
        }
    }

    /// Passes a pass on, and the markers that its result answers.
    pub(super) fn close(&mut self, header: Header<PassKind>, extent: Extent, buffer: Option<u32>) {
        let slot = state_of(&header, self.slots.len());
        self.forward(header.with(SpanControl::Pass(PassControl::new(header.control))), extent, buffer);
        if header.control.ends_segment() {
            (self.slots[slot].is_open, self.slots[slot].speculated) = (false, None);
        }
        // Of these the client sees no result: the markers wait for the final that follows.
        if matches!(header.control, PassKind::Context | PassKind::Speculative { is_shown: false }) {
            return;
        }
        for i in 0..self.slots[slot].markers.len() {
            let marker = self.slots[slot].markers[i];
            self.forward(marker.with(marker.control.into()), Extent::default(), None);
        }
        self.slots[slot].markers.clear();
    }

    pub(super) fn forward(&mut self, header: Header<SpanControl>, extent: Extent, buffer: Option<u32>) {
        if let Some(mut place) = self.output.reserve() {
            place.header = header;
            place.payload = SpanPlace { extent, buffer };
            self.meter.stamp(&mut place.header);
            place.publish();
        }
    }
}
