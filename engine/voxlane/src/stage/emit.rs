//! EmitStage: tokens → the streams' event rings, and the latency of what is handed over.

use crate::message::{STAMP_NANOS, TokensMessage};
use crate::meter::Meter;
use crate::protocol::{Control, PassKind, TokensControl};
use crate::slot_state::Slots;
use crate::stage_kind::StageKind;
use crate::telemetry::Measure;
use std::sync::Arc;
use voxlane_runtime::budget::Budget;
use voxlane_runtime::ring::{Receiver, Sender};
use voxlane_runtime::stage::{Stage, StepStatus};
use voxlane_runtime::warm_up::WarmFeedback;

/// What emit is connected to.
pub(crate) struct EmitPorts {
    /// From the decoder of each chain, that of live streams first.
    pub(crate) inputs: Vec<Receiver<TokensMessage>>,
    /// One ring of events a slot.
    pub(crate) outputs: Vec<Sender<TokensMessage>>,
    /// What is shared with the clients.
    pub(crate) slots: Arc<Slots>,
    /// Where dummy passes end.
    pub(crate) feedback: Arc<WarmFeedback>,
}

/// What becomes of a partial: all of its messages or none.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Fate {
    HandedOver,
    LeftOut,
}

/// See the module.
pub(crate) struct EmitStage {
    ports: EmitPorts,
    /// What has been decided about each slot's partial of several messages, of which more are to come.
    decided: Vec<Option<Fate>>,
    meter: Meter,
    refused: u64,
}

impl EmitStage {
    pub(crate) fn new(ports: EmitPorts, meter: Meter) -> Self {
        let decided = vec![None; ports.outputs.len()];
        EmitStage { ports, decided, meter, refused: 0 }
    }

    fn emit(&mut self, message: &TokensMessage) {
        let mut header = message.header;
        let before = header.compute_nanos();
        let received = self.meter.received(&header, header.stamped(StageKind::Decoder as usize));
        match header.control {
            // The decoder keeps its result.
            TokensControl::Result { kind: PassKind::Context, .. } => {}
            TokensControl::Result { kind: PassKind::WarmUp { .. }, .. } => {
                return self.ports.feedback.complete(before);
            }
            TokensControl::Result { kind: PassKind::Final | PassKind::Eager, .. } => self.hand_over(message),
            TokensControl::Result {
                kind: PassKind::Partial { .. } | PassKind::Chunk { .. } | PassKind::Speculative { .. },
                is_continued,
            } => {
                if self.fate(usize::from(header.slot), is_continued) == Fate::HandedOver {
                    self.hand_over(message);
                }
            }
            TokensControl::Control(Control::Last) => {
                self.hand_over(message);
                self.close(message);
            }
            TokensControl::Control(Control::Abort) => self.close(message),
            TokensControl::Control(
                Control::Start | Control::End | Control::Marker(_) | Control::Notice(_) | Control::Resumed,
            ) => self.hand_over(message),
            // The decoder keeps them.
            TokensControl::Control(Control::OptionsChanged | Control::Query(_) | Control::EagerEnd) => {}
        }
        self.meter.computed(&mut header, received);
        self.meter.served(&header, before);
    }

    /// Nothing is left of a stream in the lane.
    fn close(&mut self, message: &TokensMessage) {
        let slot = usize::from(message.header.slot);
        self.decided[slot] = None;
        self.ports.slots.close(slot, message.header.generation);
    }

    /// Whether a partial is left out because its client has fallen behind: a later partial or the final says
    /// all that it says. Finals and notices have the other half of the ring. Decided at its first message: half a
    /// partial would be read as the beginning of the next result.
    fn fate(&mut self, slot: usize, is_continued: bool) -> Fate {
        let output = &mut self.ports.outputs[slot];
        let is_behind = output.vacant() < output.capacity() / 2;
        let first = if is_behind { Fate::LeftOut } else { Fate::HandedOver };
        let fate = self.decided[slot].unwrap_or(first);
        self.decided[slot] = is_continued.then_some(fate);
        if fate == Fate::LeftOut {
            self.ports.slots.state(slot).leave_out();
        }
        fate
    }

    /// Writes the event where its client reads it. A client that has let its ring fill up loses the stream,
    /// and nobody waits for it.
    fn hand_over(&mut self, message: &TokensMessage) {
        let (slot, generation) = (usize::from(message.header.slot), message.header.generation);
        if self.ports.slots.is_overrun(slot, generation) {
            return;
        }
        let Some(mut place) = self.ports.outputs[slot].reserve() else {
            self.refused += 1;
            self.ports.slots.overrun(slot, generation);
            return;
        };
        *place = *message;
        self.meter.stamp(&mut place.header);
        let total = place.header.stamped(StageKind::Emit as usize).nanos_since(place.header.captured);
        place.payload.total = (total / STAMP_NANOS) as u32;
        place.publish();
        let TokensControl::Result { kind, is_continued: false } = message.header.control else { return };
        if kind == PassKind::Final {
            let waited = u64::from(message.payload.extent.endpoint_wait_micros) * 1000;
            self.meter.record(Measure::Final, total);
            self.meter.record(Measure::FinalAfterEndpoint, total.saturating_sub(waited));
        } else {
            self.meter.record(Measure::Partial, total);
        }
    }
}

impl Stage for EmitStage {
    fn report(&mut self) {
        self.meter.answer(self.refused);
    }

    fn step(&mut self, budget: &Budget) -> StepStatus {
        let mut worked = false;
        while let Some(message) = self.ports.inputs.iter_mut().find_map(Receiver::take) {
            self.emit(&message);
            worked = true;
            if budget.is_spent() {
                break;
            }
        }
        StepStatus::of(worked)
    }
}
