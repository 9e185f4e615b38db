//! What clients and a lane's stages share about each slot of the lane: a few words of atomics, no locks.
//!
//! A slot serves one client after the other. Each successive client is a *generation*, counted from 1; what is said of
//! one is never taken for another's.

use std::sync::atomic::{AtomicBool, AtomicU32, AtomicU64, Ordering};

/// One slot's state.
#[derive(Debug, Default)]
struct Slot<S> {
    /// The latest generation that its client has abandoned.
    abandoned: AtomicU32,
    /// The slot's client is handing something over.
    pushing: AtomicBool,
    /// The latest generation that is asked to finish.
    finishing: AtomicU32,
    /// The latest generation of which nothing is left in the lane.
    closed: AtomicU32,
    /// The latest generation whose client read what comes out too slowly.
    overrun: AtomicU32,
    /// What else is shared.
    state: S,
}

/// The slots that have something for the first stage, and the state of each. A cache line for each word would waste memory
/// with many slots, and the words are written only when something changes. `S` is further state that the pipeline shares.
///
/// ```
/// use voxlane_runtime::slots::SlotTable;
///
/// let table = SlotTable::<()>::new(8);
/// // The client of slot 3, the first there, has pushed all that it has.
/// table.finish(3, 1);
/// // The first stage finds the slot among 64 with one look.
/// assert_eq!(table.take_active(0), 1 << 3);
/// assert_eq!((table.finishing(3), table.abandoned(3)), (1, 0));
/// // Nothing of it is left in the lane.
/// table.close(3, 1);
/// assert_eq!((table.closed(3), table.take_active(0)), (1, 0));
/// ```
#[derive(Debug)]
pub struct SlotTable<S> {
    activity: Box<[AtomicU64]>,
    slots: Box<[Slot<S>]>,
}

impl<S: Default> SlotTable<S> {
    /// Creates the state of `count` slots.
    pub fn new(count: usize) -> Self {
        SlotTable {
            activity: (0..count.div_ceil(64)).map(|_| AtomicU64::new(0)).collect(),
            slots: (0..count).map(|_| Slot::default()).collect(),
        }
    }
}

impl<S> SlotTable<S> {
    /// Returns what the pipeline shares about a slot.
    #[inline]
    pub fn state(&self, slot: usize) -> &S {
        &self.slots[slot].state
    }

    /// Marks a slot for the first stage. Call it after publishing.
    #[inline]
    pub fn mark_active(&self, slot: usize) {
        // Unconditional: a bit seen as set may be about to be cleared by a stage that does not see our message.
        self.activity[slot / 64].fetch_or(1 << (slot % 64), Ordering::AcqRel);
    }

    /// Takes the bits of 64 slots: those that were marked since the last call.
    #[inline]
    pub fn take_active(&self, word: usize) -> u64 {
        let Some(word) = self.activity.get(word) else { return 0 };
        if word.load(Ordering::Relaxed) == 0 { 0 } else { word.swap(0, Ordering::AcqRel) }
    }

    /// Says that the client of `generation` has gone: what is on the way is dropped.
    pub fn abandon(&self, slot: usize, generation: u32) {
        self.slots[slot].abandoned.store(generation, Ordering::Release);
        self.mark_active(slot);
    }

    /// Returns the latest abandoned generation.
    #[inline]
    pub fn abandoned(&self, slot: usize) -> u32 {
        self.slots[slot].abandoned.load(Ordering::Acquire)
    }

    /// Says that the client begins to hand something over; it asks after this whether the lane still takes any.
    #[inline]
    pub fn begin_push(&self, slot: usize) {
        // Sequentially consistent, as is the shutdown's word that no more is taken: one of the two sees the other.
        self.slots[slot].pushing.swap(true, Ordering::SeqCst);
    }

    /// Says that the client has handed over what it had.
    #[inline]
    pub fn end_push(&self, slot: usize) {
        self.slots[slot].pushing.store(false, Ordering::Release);
    }

    /// Returns whether the client may be in the middle of a push that was allowed.
    pub fn is_pushing(&self, slot: usize) -> bool {
        self.slots[slot].pushing.load(Ordering::SeqCst)
    }

    /// Says that what `generation` has pushed so far is all there is.
    pub fn finish(&self, slot: usize, generation: u32) {
        self.slots[slot].finishing.store(generation, Ordering::Release);
        self.mark_active(slot);
    }

    /// Returns the latest generation to be finished.
    #[inline]
    pub fn finishing(&self, slot: usize) -> u32 {
        self.slots[slot].finishing.load(Ordering::Acquire)
    }

    /// Says that nothing of `generation` is left in the lane.
    pub fn close(&self, slot: usize, generation: u32) {
        self.slots[slot].closed.store(generation, Ordering::Release);
    }

    /// Returns the latest closed generation.
    pub fn closed(&self, slot: usize) -> u32 {
        self.slots[slot].closed.load(Ordering::Acquire)
    }

    /// Says that the client of `generation` did not read what comes out in time and the rest was dropped.
    pub fn overrun(&self, slot: usize, generation: u32) {
        self.slots[slot].overrun.store(generation, Ordering::Release);
    }

    /// Returns whether something of `generation` was dropped because its client was too slow.
    pub fn is_overrun(&self, slot: usize, generation: u32) -> bool {
        self.slots[slot].overrun.load(Ordering::Acquire) == generation
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn activity_is_taken_once() {
        let slots = SlotTable::<()>::new(70);
        slots.mark_active(3);
        slots.mark_active(3);
        slots.mark_active(69);
        assert_eq!(slots.take_active(0), 1 << 3);
        assert_eq!(slots.take_active(0), 0);
        assert_eq!(slots.take_active(1), 1 << 5);
    }

    #[test]
    fn generations_are_kept_apart() {
        let slots = SlotTable::<()>::new(1);
        slots.abandon(0, 4);
        slots.close(0, 3);
        slots.overrun(0, 4);
        assert_eq!((slots.abandoned(0), slots.closed(0)), (4, 3));
        assert!(slots.is_overrun(0, 4) && !slots.is_overrun(0, 5));
    }
}
