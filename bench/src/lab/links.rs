//! Ways to hand a message from one thread to another, all as a pair of closures: one sends the message of a
//! number, one waits for the next message and gives its number.
//!
//! Whoever waits spins. A link that only moves values fills a message of its own and copies it in and out, as
//! its users must; our ring is written and read in place.

use crossbeam_queue::ArrayQueue;
use crossbeam_utils::CachePadded;
use std::hint::{black_box, spin_loop};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc;
use voxlane::bell::Sleeper;
use voxlane::frame::AudioFrame;
use voxlane::ring;

/// Messages that a bounded link holds.
const CAPACITY: usize = 64;

/// What is sent: a number, and whatever else makes up the size.
pub trait Message: Copy + Default + Send + 'static {
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

impl Message for AudioFrame {
    #[inline]
    fn fill(&mut self, number: u64) {
        self.header.sequence = number;
        self.payload.samples.fill(number as i16);
    }

    #[inline]
    fn read(&self) -> u64 {
        // Every cache line is looked at, or one that comes late would not count.
        let sum = self.payload.samples.iter().fold(0i16, |sum, sample| sum.wrapping_add(*sample));
        black_box(sum);
        self.header.sequence
    }
}

/// Spins until `look` gives something.
#[inline]
fn wait<T>(mut look: impl FnMut() -> Option<T>) -> T {
    loop {
        match look() {
            Some(value) => return value,
            None => spin_loop(),
        }
    }
}

/// The floor: one cache line that holds the number of the newest message. Sends without looking whether the one
/// before was taken, so that it serves only where every message is answered.
pub fn bare_line() -> (impl FnMut(u64) + Send, impl FnMut() -> u64 + Send) {
    const NOTHING: u64 = u64::MAX;
    let line = Arc::new(CachePadded::new(AtomicU64::new(NOTHING)));
    let written = Arc::clone(&line);
    let mut seen = NOTHING;
    let receive = move || {
        seen = wait(|| Some(line.load(Ordering::Acquire)).filter(|number| *number != seen));
        seen
    };
    (move |number| written.store(number, Ordering::Release), receive)
}

/// Our ring, in place.
pub fn voxlane_ring<M: Message>() -> (impl FnMut(u64) + Send, impl FnMut() -> u64 + Send) {
    let (mut sender, mut receiver) = ring::ring::<M>(CAPACITY, Sleeper::new().bell());
    let send = move |number| {
        while sender.slot().is_none() {
            spin_loop();
        }
        if let Some(place) = sender.slot() {
            place.fill(number);
            sender.publish();
        }
    };
    let receive = move || {
        let number = wait(|| receiver.peek().map(M::read));
        receiver.release();
        number
    };
    (send, receive)
}

/// `rtrb`, by value.
pub fn rtrb<M: Message>() -> (impl FnMut(u64) + Send, impl FnMut() -> u64 + Send) {
    let (mut sender, mut receiver) = rtrb::RingBuffer::<M>::new(CAPACITY);
    let mut message = M::default();
    let send = move |number| {
        message.fill(number);
        wait(|| sender.push(message).ok());
    };
    (send, move || wait(|| receiver.pop().ok()).read())
}

/// `crossbeam-channel`, bounded, by value.
pub fn crossbeam_channel<M: Message>() -> (impl FnMut(u64) + Send, impl FnMut() -> u64 + Send) {
    let (sender, receiver) = crossbeam_channel::bounded::<M>(CAPACITY);
    let mut message = M::default();
    let send = move |number| {
        message.fill(number);
        wait(|| sender.try_send(message).ok());
    };
    (send, move || wait(|| receiver.try_recv().ok()).read())
}

/// `crossbeam-queue`'s `ArrayQueue`, by value.
pub fn crossbeam_queue<M: Message>() -> (impl FnMut(u64) + Send, impl FnMut() -> u64 + Send) {
    let queue = Arc::new(ArrayQueue::<M>::new(CAPACITY));
    let other = Arc::clone(&queue);
    let mut message = M::default();
    let send = move |number| {
        message.fill(number);
        wait(|| queue.push(message).ok());
    };
    (send, move || wait(|| other.pop()).read())
}

/// The standard library's `sync_channel`, by value.
pub fn std_mpsc<M: Message>() -> (impl FnMut(u64) + Send, impl FnMut() -> u64 + Send) {
    let (sender, receiver) = mpsc::sync_channel::<M>(CAPACITY);
    let mut message = M::default();
    let send = move |number| {
        message.fill(number);
        wait(|| sender.try_send(message).ok());
    };
    (send, move || wait(|| receiver.try_recv().ok()).read())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn carries_everything_in_order(link: (impl FnMut(u64) + Send, impl FnMut() -> u64 + Send)) {
        let (mut send, mut receive) = link;
        for start in [0, 10, 20] {
            (start..start + 10).for_each(&mut send);
            assert!((start..start + 10).all(|number| receive() == number));
        }
    }

    #[test]
    fn links_carry_everything_in_order() {
        carries_everything_in_order(voxlane_ring::<u64>());
        carries_everything_in_order(voxlane_ring::<AudioFrame>());
        carries_everything_in_order(rtrb::<AudioFrame>());
        carries_everything_in_order(crossbeam_channel::<AudioFrame>());
        carries_everything_in_order(crossbeam_queue::<AudioFrame>());
        carries_everything_in_order(std_mpsc::<AudioFrame>());
    }

    #[test]
    fn the_bare_line_shows_the_newest() {
        let (mut send, mut receive) = bare_line();
        send(0);
        assert_eq!(receive(), 0);
        send(1);
        assert_eq!(receive(), 1);
    }
}
