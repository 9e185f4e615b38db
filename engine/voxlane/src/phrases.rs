//! Phrases on their way from a stream's client to its decoder.
//!
//! Frames carry no pointers. A frame with [`Flags::HOTWORDS`](crate::frame::Flags::HOTWORDS) says, in order with
//! the audio, that a set of phrases waits here. The client's end keeps a share of every set until the decoder
//! has none any more, so that the lane never frees one.

use ringbuf::traits::{Consumer, Producer, Split};
use ringbuf::{HeapCons, HeapProd, HeapRb};
use std::sync::Arc;
use voxlane_models::decode::Hotwords;

/// Sets of a slot that may wait. An abandoned stream leaves one behind at most.
const WAITING: usize = 4;

/// What a stream listens for from now on.
struct Update {
    generation: u32,
    hotwords: Option<Arc<Hotwords>>,
}

/// The client's end.
pub(crate) struct PhraseSender {
    ring: HeapProd<Update>,
    /// Sets that the lane may still have.
    kept: Vec<Arc<Hotwords>>,
}

/// The decoder's end.
pub(crate) struct PhraseReceiver {
    ring: HeapCons<Update>,
}

/// Both ends for one slot.
pub(crate) fn phrases() -> (PhraseSender, PhraseReceiver) {
    let (sender, receiver) = HeapRb::new(WAITING).split();
    (PhraseSender { ring: sender, kept: Vec::new() }, PhraseReceiver { ring: receiver })
}

impl PhraseSender {
    /// Leaves a set for the stream of `generation`; `false` if too many wait. Frees those that the lane has done
    /// with.
    pub(crate) fn send(&mut self, generation: u32, hotwords: Option<Arc<Hotwords>>) -> bool {
        self.kept.retain(|kept| Arc::strong_count(kept) > 1);
        if let Some(new) = &hotwords
            && !self.kept.iter().any(|kept| Arc::ptr_eq(kept, new))
        {
            self.kept.push(Arc::clone(new));
        }
        self.ring.try_push(Update { generation, hotwords }).is_ok()
    }
}

impl PhraseReceiver {
    /// The next set for the stream of `generation`; what earlier streams left is dropped. Nothing if there is
    /// none. Frees nothing: the other end has a share.
    pub(crate) fn take(&mut self, generation: u32) -> Option<Option<Arc<Hotwords>>> {
        while let Some(update) = self.ring.try_pop() {
            if update.generation == generation {
                return Some(update.hotwords);
            }
        }
        None
    }

    /// Drops what streams up to `generation` left.
    pub(crate) fn clear(&mut self, generation: u32) {
        while self.ring.try_peek().is_some_and(|update| update.generation <= generation) {
            self.ring.try_pop();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn set() -> Option<Arc<Hotwords>> {
        Some(Arc::new(Hotwords::new([(&[1, 2][..], 1.0)], 10.0)))
    }

    #[test]
    fn sets_come_in_order_and_only_to_their_stream() {
        let (mut sender, mut receiver) = phrases();
        let (left, first, second) = (set(), set(), set());
        assert!(sender.send(1, left));
        assert!(sender.send(2, first.clone()) && sender.send(2, second) && sender.send(2, None));
        assert!(!sender.send(2, set()), "too many wait");
        let taken = receiver.take(2).unwrap().unwrap();
        assert!(Arc::ptr_eq(&taken, first.as_ref().unwrap()));
        assert!(receiver.take(2).unwrap().is_some());
        assert!(receiver.take(2).unwrap().is_none());
        assert!(receiver.take(2).is_none());
        assert!(sender.send(2, set()) && sender.send(3, set()));
        receiver.clear(2);
        assert!(receiver.take(3).is_some());
    }

    #[test]
    fn the_client_frees_what_the_decoder_has_dropped() {
        let (mut sender, mut receiver) = phrases();
        let (set, watched) = (set(), |set: &Option<Arc<Hotwords>>| Arc::downgrade(set.as_ref().unwrap()));
        let watched = watched(&set);
        assert!(sender.send(1, set));
        let taken = receiver.take(1);
        assert!(sender.send(1, None));
        assert!(watched.upgrade().is_some());
        drop(taken);
        assert!(watched.upgrade().is_some(), "the decoder's share is never the last");
        assert!(sender.send(1, None));
        assert!(watched.upgrade().is_none());
    }
}
