//! What clients and a lane's stages share about each stream beside what every pipeline shares.

use crate::tail::Tail;
use std::sync::atomic::{AtomicBool, AtomicU32, AtomicU64, Ordering};

/// The slots of a lane.
pub(crate) type Slots = voxlane_runtime::slots::SlotTable<SlotState>;

/// See the module.
#[derive(Debug, Default)]
pub(crate) struct SlotState {
    /// A partial was left out: the next one is handed over even if it says nothing new.
    left_out: AtomicBool,
    /// The decoder's latest answer to ingest.
    text: Answer,
    /// The turn detector's latest answer to ingest.
    turn: Answer,
    /// The number of the question that the turn detector is to answer; 0 where the answer to the latest does not matter
    /// any more.
    turn_question: AtomicU32,
    /// What the client has handed over and not published.
    pub(crate) tail: Tail,
}

impl SlotState {
    /// The decoder's answer to ingest's question `number`. Mark the slot active and notify ingest afterwards.
    pub(crate) fn answer(&self, number: u32, value: u32) {
        self.text.give(number, value);
    }

    /// The decoder's answer to question `number`, if it has come.
    pub(crate) fn answered(&self, number: u32) -> Option<u32> {
        self.text.to(number)
    }

    /// Asks the turn detector question `number`, which is not 0, or takes the latest question back with 0.
    pub(crate) fn ask_turn(&self, number: u32) {
        self.turn_question.store(number, Ordering::Release);
    }

    /// Whether the turn detector is still to answer question `number`.
    pub(crate) fn wants_turn(&self, number: u32) -> bool {
        self.turn_question.load(Ordering::Acquire) == number
    }

    /// The turn detector's answer to ingest's question `number`. Mark the slot active and notify ingest afterwards.
    pub(crate) fn answer_turn(&self, number: u32, probability: f32) {
        self.turn.give(number, probability.to_bits());
    }

    /// The turn detector's answer to question `number`, if it has come.
    pub(crate) fn turn_answered(&self, number: u32) -> Option<f32> {
        self.turn.to(number).map(f32::from_bits)
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

/// The latest answer to ingest: the question's number in the upper half, the value in the lower.
#[derive(Debug, Default)]
struct Answer(AtomicU64);

impl Answer {
    fn give(&self, number: u32, value: u32) {
        self.0.store(u64::from(number) << 32 | u64::from(value), Ordering::Release);
    }

    fn to(&self, number: u32) -> Option<u32> {
        let answer = self.0.load(Ordering::Acquire);
        ((answer >> 32) as u32 == number).then_some(answer as u32)
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

    #[test]
    fn a_question_about_a_turn_is_answered_unless_it_is_taken_back() {
        let state = SlotState::default();
        state.ask_turn(3);
        assert!(state.wants_turn(3) && !state.wants_turn(2));
        state.answer_turn(3, 0.25);
        assert_eq!(
            (state.turn_answered(3), state.turn_answered(4), state.answered(3)),
            (Some(0.25), None, None)
        );
        state.ask_turn(0);
        assert!(!state.wants_turn(3));
    }
}
