//! FeaturesStage: samples → features, as far as that goes while audio arrives; the rest in a pass when a segment
//! ends or a partial is wanted.
//!
//! Audio and finals come first. One partial is on its way at a time, of one stream after the other, and only
//! while nothing else is due: so a loaded lane looks less often, and what it shows is always the newest. A
//! final whose speculative pass saw the same samples is not made again.

use super::{PassBudget, pass_budget};
use crate::message::{AudioMessage, Extent, Header, MAX_MARKS, SpanMessage, SpanPlace, add_faults, state_of};
use crate::meter::Meter;
use crate::protocol::{AudioControl, Control, PassControl, PassKind, SpanControl};
use crate::stage_kind::StageKind;
use std::sync::Arc;
use voxlane_models::budget::Progress;
use voxlane_models::fault::Faults;
use voxlane_models::model::{FrontEnd, Goal};
use voxlane_runtime::budget::Budget;
use voxlane_runtime::clock::Time;
use voxlane_runtime::message::WARM_SLOT;
use voxlane_runtime::pool::Pool;
use voxlane_runtime::ring::{Receiver, Sender};
use voxlane_runtime::slot_set::SlotSet;
use voxlane_runtime::stage::{Stage, StepStatus};

/// What features must know of their lane and model.
#[derive(Clone, Copy, Debug)]
pub(crate) struct FeaturesSizes {
    /// Slots, the dummy's among them. The front end may have a second state for each, for passes behind the segment before.
    pub(crate) states: usize,
    /// The network takes audio in chunks.
    pub(crate) is_chunked: bool,
    /// The most samples of a pass.
    pub(crate) most_samples: usize,
}

/// See the module.
pub(crate) struct FeaturesStage<F: FrontEnd> {
    front_end: F,
    /// The network takes audio in chunks.
    is_chunked: bool,
    /// The most samples of a pass.
    most_samples: usize,
    input: Receiver<AudioMessage>,
    output: Sender<SpanMessage>,
    /// Numbers of free buffers: those given back by the decoder, and those never used yet.
    returned: Receiver<u32>,
    free: Vec<u32>,
    pool: Arc<Pool<F::Span>>,
    pass: Option<FeaturesPass<F::Span>>,
    /// What follows the pass, before anything else is read.
    next: Next,
    /// The buffer of the partial on its way.
    partial: Option<u32>,
    /// The slots that want a partial, and where to look next.
    wanted: SlotSet,
    next_slot: usize,
    slots: Vec<SlotState>,
    meter: Meter,
}

/// What is to follow a pass over the same samples.
#[derive(Clone, Copy)]
enum Next {
    Nothing,
    /// The same once more behind the segment before, and then the end of the final that is ready with it, if it was asked
    /// for.
    Context {
        header: Header<()>,
        extent: Extent,
        ends: bool,
    },
    /// The end of the final.
    Final {
        header: Header<()>,
        extent: Extent,
    },
}

/// A pass in flight.
struct FeaturesPass<S> {
    header: Header<PassKind>,
    extent: Extent,
    buffer: u32,
    span: Box<S>,
    is_done: bool,
}

struct SlotState {
    /// The slot's number in messages.
    slot: u16,
    generation: u32,
    faults: Faults,
    samples: usize,
    is_open: bool,
    /// When the newest sample was captured.
    captured: Time,
    /// The open segment's number and start.
    extent: Extent,
    /// What taking the dummy's audio has cost, which counts as its own.
    pushed_nanos: u64,
    /// What the latest pass took for the end of the segment, if it was a speculative one.
    speculated: Option<u32>,
    /// Markers within an open segment: answered by the result that covers them.
    markers: Vec<Header<Control>>,
}

impl<F: FrontEnd> FeaturesStage<F> {
    pub(crate) fn new(
        front_end: F,
        sizes: FeaturesSizes,
        ports: (Receiver<AudioMessage>, Sender<SpanMessage>, Receiver<u32>),
        pool: Arc<Pool<F::Span>>,
        meter: Meter,
    ) -> Self {
        let FeaturesSizes { states: slots, is_chunked, most_samples } = sizes;
        let (input, output, returned) = ports;
        // Made one by one: a clone of an empty vector has no room.
        let state = |number| SlotState {
            slot: if number + 1 < slots { number as u16 } else { WARM_SLOT },
            generation: 0,
            faults: Faults::NONE,
            samples: 0,
            is_open: false,
            captured: Time::default(),
            extent: Extent::default(),
            pushed_nanos: 0,
            speculated: None,
            markers: Vec::with_capacity(MAX_MARKS),
        };
        FeaturesStage {
            front_end,
            is_chunked,
            most_samples,
            input,
            output,
            returned,
            free: (0..pool.capacity() as u32).rev().collect(),
            pool,
            pass: None,
            next: Next::Nothing,
            partial: None,
            wanted: SlotSet::new(slots),
            next_slot: 0,
            slots: (0..slots).map(state).collect(),
            meter,
        }
    }

    /// Reads one message; `false` if there is none or it must wait for room or a free buffer.
    fn read(&mut self) -> bool {
        let Some(message) = self.input.peek() else { return false };
        let (header, extent) = (message.header, message.payload.extent);
        match header.control {
            AudioControl::Samples { wants_partial } => self.take(&header, wants_partial),
            AudioControl::Context => self.take_context(&header),
            AudioControl::Speculate => self.speculate(&header, extent),
            AudioControl::Control(Control::End) => self.end(&header, extent),
            AudioControl::Control(control @ (Control::OptionsChanged | Control::Query(_))) => {
                // The decoder deals with it when it has heard every chunk that was complete before: at the same place of
                // the audio, however full the lane is.
                let slot = state_of(&header, self.slots.len());
                if self.is_chunk_ready(slot) {
                    let begins = self.has_free_buffer();
                    if begins {
                        self.begin_chunk(slot);
                    }
                    return begins;
                }
                self.pass_on(header.with(control), extent)
            }
            AudioControl::Control(
                control @ (Control::Start
                | Control::Abort
                | Control::Marker(_)
                | Control::EagerEnd
                | Control::Resumed
                | Control::Notice(_)
                | Control::Last),
            ) => self.pass_on(header.with(control), extent),
        }
    }

    /// Takes samples of the open segment. They may complete a chunk; then its pass begins with them: there may be no later
    /// message to begin it with.
    fn take(&mut self, header: &Header<AudioControl>, wants_partial: bool) -> bool {
        if self.is_chunked && !self.has_room_for_result() {
            return false;
        }
        let Some(message) = self.input.peek() else { return false };
        let received = self.meter.received(header, header.stamped(StageKind::Ingest as usize));
        let slot = state_of(header, self.slots.len());
        let state = &mut self.slots[slot];
        state.samples += usize::from(header.count);
        state.captured = header.captured;
        let samples = &message.payload.samples[..usize::from(header.count)];
        self.front_end.push(slot, samples, &mut state.faults);
        if state.extent.context > 0 {
            // What is too long for it has no such pass.
            self.front_end.push(self.slots.len() + slot, samples, &mut { Faults::NONE });
        }
        let mut header = *header;
        self.meter.computed(&mut header, received);
        self.meter.served(&header, 0);
        if header.is_warm() {
            self.slots[slot].pushed_nanos += header.compute_nanos();
        }
        if wants_partial {
            self.wanted.insert(slot);
        }
        self.input.release();
        if self.is_chunk_ready(slot) {
            self.begin_chunk(slot);
        }
        true
    }

    /// Takes samples before the open segment.
    fn take_context(&mut self, header: &Header<AudioControl>) -> bool {
        let Some(message) = self.input.peek() else { return false };
        let received = self.meter.received(header, header.stamped(StageKind::Ingest as usize));
        let state = self.slots.len() + state_of(header, self.slots.len());
        let samples = &message.payload.samples[..usize::from(header.count)];
        self.front_end.push(state, samples, &mut { Faults::NONE });
        let mut header = *header;
        self.meter.computed(&mut header, received);
        self.meter.served(&header, 0);
        self.input.release();
        true
    }

    /// What follows the pass over a segment that ends, or may.
    fn behind(&self, header: Header<()>, extent: Extent, ends: bool) -> Next {
        let samples = extent.context as usize + extent.samples as usize;
        match (extent.context > 0 && samples <= self.most_samples, ends) {
            (true, ends) => Next::Context { header, extent, ends },
            (false, true) => Next::Final { header, extent },
            (false, false) => Next::Nothing,
        }
    }

    /// Begins what follows the latest pass; `false` if it must wait for room or a free buffer.
    fn follow(&mut self) -> bool {
        if !self.has_room_for_result() {
            return false;
        }
        match self.next {
            Next::Nothing => false,
            Next::Context { header, extent, ends } => {
                self.next = if ends { Next::Final { header, extent } } else { Next::Nothing };
                self.begin(header.with(PassKind::Context), extent);
                true
            }
            Next::Final { header, extent } => {
                self.next = Next::Nothing;
                self.close(header.with(PassKind::Final), extent, None);
                true
            }
        }
    }

    /// Begins the final that the open segment will have should it end here.
    fn speculate(&mut self, header: &Header<AudioControl>, extent: Extent) -> bool {
        if !self.has_room_for_result() {
            return false;
        }
        self.meter.received(header, header.stamped(StageKind::Ingest as usize));
        self.input.release();
        let slot = state_of(header, self.slots.len());
        self.slots[slot].speculated = Some(extent.samples);
        self.wanted.remove(slot);
        self.next = self.behind(header.with(()), extent, false);
        self.begin(header.with(PassKind::Speculative { is_shown: true }), extent);
        true
    }

    /// The open segment ends: begins its final, unless the speculative pass has made it.
    fn end(&mut self, header: &Header<AudioControl>, extent: Extent) -> bool {
        if !self.has_room_for_result() {
            return false;
        }
        self.meter.received(header, header.stamped(StageKind::Ingest as usize));
        self.input.release();
        let slot = state_of(header, self.slots.len());
        let kind = if header.is_warm() {
            PassKind::WarmUp { is_final: true }
        } else {
            self.forward(header.with(Control::End.into()), extent, None);
            PassKind::Final
        };
        self.wanted.remove(slot);
        if self.slots[slot].speculated.take() == Some(extent.samples) {
            self.close(header.with(kind), extent, None);
        } else if let (next @ Next::Context { .. }, PassKind::Final) =
            (self.behind(header.with(()), extent, true), kind)
        {
            self.next = next;
            self.begin(header.with(PassKind::Speculative { is_shown: false }), extent);
        } else {
            self.begin(header.with(kind), extent);
        }
        true
    }

    /// Passes a control on, and does what it means here.
    fn pass_on(&mut self, header: Header<Control>, extent: Extent) -> bool {
        let slot = state_of(&header, self.slots.len());
        // Answered by the result that covers it.
        let is_held = matches!(header.control, Control::Marker(_)) && self.slots[slot].is_open;
        let is_passed_on = !is_held && !header.is_warm();
        if is_passed_on && self.output.vacant() == 0 {
            return false;
        }
        self.meter.received(&header, header.stamped(StageKind::Ingest as usize));
        self.input.release();
        match header.control {
            Control::Start => {
                self.front_end.reset(slot);
                if extent.context > 0 {
                    self.front_end.reset(self.slots.len() + slot);
                }
                self.wanted.remove(slot);
                let state = &mut self.slots[slot];
                (state.faults, state.samples, state.is_open) = (Faults::NONE, 0, true);
                (state.generation, state.captured, state.extent) =
                    (header.generation, header.captured, extent);
                (state.speculated, state.pushed_nanos) = (None, 0);
            }
            Control::Abort => {
                self.front_end.reset(slot);
                self.wanted.remove(slot);
                self.slots[slot].is_open = false;
                self.slots[slot].markers.clear();
            }
            Control::Marker(_) if is_held => self.slots[slot].markers.push(header),
            Control::Marker(_)
            | Control::End
            | Control::OptionsChanged
            | Control::Query(_)
            | Control::EagerEnd
            | Control::Resumed
            | Control::Notice(_)
            | Control::Last => {}
        }
        if is_passed_on {
            self.forward(header.with(header.control.into()), extent, None);
        }
        true
    }

    fn is_chunk_ready(&self, slot: usize) -> bool {
        self.slots[slot].is_open && self.front_end.is_ready(slot)
    }

    /// Whether there is a free buffer, and room for the result that it is for and all markers that it answers.
    fn has_room_for_result(&mut self) -> bool {
        self.has_free_buffer() && self.output.vacant() > 1 + MAX_MARKS
    }

    /// Begins a pass over the chunks that are complete; there is a free buffer.
    fn begin_chunk(&mut self, slot: usize) {
        let state = &self.slots[slot];
        let kind = if state.slot == WARM_SLOT {
            PassKind::WarmUp { is_final: false }
        } else {
            PassKind::Chunk { is_awaited: !state.markers.is_empty() }
        };
        self.look(slot, kind);
    }

    /// Begins a pass over the open segment as far as it has come.
    fn look(&mut self, slot: usize, kind: PassKind) {
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
        if !self.has_room_for_result() || self.partial.is_some() || self.free.len() < 2 {
            return false;
        }
        self.next_slot = slot + 1;
        self.wanted.remove(slot);
        let state = &mut self.slots[slot];
        state.speculated = None;
        let is_awaited = !state.markers.is_empty();
        self.look(slot, PassKind::Partial { is_awaited });
        self.partial = self.pass.as_ref().map(|pass| pass.buffer);
        true
    }

    fn begin(&mut self, mut header: Header<PassKind>, extent: Extent) {
        let slot = state_of(&header, self.slots.len());
        if header.is_warm() {
            header.add_compute(self.slots[slot].pushed_nanos);
        }
        let Some(buffer) = self.free.pop() else { return };
        // Invariant: a number in `free` is nobody else's, so its buffer is in the pool.
        let Some(span) = self.pool.take(buffer) else { return };
        let goal = if header.control.is_over_whole() { Goal::Final } else { Goal::Partial };
        let (state, samples) = match header.control {
            PassKind::Context => (self.slots.len() + slot, extent.context + extent.samples),
            _ => (slot, extent.samples),
        };
        self.front_end.begin(state, samples as usize, goal);
        self.pass = Some(FeaturesPass { header, extent, buffer, span, is_done: false });
    }

    /// Goes on with the pass in flight; `false` if the budget or the output ring ran out.
    fn advance(&mut self, mut pass: FeaturesPass<F::Span>, budget: &PassBudget) -> bool {
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
    fn take_back(&mut self, pass: FeaturesPass<F::Span>) {
        self.pool.put(pass.buffer, pass.span);
        self.free.push(pass.buffer);
        if self.partial == Some(pass.buffer) {
            self.partial = None;
        }
    }

    /// Passes a pass on, and the markers that its result answers.
    fn close(&mut self, header: Header<PassKind>, extent: Extent, buffer: Option<u32>) {
        let slot = state_of(&header, self.slots.len());
        self.forward(header.with(SpanControl::Pass(PassControl::new(header.control))), extent, buffer);
        if header.control.ends_segment() {
            self.slots[slot].is_open = false;
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

    fn forward(&mut self, header: Header<SpanControl>, extent: Extent, buffer: Option<u32>) {
        if let Some(mut place) = self.output.reserve() {
            place.header = header;
            place.payload = SpanPlace { extent, buffer };
            self.meter.stamp(&mut place.header);
            place.publish();
        }
    }
}

/// Whether partials make way for it: what begins a stream's final.
fn is_urgent(message: &AudioMessage) -> bool {
    let is_final =
        matches!(message.header.control, AudioControl::Speculate | AudioControl::Control(Control::End));
    is_final && !message.header.is_warm()
}

impl<F: FrontEnd> Stage for FeaturesStage<F> {
    fn report(&mut self) {
        self.meter.answer(self.output.refused());
    }

    fn step(&mut self, budget: &Budget) -> StepStatus {
        let budget = &pass_budget(budget, &self.meter.clock);
        let mut worked = false;
        loop {
            let moved = match self.pass.take() {
                Some(pass) => self.advance(pass, budget),
                None if matches!(self.next, Next::Nothing) => self.read() || self.begin_partial(),
                None => self.follow(),
            };
            worked |= moved || self.pass.is_some() || !matches!(self.next, Next::Nothing);
            if !moved || budget.is_spent() {
                return StepStatus::of(worked);
            }
        }
    }
}
