//! Frames arrive whole and in order. `ringbuf` is replaced by a stand-in with the same indices, which reports a place
//! that one side still reads or writes while the other accesses it.

use loom::thread;
use std::time::Duration;
use voxlane_loom::eventcount::Waiter;
use voxlane_loom::ring::{Receiver, Sender, ring};
use voxlane_loom::traits::{Raw, Split};
use voxlane_loom::{HeapRb, check_bounded};

fn new_ring(capacity: usize) -> (Sender<u32>, Receiver<u32>) {
    ring(capacity, Waiter::fenced().notifier())
}

/// Sends frames 1 to `count` through a ring of `capacity`, both sides polling.
fn pass(capacity: usize, count: u32) {
    let (mut sender, mut receiver) = new_ring(capacity);
    let producer = thread::spawn(move || {
        for frame in 1..=count {
            while !sender.send(&frame) {
                thread::yield_now();
            }
        }
    });
    for expected in 1..=count {
        let frame = loop {
            match receiver.peek() {
                Some(frame) => break *frame,
                None => thread::yield_now(),
            }
        };
        assert_eq!(frame, expected);
        receiver.release();
    }
    producer.join().unwrap();
    assert!(receiver.is_empty());
}

#[test]
fn three_frames_pass_a_ring_of_one() {
    loom::model(|| pass(1, 3));
}

#[test]
fn three_frames_pass_a_ring_of_two() {
    loom::model(|| pass(2, 3));
}

#[test]
fn a_full_ring_refuses_and_loses_nothing() {
    loom::model(|| {
        let (mut sender, mut receiver) = new_ring(1);
        let producer = thread::spawn(move || {
            let sent = [1, 2].map(|frame| sender.send(&frame));
            assert!(sent[0] && sender.refused() == u64::from(!sent[1]));
            sent.into_iter().filter(|sent| *sent).count()
        });
        let mut taken: Vec<_> = (0..2).filter_map(|_| receiver.take()).collect();
        let sent = producer.join().unwrap();
        taken.extend(receiver.take());
        assert_eq!(taken, (1..=2).take(sent).collect::<Vec<_>>());
        assert!(receiver.is_empty());
    });
}

#[test]
fn what_is_reserved_and_not_published_is_not_seen() {
    loom::model(|| {
        let (mut sender, mut receiver) = new_ring(1);
        let producer = thread::spawn(move || {
            if let Some(mut place) = sender.reserve() {
                *place = 7;
            }
            let mut place = sender.reserve().unwrap();
            *place += 1;
            place.publish_quietly();
        });
        let early = receiver.any(|frame| *frame != 8);
        assert!(!early && receiver.len() <= 1);
        producer.join().unwrap();
        assert_eq!((receiver.take(), receiver.take()), (Some(8), None));
    });
}

#[test]
fn a_consumer_that_sleeps_gets_every_frame() {
    check_bounded(6, || {
        let waiter = Waiter::fenced();
        let (mut sender, mut receiver) = ring(2, waiter.notifier());
        let producer = thread::spawn(move || assert!(sender.send(&1) && sender.send(&2)));
        for expected in 1..=2 {
            let frame = loop {
                if let Some(frame) = receiver.take() {
                    break frame;
                }
                waiter.wait(Duration::ZERO, || !receiver.is_empty());
            };
            assert_eq!(frame, expected);
        }
        producer.join().unwrap();
    });
}

/// The check can fail: a consumer that does not look at the index.
#[test]
#[should_panic(expected = "currently reading from cell")]
fn reading_a_place_too_early_is_reported() {
    loom::model(|| {
        let (producer, consumer) = HeapRb::<u32>::new(1).split();
        let producer = thread::spawn(move || {
            // SAFETY: the ring is empty and this its only producer.
            unsafe { producer.unsafe_slices_mut(0, 1).0[0].write(1) };
            // SAFETY: the place holds a value.
            unsafe { producer.set_write_index(1) };
        });
        // SAFETY: deliberately broken; the stand-in only records the access, and nothing reads the slice.
        unsafe { consumer.unsafe_slices(0, 1) };
        producer.join().unwrap();
    });
}
