//! Features: samples → features, as far as that goes while audio arrives; the rest in a pass when a segment
//! ends or a look at it is wanted.
//!
//! Audio and finals come first. One partial is on its way at a time, of one stream after the other, and only
//! while nothing else is due: so a loaded lane looks less often, and what it shows is always the newest. A
//! final whose speculative pass saw the same samples is not made again.

use super::{PassBudget, pass_budget};
use crate::frame::{AudioFrame, Extent, Flags, Header, MAX_MARKS, NO_BUFFER, Span, SpanFrame, StageKind};
use crate::meter::Meter;
use std::sync::Arc;
use voxlane_models::budget::Progress;
use voxlane_models::fault::Faults;
use voxlane_models::model::{FrontEnd, Goal};
use voxlane_runtime::budget::Budget;
use voxlane_runtime::clock::Time;
use voxlane_runtime::pool::Pool;
use voxlane_runtime::ring::{Receiver, Sender};
use voxlane_runtime::slot_set::SlotSet;
use voxlane_runtime::stage::{Stage, StepStatus};

/// What the stages after this one are told of besides results.
const TOLD: Flags = Flags::SPEECH_START
    .with(Flags::SPEECH_END)
    .with(Flags::MARKER)
    .with(Flags::LAST)
    .with(Flags::ABORT)
    .with(Flags::NO_AUDIO)
    .with(Flags::CLIPPING)
    .with(ORDERED);

/// What the decoder deals with when it has heard every chunk that was complete before: at the same place of the
/// audio, however full the lane is.
const ORDERED: Flags = Flags::HOTWORDS.with(Flags::QUESTION);

/// What a partial makes way for.
const URGENT: Flags = Flags::SPEECH_END.with(Flags::SPECULATIVE);

/// See the module.
pub(crate) struct Features<F: FrontEnd> {
    front_end: F,
    /// The network takes audio in chunks.
    is_chunked: bool,
    input: Receiver<AudioFrame>,
    output: Sender<SpanFrame>,
    /// Numbers of free buffers: those given back by the decoder, and those never used yet.
    returned: Receiver<u32>,
    free: Vec<u32>,
    pool: Arc<Pool<F::Span>>,
    pass: Option<Pass<F::Span>>,
    /// The buffer of the partial on its way.
    partial: Option<u32>,
    /// The slots that want a partial, and where to look next.
    wanted: SlotSet,
    next_slot: usize,
    slots: Vec<SlotState>,
    meter: Meter,
}

/// A pass in flight.
struct Pass<S> {
    header: Header,
    extent: Extent,
    handle: u32,
    span: Box<S>,
    is_done: bool,
}

struct SlotState {
    generation: u32,
    faults: Faults,
    samples: usize,
    is_open: bool,
    /// The newest sample's capture time.
    capture: Time,
    segment: u32,
    start: u64,
    /// What taking the dummy's audio has cost, which counts as its own.
    pushed_nanos: u64,
    /// What the latest pass took for the end of the segment, if it was a speculative one.
    speculated: Option<u32>,
    /// Markers within an open segment: answered by the result that covers them.
    markers: Vec<Header>,
}

impl<F: FrontEnd> Features<F> {
    pub(crate) fn new(
        front_end: F,
        (slots, is_chunked): (usize, bool),
        ports: (Receiver<AudioFrame>, Sender<SpanFrame>, Receiver<u32>),
        pool: Arc<Pool<F::Span>>,
        meter: Meter,
    ) -> Self {
        let (input, output, returned) = ports;
        // Made one by one: a clone of an empty vector has no room.
        let state = |_| SlotState {
            generation: 0,
            faults: Faults::NONE,
            samples: 0,
            is_open: false,
            capture: Time::default(),
            segment: 0,
            start: 0,
            pushed_nanos: 0,
            speculated: None,
            markers: Vec::with_capacity(MAX_MARKS),
        };
        Features {
            front_end,
            is_chunked,
            input,
            output,
            returned,
            free: (0..pool.capacity() as u32).rev().collect(),
            pool,
            pass: None,
            partial: None,
            wanted: SlotSet::new(slots),
            next_slot: 0,
            slots: (0..slots).map(state).collect(),
            meter,
        }
    }

    /// Reads one frame; `false` if there is none or it must wait for room or a free buffer.
    fn read(&mut self) -> bool {
        let Some(frame) = self.input.peek() else { return false };
        let header = frame.header;
        let flags = header.flags;
        if flags.has_any(ORDERED) && self.is_chunk_ready(header.slot as usize) {
            let begins = self.has_free_buffer();
            if begins {
                self.begin_chunk(header.slot as usize, flags);
            }
            return begins;
        }
        let told = flags.only(TOLD);
        let forwards = told != Flags::NONE && !flags.has(Flags::WARM);
        let slot = header.slot as usize;
        let is_held = flags.has(Flags::MARKER) && self.slots[slot].is_open;
        if forwards && !is_held && self.output.vacant() == 0 {
            return false;
        }
        // Audio may complete a chunk. Its pass begins with it: there may be no later frame to begin it with.
        let may_complete = self.is_chunked && header.count > 0;
        let needs_buffer = flags.has_any(URGENT) || may_complete;
        if needs_buffer && (!self.has_free_buffer() || self.output.vacant() <= 1 + MAX_MARKS) {
            return false;
        }
        let Some(frame) = self.input.peek() else { return false };
        let received = self.meter.received(&header, header.stamped(StageKind::Ingest));
        let extent = frame.payload.extent;
        if flags.has(Flags::SPEECH_START) {
            self.front_end.reset(slot);
            let state = &mut self.slots[slot];
            (state.faults, state.samples, state.is_open) = (Faults::NONE, 0, true);
            (state.generation, state.segment, state.start) =
                (header.generation, header.segment, extent.start);
            (state.speculated, state.pushed_nanos) = (None, 0);
            self.wanted.remove(slot);
        }
        if header.count > 0 {
            let state = &mut self.slots[slot];
            state.samples += header.count as usize;
            state.capture = header.capture;
            let samples = &frame.payload.samples[..header.count as usize];
            self.front_end.push(slot, samples, &mut state.faults);
            let mut header = header;
            self.meter.computed(&mut header, received);
            self.meter.served(&header, 0);
            if flags.has(Flags::WARM) {
                self.slots[slot].pushed_nanos += header.compute_nanos();
            }
            if flags.has(Flags::PARTIAL) {
                self.wanted.insert(slot);
            }
        }
        self.input.release();
        let result = |kind: Flags| flags.only(Flags::WARM).with(kind);
        if flags.has(Flags::ABORT) {
            self.front_end.reset(slot);
            self.slots[slot].is_open = false;
            self.wanted.remove(slot);
            self.slots[slot].markers.clear();
        }
        if forwards && !is_held {
            self.forward(Header { flags: told, ..header }, extent, 0);
        }
        if flags.has(Flags::SPEECH_END) {
            let header = Header { flags: result(Flags::FINAL), ..header };
            self.wanted.remove(slot);
            if self.slots[slot].speculated.take() == Some(extent.samples) {
                self.close(header, extent, NO_BUFFER);
            } else {
                self.begin(header, extent, Goal::Final);
            }
        } else if flags.has(Flags::SPECULATIVE) {
            let flags = Flags::PARTIAL.with(Flags::SPECULATIVE).with(Flags::FIRM);
            self.begin(Header { flags, ..header }, extent, Goal::Final);
            self.slots[slot].speculated = Some(extent.samples);
            self.wanted.remove(slot);
        } else if is_held {
            self.slots[slot].markers.push(header);
        } else if self.is_chunk_ready(slot) {
            self.begin_chunk(slot, flags);
        }
        true
    }

    fn is_chunk_ready(&self, slot: usize) -> bool {
        self.slots[slot].is_open && self.front_end.is_ready(slot)
    }

    /// Begins a pass over the chunks that are complete, because of a frame with `flags`; there is a free buffer.
    fn begin_chunk(&mut self, slot: usize, flags: Flags) {
        let is_awaited = !self.slots[slot].markers.is_empty();
        // The network goes on from it: nothing may drop it.
        let flags = flags.only(Flags::WARM).with(Flags::PARTIAL).with(Flags::FIRM);
        let flags = if is_awaited { flags } else { flags.with(Flags::CHUNK) };
        self.look(slot, flags);
    }

    /// Begins a partial over the open segment as far as it has come.
    fn look(&mut self, slot: usize, flags: Flags) {
        let state = &self.slots[slot];
        let header = Header {
            slot: slot as u16,
            flags,
            generation: state.generation,
            capture: state.capture,
            segment: state.segment,
            ..Header::default()
        };
        let extent = Extent { start: state.start, samples: state.samples as u32, ..Extent::default() };
        self.begin(header, extent, Goal::Partial);
    }

    fn has_free_buffer(&mut self) -> bool {
        while let Some(number) = self.returned.take() {
            self.free.push(number);
            if self.partial == Some(number) {
                self.partial = None;
            }
        }
        !self.free.is_empty()
    }

    /// Begins the next partial that is wanted, if nothing else is due: a buffer is left for a final.
    fn begin_partial(&mut self) -> bool {
        let Some(slot) = self.wanted.next(self.next_slot, (&self.wanted, true)) else { return false };
        if !self.has_free_buffer() {
            return false;
        }
        if self.partial.is_some() || self.free.len() < 2 || self.output.vacant() <= 1 + MAX_MARKS {
            return false;
        }
        self.next_slot = slot + 1;
        self.wanted.remove(slot);
        let state = &mut self.slots[slot];
        state.speculated = None;
        // Markers wait for this partial: then it has to arrive.
        let flags = if state.markers.is_empty() { Flags::NONE } else { Flags::FIRM };
        self.look(slot, flags.with(Flags::PARTIAL));
        self.partial = self.pass.as_ref().map(|pass| pass.handle);
        true
    }

    fn begin(&mut self, mut header: Header, extent: Extent, goal: Goal) {
        if header.flags.has(Flags::WARM) {
            header.add_compute(self.slots[header.slot as usize].pushed_nanos);
        }
        let Some(handle) = self.free.pop() else { return };
        // Invariant: a number in `free` is nobody else's, so its buffer is in the pool.
        let Some(span) = self.pool.take(handle) else { return };
        self.front_end.begin(header.slot as usize, extent.samples as usize, goal);
        self.pass = Some(Pass { header, extent, handle, span, is_done: false });
    }

    /// Goes on with the pass in flight; `false` if the budget or the output ring ran out.
    fn advance(&mut self, mut pass: Pass<F::Span>, budget: &PassBudget) -> bool {
        let slot = pass.header.slot as usize;
        let flags = pass.header.flags;
        let gives_way = if flags.has(Flags::WARM) {
            !self.input.is_empty()
        } else {
            let is_urgent = |flags: Flags| flags.has_any(URGENT) && !flags.has(Flags::WARM);
            flags.gives_way() && self.input.any(|frame| is_urgent(frame.header.flags))
        };
        if gives_way && flags.has(Flags::WARM) && self.output.vacant() == 0 {
            self.pass = Some(pass);
            return false;
        }
        if gives_way {
            if flags.has(Flags::WARM) {
                // Whoever sends dummies waits until this one has come to its end.
                let header = Header { flags: flags.with(Flags::ABORT), ..pass.header };
                self.forward(header, pass.extent, NO_BUFFER);
            }
            self.pool.put(pass.handle, pass.span);
            self.free.push(pass.handle);
            if self.partial == Some(pass.handle) {
                self.partial = None;
            }
            return true;
        }
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
        pass.header.faults |= self.slots[slot].faults;
        self.pool.put(pass.handle, pass.span);
        self.close(pass.header, pass.extent, pass.handle);
        true
    }

    /// Passes a result's frame on, and the markers that it answers.
    fn close(&mut self, header: Header, extent: Extent, handle: u32) {
        let slot = header.slot as usize;
        self.forward(header, extent, handle);
        if header.flags.has(Flags::FINAL) {
            self.slots[slot].is_open = false;
        }
        for i in 0..self.slots[slot].markers.len() {
            let marker = self.slots[slot].markers[i];
            self.forward(marker, Extent::default(), 0);
        }
        self.slots[slot].markers.clear();
    }

    fn forward(&mut self, header: Header, extent: Extent, handle: u32) {
        if let Some(mut place) = self.output.reserve() {
            place.header = header;
            place.payload = Span { extent, handle };
            self.meter.stamp(&mut place.header);
            place.publish();
        }
    }
}

impl<F: FrontEnd> Stage for Features<F> {
    fn report(&mut self) {
        self.meter.answer(self.output.refused());
    }

    fn step(&mut self, budget: &Budget) -> StepStatus {
        let budget = &pass_budget(budget, &self.meter.clock);
        let mut worked = false;
        loop {
            let moved = match self.pass.take() {
                Some(pass) => self.advance(pass, budget),
                None => self.read() || self.begin_partial(),
            };
            worked |= moved || self.pass.is_some();
            if !moved || budget.is_spent() {
                return StepStatus::of(worked);
            }
        }
    }
}
