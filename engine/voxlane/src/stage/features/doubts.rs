//! Segments whose text the decoder may doubt: they are made once more behind those before them.

use super::{FeaturesStage, Speculation};
use crate::message::{Extent, state_of};
use crate::protocol::PassKind;
use voxlane_models::model::FrontEnd;

impl<F: FrontEnd> FeaturesStage<F> {
    /// Whether a segment may be made once more behind the one before.
    pub(super) fn has_context(&self, extent: Extent) -> bool {
        extent.context > 0 && (extent.context + extent.samples) as usize <= self.most_samples
    }

    /// Whether the text of a slot's latest pass may become another one: the decoder has yet to say, or a pass behind the
    /// segment before is due.
    pub(super) fn is_in_doubt(&self, slot: usize) -> bool {
        self.slots[slot].is_judged_later || !self.doubtful.is_empty()
    }

    /// Begins the pass behind the segment before of the next segment whose text is in doubt; `false` if there is none, or
    /// it must wait for room or a free buffer.
    pub(super) fn begin_context(&mut self) -> bool {
        if self.doubtful.is_empty() || !self.has_room_for_result() {
            return false;
        }
        let Some(Speculation { header, extent }) = self.doubtful.pop_front() else { return false };
        let slot = state_of(&header, self.slots.len());
        if self.slots[slot].is_speculated(&header, extent) {
            self.begin(header.with(PassKind::Context), extent);
        }
        true
    }

    /// Ends the segment that waited for the decoder's doubts; `false` if there is none, or it must go on waiting.
    pub(super) fn close_waiting(&mut self) -> bool {
        let Some(Speculation { header, extent }) = self.closing else { return false };
        let slot = state_of(&header, self.slots.len());
        // In this order: the look for a free buffer may bring the decoder's doubts.
        if !self.has_room_for_result() || self.is_in_doubt(slot) {
            return false;
        }
        self.closing = None;
        self.close(header.with(PassKind::Final), extent, None);
        true
    }
}
