//! Bounded single-producer single-consumer rings of messages (plain values of one type), written and read in place.
//!
//! The storage and the index protocol are `ringbuf`'s. This wrapper adds what stages need: places that are made once and overwritten, a cached copy of the other side's index (so that a side touches the
//! other's cache line only when it runs out), and the consumer's [`Notifier`]. A ring that is full refuses
//! ([`Sender::reserve`] returns nothing, and counts it): what to do then is the caller's named policy.
//!
//! A [`WriteSlot`] is the right to write one place; publishing consumes it, and dropping it gives the
//! place up. So a place cannot be published unless it was reserved, nor written after it was published.

use crate::eventcount::Notifier;
use ringbuf::storage::Heap;
use ringbuf::traits::{Observer, Raw, Split};
use ringbuf::{Cons, HeapRb, Prod, SharedRb};
use std::any::Any;
use std::mem::MaybeUninit;
use std::ops::{Deref, DerefMut};
use std::sync::Arc;

type Shared<T> = Arc<SharedRb<Heap<T>>>;

/// The producer's end of a [ring](ring()).
pub struct Sender<T> {
    ring: Prod<Shared<T>>,
    notifier: Arc<Notifier>,
    index: Indices,
    refused: u64,
    /// Whether the last reservation found no room.
    is_blocked: bool,
}

/// The consumer's end of a [ring](ring()).
pub struct Receiver<T> {
    /// Dropped before the ring.
    _guard: Box<dyn Any + Send>,
    ring: Cons<Shared<T>>,
    index: Indices,
}

/// One side's own index, and what it last saw of the other's. Both run modulo twice the capacity, as
/// `ringbuf` has it, so that full and empty differ.
struct Indices {
    read: usize,
    write: usize,
    capacity: usize,
}

impl Indices {
    fn occupied(&self) -> usize {
        if self.write >= self.read {
            self.write - self.read
        } else {
            self.write + 2 * self.capacity - self.read
        }
    }

    fn next(&self, index: usize) -> usize {
        let next = index + 1;
        if next == 2 * self.capacity { 0 } else { next }
    }
}

/// Creates a ring of `capacity` messages, at least one, whose consumer is woken by `notifier`.
///
/// ```
/// use voxlane_runtime::eventcount::Waiter;
/// use voxlane_runtime::ring::ring;
///
/// let waiter = Waiter::fenced(); // the consumer's thread sleeps by it
/// let (mut sender, mut receiver) = ring::<[u8; 32]>(2, waiter.notifier());
///
/// let mut place = sender.reserve().expect("the ring is empty");
/// place[0] = 7; // written in place
/// place.publish();
/// assert!(sender.send(&[8; 32]));
/// assert!(!sender.send(&[9; 32]), "a full ring refuses");
///
/// assert_eq!(receiver.peek().map(|message| message[0]), Some(7)); // read in place
/// receiver.release();
/// assert_eq!(receiver.take(), Some([8; 32]));
/// assert_eq!((receiver.take(), sender.refused()), (None, 1));
/// ```
pub fn ring<T: Copy + Default + Send>(capacity: usize, notifier: Arc<Notifier>) -> (Sender<T>, Receiver<T>) {
    ring_guarded(capacity, notifier, |_| ())
}

/// Creates a [`ring`](ring()) that keeps what `guard` makes of its memory, a lock on its pages for instance, until just before
/// the ring is dropped.
pub fn ring_guarded<T: Copy + Default + Send, G: Send + 'static>(
    capacity: usize,
    notifier: Arc<Notifier>,
    guard: impl FnOnce(&[MaybeUninit<T>]) -> G,
) -> (Sender<T>, Receiver<T>) {
    let capacity = capacity.max(1);
    let mut buffer = HeapRb::<T>::new(capacity);
    let (left, right) = buffer.vacant_slices_mut();
    for place in left.iter_mut().chain(right) {
        // Written once and never taken back: from here on every place holds a value.
        place.write(T::default());
    }
    let (left, right) = buffer.vacant_slices_mut();
    debug_assert!(right.is_empty());
    let guard: Box<dyn Any + Send> = Box::new(guard(left));
    let (producer, consumer) = buffer.split();
    let indices = |read, write| Indices { read, write, capacity };
    // `split` wraps in a caching layer; the direct ends under it are what this wrapper caches by itself.
    let shared = Arc::clone(ringbuf::wrap::Wrap::rb_ref(&producer));
    drop((producer, consumer));
    let (read, write) = (shared.read_index(), shared.write_index());
    (
        Sender {
            ring: Prod::new(Arc::clone(&shared)),
            notifier,
            index: indices(read, write),
            refused: 0,
            is_blocked: false,
        },
        Receiver { _guard: guard, ring: Cons::new(shared), index: indices(read, write) },
    )
}

impl<T: Copy> Sender<T> {
    /// Returns the next free place, which holds an old message to be written over, or what an earlier reservation wrote and did
    /// not publish. Nothing if the ring is full.
    #[inline]
    pub fn reserve(&mut self) -> Option<WriteSlot<'_, T>> {
        if self.index.occupied() == self.index.capacity {
            self.index.read = self.ring.read_index();
            if self.index.occupied() == self.index.capacity {
                self.refused += u64::from(!std::mem::replace(&mut self.is_blocked, true));
                return None;
            }
        }
        self.is_blocked = false;
        let write = self.index.write;
        // SAFETY: this is the only producer, `write` is its index, and the place is vacant (just checked), so
        // it is ours until the index moves.
        let (place, _) = unsafe { self.ring.unsafe_slices_mut(write, self.index.next(write)) };
        // SAFETY: `ring` wrote a value into every place, and messages are only copied out, never moved.
        let place: *mut T = unsafe { place.first_mut()?.assume_init_mut() };
        Some(WriteSlot { place, sender: self })
    }

    /// Writes `message` and publishes it; `false` if the ring is full.
    #[inline]
    pub fn send(&mut self, message: &T) -> bool {
        match self.reserve() {
            Some(mut place) => {
                *place = *message;
                place.publish();
                true
            }
            None => false,
        }
    }

    /// Returns the number of messages that fit now.
    pub fn vacant(&mut self) -> usize {
        self.index.read = self.ring.read_index();
        self.index.capacity - self.index.occupied()
    }

    /// Returns how often the ring was found full: asking again while it is does not count.
    pub fn refused(&self) -> u64 {
        self.refused
    }

    /// Returns the number of messages that the ring holds at most.
    pub fn capacity(&self) -> usize {
        self.index.capacity
    }
}

/// A vacant place of a ring, reserved for its producer.
pub struct WriteSlot<'a, T: Copy> {
    /// The place at the sender's write index.
    place: *mut T,
    sender: &'a mut Sender<T>,
}

impl<'a, T: Copy> WriteSlot<'a, T> {
    /// Hands the place to the consumer and wakes it if it sleeps.
    #[inline]
    pub fn publish(self) {
        self.advance().notifier.notify();
    }

    /// Hands the place to the consumer without waking it: for a caller that calls the consumer's
    /// notifier itself, after it has marked the slot.
    #[inline]
    pub fn publish_quietly(self) {
        self.advance();
    }

    #[inline]
    fn advance(self) -> &'a mut Sender<T> {
        let index = &mut self.sender.index;
        index.write = index.next(index.write);
        let write = index.write;
        // SAFETY: the place before the new index holds a value, and it was vacant: a write slot exists only for a
        // vacant place, and the sender, which alone fills places, was borrowed since.
        unsafe { self.sender.ring.set_write_index(write) };
        self.sender
    }
}

impl<T: Copy> Deref for WriteSlot<'_, T> {
    type Target = T;

    #[inline]
    fn deref(&self) -> &T {
        // SAFETY: the place is vacant, so the consumer does not touch it, and the sender is borrowed for as long as this
        // lives; it holds a value from the start.
        unsafe { &*self.place }
    }
}

impl<T: Copy> DerefMut for WriteSlot<'_, T> {
    #[inline]
    fn deref_mut(&mut self) -> &mut T {
        // SAFETY: as above, and this is borrowed exclusively.
        unsafe { &mut *self.place }
    }
}

impl<T: Copy> Receiver<T> {
    /// Returns the oldest message, in place; it stays until [`release`](Self::release).
    #[inline]
    pub fn peek(&mut self) -> Option<&T> {
        if self.is_empty() {
            return None;
        }
        let read = self.index.read;
        // SAFETY: this is the only consumer, `read` is its index, and the place is occupied (just checked).
        let (place, _) = unsafe { self.ring.unsafe_slices(read, self.index.next(read)) };
        // SAFETY: every place holds a value from the start.
        place.first().map(|place| unsafe { place.assume_init_ref() })
    }

    /// Gives the place of the message last peeked at back to the producer. Does nothing on an empty ring.
    #[inline]
    pub fn release(&mut self) {
        if self.index.occupied() > 0 {
            self.index.read = self.index.next(self.index.read);
            // SAFETY: the place was occupied; its value is plain data that needs no drop.
            unsafe { self.ring.set_read_index(self.index.read) };
        }
    }

    /// Returns a copy of the oldest message, and releases it.
    #[inline]
    pub fn take(&mut self) -> Option<T> {
        let message = self.peek().copied();
        self.release();
        message
    }

    /// Returns whether no message is waiting.
    #[inline]
    pub fn is_empty(&mut self) -> bool {
        if self.index.occupied() == 0 {
            self.index.write = self.ring.write_index();
        }
        self.index.occupied() == 0
    }

    /// Returns whether any waiting message passes `test`.
    pub fn any(&mut self, test: impl Fn(&T) -> bool) -> bool {
        self.index.write = self.ring.write_index();
        // SAFETY: this is the only consumer, and the places between its index and the producer's are occupied.
        let (first, second) = unsafe { self.ring.unsafe_slices(self.index.read, self.index.write) };
        // SAFETY: every place holds a value from the start.
        first.iter().chain(second).any(|place| test(unsafe { place.assume_init_ref() }))
    }

    /// Returns the number of waiting messages.
    pub fn len(&mut self) -> usize {
        self.index.write = self.ring.write_index();
        self.index.occupied()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::eventcount::Waiter;
    use proptest::prelude::*;
    use std::collections::VecDeque;

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(if cfg!(miri) { 4 } else { 256 }))]

        #[test]
        fn behaves_like_a_bounded_queue(capacity in 1usize..9, operations in prop::collection::vec(any::<bool>(), 0..200)) {
            let waiter = Waiter::new();
            let (mut sender, mut receiver) = ring::<u64>(capacity, waiter.notifier());
            let mut model = VecDeque::new();
            for (i, send) in operations.into_iter().enumerate() {
                if send {
                    prop_assert_eq!(sender.send(&(i as u64)), model.len() < capacity);
                    if model.len() < capacity {
                        model.push_back(i as u64);
                    }
                } else {
                    prop_assert_eq!(receiver.take(), model.pop_front());
                }
                prop_assert_eq!(receiver.len(), model.len());
                prop_assert!(model.iter().all(|message| receiver.any(|other| other == message)));
                prop_assert!(!receiver.any(|message| !model.contains(message)));
                prop_assert_eq!(sender.vacant(), capacity - model.len());
            }
        }
    }

    #[test]
    fn what_is_reserved_and_not_published_is_not_seen() {
        let (mut sender, mut receiver) = ring::<u32>(1, Waiter::new().notifier());
        if let Some(mut place) = sender.reserve() {
            *place = 7;
        }
        assert_eq!(receiver.take(), None);
        let mut place = sender.reserve().unwrap();
        *place += 1;
        place.publish();
        assert!(sender.reserve().is_none(), "full: nothing can be published");
        assert_eq!((receiver.take(), receiver.take()), (Some(8), None));
    }

    #[test]
    fn a_full_ring_refuses_and_counts() {
        let (mut sender, mut receiver) = ring::<u32>(2, Waiter::new().notifier());
        assert!(sender.send(&1) && sender.send(&2) && !sender.send(&3));
        assert_eq!(sender.refused(), 1);
        assert_eq!(receiver.take(), Some(1));
        assert!(sender.send(&3));
        assert_eq!((receiver.take(), receiver.take(), receiver.take()), (Some(2), Some(3), None));
    }

    #[test]
    fn messages_arrive_in_order_across_threads() {
        let count: u64 = if cfg!(miri) { 100 } else { 100_000 };
        let (mut sender, mut receiver) = ring::<[u64; 4]>(7, Waiter::new().notifier());
        let producer = std::thread::spawn(move || {
            for i in 0..count {
                while !sender.send(&[i; 4]) {
                    std::thread::yield_now();
                }
            }
        });
        for i in 0..count {
            let message = loop {
                if let Some(message) = receiver.take() {
                    break message;
                }
                std::thread::yield_now();
            };
            assert_eq!(message, [i; 4]);
        }
        producer.join().unwrap();
    }
}
