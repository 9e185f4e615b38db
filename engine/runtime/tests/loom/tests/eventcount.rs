//! No wake-up is lost: the models' sleep has no time limit, so that a lost one is a deadlock, which `loom` reports.

use loom::sync::Arc;
use loom::sync::atomic::{AtomicU32, Ordering, fence};
use loom::thread;
use std::future::poll_fn;
use std::task::Poll;
use std::time::Duration;
use voxlane_loom::eventcount::Waiter;
use voxlane_loom::{check_bounded, futex};

/// Passed to every sleep and not used by the model.
const LIMIT: Duration = Duration::ZERO;

/// Sleeps until `goal` pieces of work have been published. How often it went to sleep is no matter.
fn consume(waiter: &Waiter, published: &AtomicU32, goal: u32) {
    let mut seen = 0;
    while seen < goal {
        waiter.wait(LIMIT, || published.load(Ordering::Acquire) != seen);
        seen = published.load(Ordering::Acquire);
    }
}

/// One consumer, and `producers` that publish and ring `rounds` times each.
fn hand_over(producers: u32, rounds: u32) {
    let waiter = Waiter::fenced();
    let published = Arc::new(AtomicU32::new(0));
    let produce = || {
        let (notifier, published) = (waiter.notifier(), Arc::clone(&published));
        thread::spawn(move || {
            for _ in 0..rounds {
                published.fetch_add(1, Ordering::Release);
                notifier.notify();
            }
        })
    };
    let threads: Vec<_> = (0..producers).map(|_| produce()).collect();
    consume(&waiter, &published, producers * rounds);
    threads.into_iter().for_each(|thread| thread.join().unwrap());
}

#[test]
fn one_producer_wakes_the_consumer() {
    loom::model(|| hand_over(1, 1));
}

#[test]
fn one_producer_wakes_the_consumer_each_time() {
    check_bounded(6, || hand_over(1, 2));
}

#[test]
fn two_producers_wake_the_consumer() {
    check_bounded(4, || hand_over(2, 1));
}

/// Publishes once to a task that polls until it has seen that.
#[test]
fn a_task_is_woken() {
    loom::model(|| {
        let waiter = Waiter::fenced();
        let published = Arc::new(AtomicU32::new(0));
        let (notifier, its_published) = (waiter.notifier(), Arc::clone(&published));
        let producer = thread::spawn(move || {
            its_published.store(1, Ordering::Release);
            notifier.notify();
        });
        loom::future::block_on(poll_fn(|context| {
            let is_published = || published.load(Ordering::Acquire) == 1;
            if is_published() { Poll::Ready(()) } else { waiter.poll(context, is_published) }
        }));
        producer.join().unwrap();
    });
}

/// The check can fail: a notifier whose producer has no fence.
#[test]
#[should_panic(expected = "deadlock")]
fn without_the_producers_fence_a_wake_up_is_lost() {
    loom::model(|| {
        let notifier = Arc::new((AtomicU32::new(0), futex::Word::new(0), futex::Fallback::new()));
        let its_notifier = Arc::clone(&notifier);
        let producer = thread::spawn(move || {
            let (published, asleep, fallback) = &*its_notifier;
            published.store(1, Ordering::Release);
            if asleep.load(Ordering::Relaxed) == 1 && asleep.swap(0, Ordering::AcqRel) == 1 {
                futex::wake(asleep, fallback);
            }
        });
        let (published, asleep, fallback) = &*notifier;
        asleep.store(1, Ordering::Relaxed);
        fence(Ordering::SeqCst);
        if published.load(Ordering::Acquire) == 0 {
            futex::while_equal(asleep, 1, LIMIT, fallback);
        }
        producer.join().unwrap();
    });
}
