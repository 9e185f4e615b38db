//! Ways to hand a message from one thread to another, all as a pair of closures that never wait: one sends the
//! message of a number and says whether there was room, one gives the number of the next message, if there is one.
//!
//! A link that only moves values fills a message of its own and copies it in and out, as its users must; our ring
//! and the disruptor are written and read in place.

use crossbeam_queue::ArrayQueue;
use crossbeam_utils::CachePadded;
use disruptor::{BusySpin, Producer, build_single_producer};
use std::collections::VecDeque;
use std::hint::{black_box, spin_loop};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError, mpsc};
use voxlane_runtime::eventcount::Waiter;
use voxlane_runtime::message;
use voxlane_runtime::ring;

/// Messages that a bounded link holds.
pub const CAPACITY: usize = 64;

/// The number that says that nothing follows.
pub const END: u64 = u64::MAX - 1;

/// What is sent: a number, and whatever else makes up the size.
pub trait Message: Copy + Default + Send + Sync + 'static {
    /// Writes the whole message.
    fn fill(&mut self, number: u64);
    /// Reads the whole message and gives the number.
    fn read(&self) -> u64;
}

impl Message for u64 {
    #[inline]
    fn fill(&mut self, number: u64) {
        *self = number;
    }

    #[inline]
    fn read(&self) -> u64 {
        *self
    }
}

/// Two cache lines, as what carries the number of a pooled buffer from stage to stage.
pub type SpanMessage = message::Message<(), [u64; 8]>;

/// Twelve cache lines, as what carries 20 ms of audio.
pub type AudioMessage = message::Message<(), [[u64; 22]; 4]>;

impl Message for SpanMessage {
    #[inline]
    fn fill(&mut self, number: u64) {
        self.header.sequence = number as u32;
        self.payload[0] = number;
    }

    #[inline]
    fn read(&self) -> u64 {
        black_box(self.header.sequence);
        self.payload[0]
    }
}

impl Message for AudioMessage {
    #[inline]
    fn fill(&mut self, number: u64) {
        self.header.sequence = number as u32;
        self.payload.as_flattened_mut().fill(number);
    }

    #[inline]
    fn read(&self) -> u64 {
        // Every cache line is looked at, or one that comes late would not count.
        let words = self.payload.as_flattened();
        black_box(words.iter().fold(u64::from(self.header.sequence), |sum, word| sum.wrapping_add(*word)));
        words[0]
    }
}

/// Spins until `look` gives something.
#[inline]
pub fn wait<T>(mut look: impl FnMut() -> Option<T>) -> T {
    loop {
        match look() {
            Some(value) => return value,
            None => spin_loop(),
        }
    }
}

/// The floor: one cache line that holds the number of the newest message. Sends without looking whether the one
/// before was taken, so that it serves only where every message is answered.
pub fn bare_line() -> (impl FnMut(u64) -> bool + Send, impl FnMut() -> Option<u64> + Send) {
    const NOTHING: u64 = u64::MAX;
    let line = Arc::new(CachePadded::new(AtomicU64::new(NOTHING)));
    let written = Arc::clone(&line);
    let mut seen = NOTHING;
    let send = move |number| {
        written.store(number, Ordering::Release);
        true
    };
    let receive = move || {
        let number = line.load(Ordering::Acquire);
        let is_new = number != seen;
        seen = number;
        is_new.then_some(number)
    };
    (send, receive)
}

/// Our ring, in place.
pub fn voxlane_ring<M: Message>() -> (impl FnMut(u64) -> bool + Send, impl FnMut() -> Option<u64> + Send) {
    let (mut sender, mut receiver) = ring::ring::<M>(CAPACITY, Waiter::new().notifier());
    let send = move |number| {
        let Some(mut place) = sender.reserve() else { return false };
        place.fill(number);
        place.publish();
        true
    };
    let receive = move || {
        let number = receiver.peek().map(M::read);
        if number.is_some() {
            receiver.release();
        }
        number
    };
    (send, receive)
}

/// The `disruptor` crate: one producer, one polling consumer, in place.
pub fn disruptor<M: Message>() -> (impl FnMut(u64) -> bool + Send, impl FnMut() -> Option<u64> + Send) {
    let (mut poller, builder) = build_single_producer(CAPACITY, M::default, BusySpin).new_event_poller();
    let mut producer = builder.build();
    let send = move |number| producer.try_publish(|place| place.fill(number)).is_ok();
    let receive = move || {
        let mut events = poller.take(1).ok()?;
        (&mut events).next().map(M::read)
    };
    (send, receive)
}

/// `rtrb`, by value.
pub fn rtrb<M: Message>() -> (impl FnMut(u64) -> bool + Send, impl FnMut() -> Option<u64> + Send) {
    let (mut sender, mut receiver) = rtrb::RingBuffer::<M>::new(CAPACITY);
    let mut message = M::default();
    let send = move |number| {
        message.fill(number);
        sender.push(message).is_ok()
    };
    (send, move || receiver.pop().ok().map(|message| message.read()))
}

/// `crossbeam-channel`, bounded, by value.
pub fn crossbeam_channel<M: Message>() -> (impl FnMut(u64) -> bool + Send, impl FnMut() -> Option<u64> + Send)
{
    let (sender, receiver) = crossbeam_channel::bounded::<M>(CAPACITY);
    let mut message = M::default();
    let send = move |number| {
        message.fill(number);
        sender.try_send(message).is_ok()
    };
    (send, move || receiver.try_recv().ok().map(|message| message.read()))
}

/// `crossbeam-queue`'s `ArrayQueue`, by value.
pub fn crossbeam_queue<M: Message>() -> (impl FnMut(u64) -> bool + Send, impl FnMut() -> Option<u64> + Send) {
    let queue = Arc::new(ArrayQueue::<M>::new(CAPACITY));
    let other = Arc::clone(&queue);
    let mut message = M::default();
    let send = move |number| {
        message.fill(number);
        queue.push(message).is_ok()
    };
    (send, move || other.pop().map(|message| message.read()))
}

/// The standard library's `sync_channel`, by value.
pub fn std_mpsc<M: Message>() -> (impl FnMut(u64) -> bool + Send, impl FnMut() -> Option<u64> + Send) {
    let (sender, receiver) = mpsc::sync_channel::<M>(CAPACITY);
    let mut message = M::default();
    let send = move |number| {
        message.fill(number);
        sender.try_send(message).is_ok()
    };
    (send, move || receiver.try_recv().ok().map(|message| message.read()))
}

/// A `VecDeque` in a `Mutex`, by value.
pub fn mutex_queue<M: Message>() -> (impl FnMut(u64) -> bool + Send, impl FnMut() -> Option<u64> + Send) {
    let queue = Arc::new(Mutex::new(VecDeque::<M>::with_capacity(CAPACITY)));
    let other = Arc::clone(&queue);
    let mut message = M::default();
    let send = move |number| {
        message.fill(number);
        let mut queue = queue.lock().unwrap_or_else(PoisonError::into_inner);
        let has_room = queue.len() < CAPACITY;
        if has_room {
            queue.push_back(message);
        }
        has_room
    };
    let receive = move || {
        let message = other.lock().unwrap_or_else(PoisonError::into_inner).pop_front();
        message.map(|message| message.read())
    };
    (send, receive)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn carries_everything_in_order(
        link: (impl FnMut(u64) -> bool + Send, impl FnMut() -> Option<u64> + Send),
    ) {
        let (mut send, mut receive) = link;
        assert_eq!(receive(), None);
        for start in [0, 10, 20] {
            assert!((start..start + 10).all(&mut send));
            assert!((start..start + 10).all(|number| receive() == Some(number)));
        }
        let sent = (0..1_000).take_while(|number| send(*number)).count();
        assert_eq!(sent, CAPACITY);
        assert!((0..sent as u64).all(|number| receive() == Some(number)));
        assert_eq!(receive(), None);
    }

    #[test]
    fn links_carry_everything_in_order_and_say_when_they_are_full() {
        carries_everything_in_order(voxlane_ring::<u64>());
        carries_everything_in_order(voxlane_ring::<AudioMessage>());
        carries_everything_in_order(disruptor::<SpanMessage>());
        carries_everything_in_order(rtrb::<AudioMessage>());
        carries_everything_in_order(crossbeam_channel::<SpanMessage>());
        carries_everything_in_order(crossbeam_queue::<AudioMessage>());
        carries_everything_in_order(std_mpsc::<AudioMessage>());
        carries_everything_in_order(mutex_queue::<AudioMessage>());
    }

    #[test]
    fn the_bare_line_shows_the_newest() {
        let (mut send, mut receive) = bare_line();
        assert!(send(0));
        assert_eq!((receive(), receive()), (Some(0), None));
        assert!(send(1));
        assert_eq!(receive(), Some(1));
    }
}
