//! Emit: tokens → the streams' event rings. The only stage that looks at error bits.

use crate::frame::{Flags, Header, STAMP_NANOS, StageKind, TokensFrame};
use crate::meter::Meter;
use crate::slot_state::Slots;
use crate::telemetry::Measure;
use std::sync::Arc;
use voxlane_runtime::budget::Budget;
use voxlane_runtime::ring::{Receiver, Sender};
use voxlane_runtime::stage::{Stage, StepStatus};
use voxlane_runtime::warm_up::WarmFeedback;

/// What emit is connected to.
pub(crate) struct EmitPorts {
    /// From the decoder of each chain, that of live streams first.
    pub(crate) inputs: Vec<Receiver<TokensFrame>>,
    /// One ring of events a slot.
    pub(crate) outputs: Vec<Sender<TokensFrame>>,
    /// What is shared with the clients.
    pub(crate) slots: Arc<Slots>,
    /// Where dummy passes end.
    pub(crate) feedback: Arc<WarmFeedback>,
}

/// What becomes of a partial: all of its frames or none.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Fate {
    HandedOver,
    LeftOut,
}

/// See the module.
pub(crate) struct Emit {
    ports: EmitPorts,
    /// What has been decided about each slot's partial of several frames, of which more are to come.
    decided: Vec<Option<Fate>>,
    meter: Meter,
    refused: u64,
}

impl Emit {
    pub(crate) fn new(ports: EmitPorts, meter: Meter) -> Self {
        let decided = vec![None; ports.outputs.len()];
        Emit { ports, decided, meter, refused: 0 }
    }

    fn emit(&mut self, frame: &TokensFrame) {
        let header = frame.header;
        let received = self.meter.received(&header, header.stamped(StageKind::Decoder));
        if header.flags.has(Flags::WARM) {
            self.ports.feedback.complete(header.compute_nanos());
            return;
        }
        let (slot, generation) = (header.slot as usize, header.generation);
        let is_left_out = header.flags.has(Flags::ABORT)
            || self.ports.slots.is_overrun(slot, generation)
            || self.is_superseded(&header);
        if !is_left_out {
            self.hand_over(frame);
        }
        if header.flags.has(Flags::LAST) || header.flags.has(Flags::ABORT) {
            self.decided[slot] = None;
            self.ports.slots.close(slot, generation);
        }
        let mut header = header;
        let before = header.compute_nanos();
        self.meter.computed(&mut header, received);
        self.meter.served(&header, before);
    }

    /// Whether a partial is left out because its client has fallen behind: a later partial or the final says
    /// all that it says. Finals and notices have the other half of the ring. Decided at its first frame: half a
    /// partial would be read as the beginning of the next result.
    fn is_superseded(&mut self, header: &Header) -> bool {
        if !header.flags.has(Flags::PARTIAL) {
            return false;
        }
        let slot = header.slot as usize;
        let output = &mut self.ports.outputs[slot];
        let is_behind = output.vacant() < output.capacity() / 2;
        let first = if is_behind { Fate::LeftOut } else { Fate::HandedOver };
        let fate = self.decided[slot].unwrap_or(first);
        self.decided[slot] = header.flags.has(Flags::CONTINUED).then_some(fate);
        if fate == Fate::LeftOut {
            self.ports.slots.state(slot).leave_out();
        }
        fate == Fate::LeftOut
    }

    /// Writes the event where its client reads it. A client that has let its ring fill up loses the stream,
    /// and nobody waits for it.
    fn hand_over(&mut self, frame: &TokensFrame) {
        let header = frame.header;
        let Some(mut place) = self.ports.outputs[header.slot as usize].reserve() else {
            self.refused += 1;
            self.ports.slots.overrun(header.slot as usize, header.generation);
            return;
        };
        *place = *frame;
        self.meter.stamp(&mut place.header);
        let total = place.header.stamped(StageKind::Emit).nanos_since(header.capture);
        place.payload.total = (total / STAMP_NANOS) as u32;
        place.publish();
        if header.flags.has(Flags::CONTINUED) {
            return;
        }
        if header.flags.has(Flags::PARTIAL) {
            self.meter.record(Measure::Partial, total);
        }
        if header.flags.has(Flags::FINAL) {
            let waited = u64::from(frame.payload.extent.endpoint_wait_micros) * 1000;
            self.meter.record(Measure::Final, total);
            self.meter.record(Measure::FinalAfterEndpoint, total.saturating_sub(waited));
        }
    }
}

impl Stage for Emit {
    fn report(&mut self) {
        self.meter.answer(self.refused);
    }

    fn step(&mut self, budget: &Budget) -> StepStatus {
        let mut worked = false;
        while let Some(frame) = self.ports.inputs.iter_mut().find_map(Receiver::take) {
            self.emit(&frame);
            worked = true;
            if budget.is_spent() {
                break;
            }
        }
        StepStatus::of(worked)
    }
}
