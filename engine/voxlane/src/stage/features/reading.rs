//! What comes to features: samples, and what ingest says about them.

use super::{FeaturesStage, Speculation};
use crate::message::{Extent, Header, state_of};
use crate::protocol::{AudioControl, Control, PassKind};
use crate::stage_kind::StageKind;
use voxlane_models::fault::Faults;
use voxlane_models::model::FrontEnd;

impl<F: FrontEnd> FeaturesStage<F> {
    /// Reads one message; `false` if there is none or it must wait for room or a free buffer.
    pub(super) fn read(&mut self) -> bool {
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
    pub(super) fn take(&mut self, header: &Header<AudioControl>, wants_partial: bool) -> bool {
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
    pub(super) fn take_context(&mut self, header: &Header<AudioControl>) -> bool {
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

    /// Begins the final that the open segment will have should it end here.
    pub(super) fn speculate(&mut self, header: &Header<AudioControl>, extent: Extent) -> bool {
        if !self.has_room_for_result() {
            return false;
        }
        self.meter.received(header, header.stamped(StageKind::Ingest as usize));
        self.input.release();
        let slot = state_of(header, self.slots.len());
        self.wanted.remove(slot);
        self.begin(header.with(PassKind::Speculative { is_shown: true }), extent);
        true
    }

    /// The open segment ends: begins its final, unless the speculative pass has made it.
    pub(super) fn end(&mut self, header: &Header<AudioControl>, extent: Extent) -> bool {
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
        let segment = Speculation { header: header.with(()), extent };
        let is_speculated = self.slots[slot].is_speculated(&segment.header, extent);
        if kind != PassKind::Final || !(is_speculated || self.has_context(extent)) {
            self.begin(header.with(kind), extent);
        } else if is_speculated && !self.is_in_doubt(slot) {
            self.close(header.with(kind), extent, None);
        } else {
            self.closing = Some(segment);
            if !is_speculated {
                self.begin(header.with(PassKind::Speculative { is_shown: false }), extent);
            }
        }
        true
    }

    /// Passes a control on, and does what it means here.
    pub(super) fn pass_on(&mut self, header: Header<Control>, extent: Extent) -> bool {
        let slot = state_of(&header, self.slots.len());
        // Answered by the result that covers it.
        let is_held = matches!(header.control, Control::Marker(_)) && self.slots[slot].is_open;
        let is_passed_on = !is_held && !header.is_warm();
        if is_passed_on && self.output.vacant() == 0 {
            return false;
        }
        // Its text may become another one.
        if header.control == Control::EagerEnd && self.is_in_doubt(slot) {
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
                (state.speculated, state.is_judged_later, state.pushed_nanos) = (None, false, 0);
            }
            Control::Abort => {
                self.front_end.reset(slot);
                self.wanted.remove(slot);
                let state = &mut self.slots[slot];
                (state.is_open, state.speculated, state.is_judged_later) = (false, None, false);
                state.markers.clear();
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
}
