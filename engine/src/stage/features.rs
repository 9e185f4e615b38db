//! Features: samples → features, as far as that goes while audio arrives; the rest in a pass when a segment
//! ends or a look at it is wanted.

use super::{Meter, Stage};
use crate::frame::{AudioFrame, Extent, Flags, Header, Span, SpanFrame, StageKind};
use crate::pool::Pool;
use crate::ring::{Receiver, Sender};
use std::sync::Arc;
use voxlane_models::budget::{Budget, Progress};
use voxlane_models::fault::Faults;
use voxlane_models::model::{FrontEnd, Goal};

/// What the stages after this one are told of besides results.
const TOLD: Flags =
    Flags::SPEECH_START.with(Flags::SPEECH_END).with(Flags::MARKER).with(Flags::LAST).with(Flags::ABORT);

/// See the module.
pub(crate) struct Features<F: FrontEnd> {
    front_end: F,
    input: Receiver<AudioFrame>,
    output: Sender<SpanFrame>,
    /// Numbers of free buffers: those given back by the decoder, and those never used yet.
    returned: Receiver<u32>,
    free: Vec<u32>,
    pool: Arc<Pool<F::Span>>,
    pass: Option<Pass<F::Span>>,
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

#[derive(Clone)]
struct SlotState {
    faults: Faults,
    samples: usize,
    is_open: bool,
    /// Markers within an open segment: answered by the result that covers them.
    markers: Vec<Header>,
}

impl<F: FrontEnd> Features<F> {
    pub(crate) fn new(
        front_end: F,
        slots: usize,
        ports: (Receiver<AudioFrame>, Sender<SpanFrame>, Receiver<u32>),
        pool: Arc<Pool<F::Span>>,
        meter: Meter,
    ) -> Self {
        let (input, output, returned) = ports;
        let state = SlotState {
            faults: Faults::NONE,
            samples: 0,
            is_open: false,
            markers: Vec::with_capacity(crate::session::MAX_MARKS),
        };
        Features {
            front_end,
            input,
            output,
            returned,
            free: (0..pool.capacity() as u32).rev().collect(),
            pool,
            pass: None,
            slots: vec![state; slots],
            meter,
        }
    }

    /// Reads one frame; `false` if there is none or it must wait for room or a free buffer.
    fn read(&mut self) -> bool {
        let Some(frame) = self.input.peek() else { return false };
        let header = frame.header;
        let flags = header.flags;
        let told = flags.only(TOLD);
        let forwards = told != Flags::NONE && !flags.has(Flags::WARM);
        let slot = header.slot as usize;
        let is_held = flags.has(Flags::MARKER) && self.slots[slot].is_open;
        if forwards && !is_held && self.output.vacant() == 0 {
            return false;
        }
        if flags.has(Flags::SPEECH_END) && !self.has_free_buffer() {
            return false;
        }
        let Some(frame) = self.input.peek() else { return false };
        let received = self.meter.received(&header, header.stamped(StageKind::Ingest));
        let extent = frame.payload.extent;
        if flags.has(Flags::SPEECH_START) {
            self.front_end.reset(slot);
            let state = &mut self.slots[slot];
            (state.faults, state.samples, state.is_open) = (Faults::NONE, 0, true);
        }
        if header.count > 0 {
            let state = &mut self.slots[slot];
            state.samples += header.count as usize;
            let samples = &frame.payload.samples[..header.count as usize];
            self.front_end.push(slot, samples, &mut state.faults);
            let mut header = header;
            self.meter.computed(&mut header, received);
            self.meter.served(&header, 0);
        }
        self.input.release();
        let result = |kind: Flags| flags.only(Flags::WARM).with(kind);
        if flags.has(Flags::ABORT) {
            self.front_end.reset(slot);
            self.slots[slot].is_open = false;
            self.slots[slot].markers.clear();
        }
        if forwards && !is_held {
            self.forward(Header { flags: told, ..header }, extent, 0);
        }
        if flags.has(Flags::SPEECH_END) {
            self.begin(Header { flags: result(Flags::FINAL), ..header }, extent, Goal::Final);
        } else if is_held {
            self.slots[slot].markers.push(header);
        } else if self.front_end.is_ready(slot) && self.has_free_buffer() {
            let extent = Extent { samples: self.slots[slot].samples as u32, ..extent };
            self.begin(Header { flags: result(Flags::PARTIAL), ..header }, extent, Goal::Partial);
        }
        true
    }

    fn has_free_buffer(&mut self) -> bool {
        while let Some(number) = self.returned.take() {
            self.free.push(number);
        }
        !self.free.is_empty()
    }

    fn begin(&mut self, header: Header, extent: Extent, goal: Goal) {
        let Some(handle) = self.free.pop() else { return };
        // Invariant: a number in `free` is nobody else's, so its buffer is in the pool.
        let Some(span) = self.pool.take(handle) else { return };
        self.front_end.begin(header.slot as usize, extent.samples as usize, goal);
        self.pass = Some(Pass { header, extent, handle, span, is_done: false });
    }

    /// Goes on with the pass in flight; `false` if the budget or the output ring ran out.
    fn advance(&mut self, mut pass: Pass<F::Span>, budget: &Budget) -> bool {
        let slot = pass.header.slot as usize;
        if pass.header.flags.has(Flags::WARM) && !self.input.is_empty() {
            self.pool.put(pass.handle, pass.span);
            self.free.push(pass.handle);
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
        self.forward(pass.header, pass.extent, pass.handle);
        if pass.header.flags.has(Flags::FINAL) {
            self.slots[slot].is_open = false;
        }
        for i in 0..self.slots[slot].markers.len() {
            let marker = self.slots[slot].markers[i];
            self.forward(marker, Extent::default(), 0);
        }
        self.slots[slot].markers.clear();
        true
    }

    fn forward(&mut self, header: Header, extent: Extent, handle: u32) {
        if let Some(place) = self.output.slot() {
            place.header = header;
            place.payload = Span { extent, handle };
            self.meter.stamp(&mut place.header);
            self.output.publish();
        }
    }
}

impl<F: FrontEnd> Stage for Features<F> {
    fn step(&mut self, budget: &Budget) -> Progress {
        self.meter.answer(self.output.refused());
        let mut worked = false;
        loop {
            let moved = match self.pass.take() {
                Some(pass) => self.advance(pass, budget),
                None => self.read(),
            };
            worked |= moved || self.pass.is_some();
            if !moved || budget.is_spent() {
                return if worked { Progress::More } else { Progress::Done };
            }
        }
    }
}
