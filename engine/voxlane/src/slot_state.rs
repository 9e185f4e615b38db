//! What clients and a lane's stages share about each stream beside what every pipeline shares.

use crate::tail::Tail;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

/// The slots of a lane.
pub(crate) type Slots = voxlane_runtime::slots::SlotTable<SlotState>;

/// See the module.
#[derive(Debug, Default)]
pub(crate) struct SlotState {
    /// A partial was left out: the next one is handed over even if it says nothing new.
    left_out: AtomicBool,
    /// The decoder's latest answer to ingest: the question's number in the upper half, samples in the lower.
    answer: AtomicU64,
    /// What the client has handed over and not published.
    pub(crate) tail: Tail,
}

impl SlotState {
    /// Answers ingest's question `number`: the network has found nothing in the last `quiet` samples. Mark the slot active
    /// and notify ingest afterwards.
    pub(crate) fn answer(&self, number: u32, quiet: u32) {
        self.answer.store(u64::from(number) << 32 | u64::from(quiet), Ordering::Release);
    }

    /// The answer to question `number`, if it has come.
    pub(crate) fn answered(&self, number: u32) -> Option<u32> {
        let answer = self.answer.load(Ordering::Acquire);
        ((answer >> 32) as u32 == number).then_some(answer as u32)
    }

    /// A partial was not handed over.
    pub(crate) fn leave_out(&self) {
        self.left_out.store(true, Ordering::Release);
    }

    /// Whether a partial was not handed over since the last call.
    pub(crate) fn take_left_out(&self) -> bool {
        self.left_out.load(Ordering::Relaxed) && self.left_out.swap(false, Ordering::AcqRel)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_answer_is_to_its_question() {
        let state = SlotState::default();
        assert_eq!(state.answered(7), None);
        state.answer(7, 32_000);
        assert_eq!((state.answered(7), state.answered(8)), (Some(32_000), None));
    }
}
