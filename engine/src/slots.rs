//! What clients and a lane's stages share about each stream slot: a few words of atomics, no locks.

use crate::tail::Tail;
use std::sync::atomic::{AtomicBool, AtomicU32, AtomicU64, Ordering};

/// One slot's state. Generations count the streams that have used the slot; 0 is none.
#[derive(Debug, Default)]
struct SlotState {
    /// The latest generation that its client has abandoned.
    abandoned: AtomicU32,
    /// The slot's client is handing samples over.
    pushing: AtomicBool,
    /// The latest generation that shutdown asks to finish.
    finishing: AtomicU32,
    /// The latest generation of which nothing is left in the lane.
    closed: AtomicU32,
    /// The latest generation whose client read its events too slowly.
    overrun: AtomicU32,
    /// A partial was left out: the next one is told even if it says nothing new.
    left_out: AtomicBool,
    /// The decoder's latest answer to ingest: the question's number in the upper half, samples in the lower.
    answer: AtomicU64,
    /// What the client has handed over and not published.
    tail: Tail,
}

/// Which slots have something for ingest, and the state of each. One word a line would waste memory with
/// many slots; the words are written only when something changes.
#[derive(Debug)]
pub struct Slots {
    activity: Box<[AtomicU64]>,
    states: Box<[SlotState]>,
}

impl Slots {
    /// State for `count` slots.
    pub fn new(count: usize) -> Self {
        Slots {
            activity: (0..count.div_ceil(64)).map(|_| AtomicU64::new(0)).collect(),
            states: (0..count).map(|_| SlotState::default()).collect(),
        }
    }

    /// Tells ingest to look at a slot. Call after publishing.
    #[inline]
    pub fn mark_active(&self, slot: usize) {
        // Unconditional: a bit seen as set may be about to be cleared by an ingest that does not see our frame.
        self.activity[slot / 64].fetch_or(1 << (slot % 64), Ordering::AcqRel);
    }

    /// Takes the bits of 64 slots: those marked since the last call.
    #[inline]
    pub fn take_active(&self, word: usize) -> u64 {
        let word = &self.activity[word];
        if word.load(Ordering::Relaxed) == 0 { 0 } else { word.swap(0, Ordering::AcqRel) }
    }

    /// The client of `generation` has gone: drop what is on the way.
    pub fn abandon(&self, slot: usize, generation: u32) {
        self.states[slot].abandoned.store(generation, Ordering::Release);
        self.mark_active(slot);
    }

    /// The latest abandoned generation.
    #[inline]
    pub fn abandoned(&self, slot: usize) -> u32 {
        self.states[slot].abandoned.load(Ordering::Acquire)
    }

    /// The client begins to hand samples over; it asks after this whether the lane still takes any.
    #[inline]
    pub fn begin_push(&self, slot: usize) {
        // Sequentially consistent, as is the shutdown's word that no more is taken: one of the two sees the other.
        self.states[slot].pushing.swap(true, Ordering::SeqCst);
    }

    /// The client has handed over what it had.
    #[inline]
    pub fn end_push(&self, slot: usize) {
        self.states[slot].pushing.store(false, Ordering::Release);
    }

    /// Whether the client is handing samples over that it may have been allowed to.
    pub fn is_pushing(&self, slot: usize) -> bool {
        self.states[slot].pushing.load(Ordering::SeqCst)
    }

    /// The samples that the slot's client has handed over and not published.
    #[inline]
    pub(crate) fn tail(&self, slot: usize) -> &Tail {
        &self.states[slot].tail
    }

    /// Shutdown: treat what has been pushed so far as all there is.
    pub fn finish(&self, slot: usize, generation: u32) {
        self.states[slot].finishing.store(generation, Ordering::Release);
        self.mark_active(slot);
    }

    /// The latest generation to be finished.
    #[inline]
    pub fn finishing(&self, slot: usize) -> u32 {
        self.states[slot].finishing.load(Ordering::Acquire)
    }

    /// Nothing of `generation` is left in the lane.
    pub fn close(&self, slot: usize, generation: u32) {
        self.states[slot].closed.store(generation, Ordering::Release);
    }

    /// The latest closed generation.
    pub fn closed(&self, slot: usize) -> u32 {
        self.states[slot].closed.load(Ordering::Acquire)
    }

    /// The client of `generation` did not read its events in time; later ones were dropped.
    pub fn overrun(&self, slot: usize, generation: u32) {
        self.states[slot].overrun.store(generation, Ordering::Release);
    }

    /// Whether events of `generation` were dropped.
    pub fn is_overrun(&self, slot: usize, generation: u32) -> bool {
        self.states[slot].overrun.load(Ordering::Acquire) == generation
    }

    /// Answers ingest's question `number`: the network has found nothing in the last `quiet` samples. Ring
    /// ingest's bell afterwards.
    pub fn answer(&self, slot: usize, number: u32, quiet: u32) {
        self.states[slot].answer.store(u64::from(number) << 32 | u64::from(quiet), Ordering::Release);
        self.mark_active(slot);
    }

    /// The answer to question `number`, if it has come.
    pub fn answered(&self, slot: usize, number: u32) -> Option<u32> {
        let answer = self.states[slot].answer.load(Ordering::Acquire);
        ((answer >> 32) as u32 == number).then_some(answer as u32)
    }

    /// A partial of the slot was not handed over.
    pub fn leave_out(&self, slot: usize) {
        self.states[slot].left_out.store(true, Ordering::Release);
    }

    /// Whether a partial was not handed over since the last call.
    pub fn take_left_out(&self, slot: usize) -> bool {
        let left_out = &self.states[slot].left_out;
        left_out.load(Ordering::Relaxed) && left_out.swap(false, Ordering::AcqRel)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn activity_is_taken_once() {
        let slots = Slots::new(70);
        slots.mark_active(3);
        slots.mark_active(3);
        slots.mark_active(69);
        assert_eq!(slots.take_active(0), 1 << 3);
        assert_eq!(slots.take_active(0), 0);
        assert_eq!(slots.take_active(1), 1 << 5);
    }

    #[test]
    fn an_answer_is_to_its_question_and_makes_the_slot_active() {
        let slots = Slots::new(2);
        assert_eq!(slots.answered(1, 7), None);
        slots.answer(1, 7, 32_000);
        assert_eq!((slots.answered(1, 7), slots.answered(1, 8)), (Some(32_000), None));
        assert_eq!(slots.take_active(0), 1 << 1);
    }

    #[test]
    fn generations_are_kept_apart() {
        let slots = Slots::new(1);
        slots.abandon(0, 4);
        slots.close(0, 3);
        slots.overrun(0, 4);
        assert_eq!((slots.abandoned(0), slots.closed(0)), (4, 3));
        assert!(slots.is_overrun(0, 4) && !slots.is_overrun(0, 5));
    }
}
