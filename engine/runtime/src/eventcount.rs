//! An eventcount: waking a thread that sleeps, at no cost to the waker while it does not.
//!
//! The producer's side of the usual handshake (publish, full fence, look whether anyone sleeps) would put a
//! fence on every message. Instead the waiter, which has time, makes every other thread of the process pass a
//! full fence (Linux `membarrier`), and the producer needs only to keep the compiler from reordering. Where
//! `membarrier` is missing, both sides use a full fence.

use crate::sync::{AtomicWaker, Ordering, fence};
use crate::{futex, membarrier};
use std::sync::Arc;
use std::sync::atomic::compiler_fence;
use std::task::{Context, Poll};
use std::time::Duration;

const AWAKE: u32 = 0;
const ASLEEP: u32 = 1;
const POLLED: u32 = 2;

/// The producer's side of an eventcount: shared by everyone who hands work to one thread. Notifying takes no lock: a
/// producer that is stopped at any point holds nobody up. [`Waiter`] has an example.
pub struct Notifier {
    /// The word that the consumer sleeps on.
    state: futex::Word,
    asymmetric: bool,
    fallback: futex::Fallback,
    /// The task that waits in place of a thread.
    task: AtomicWaker,
}

/// The consumer's side of an eventcount: owned by the thread that sleeps.
///
/// ```
/// use std::sync::atomic::{AtomicBool, Ordering};
/// use std::time::Duration;
/// use voxlane_runtime::eventcount::Waiter;
///
/// let (waiter, work) = (Waiter::fenced(), AtomicBool::new(false));
/// let notifier = waiter.notifier();
/// std::thread::scope(|scope| {
///     scope.spawn(|| {
///         work.store(true, Ordering::Release);
///         notifier.notify();
///     });
///     while !work.load(Ordering::Acquire) {
///         waiter.wait(Duration::from_secs(60), || work.load(Ordering::Acquire));
///     }
/// });
/// assert!(work.into_inner());
/// ```
pub struct Waiter {
    notifier: Arc<Notifier>,
}

impl Notifier {
    /// Wakes the consumer if it sleeps or is about to. Call it after publishing work.
    #[inline]
    pub fn notify(&self) {
        if self.asymmetric {
            compiler_fence(Ordering::SeqCst);
        } else {
            fence(Ordering::SeqCst);
        }
        if self.state.load(Ordering::Relaxed) != AWAKE {
            self.wake();
        }
    }

    #[cold]
    fn wake(&self) {
        match self.state.swap(AWAKE, Ordering::AcqRel) {
            ASLEEP => futex::wake(&self.state, &self.fallback),
            POLLED => self.task.wake(),
            _ => {}
        }
    }
}

impl Waiter {
    /// Creates a waiter whose producers pay nothing while it is awake: going to sleep interrupts every running thread of the
    /// process for a moment. For threads of a lane.
    pub fn new() -> Self {
        Waiter::of(membarrier::register())
    }

    /// Creates a waiter whose producers pay a fence, and that interrupts nobody. For clients' threads.
    pub fn fenced() -> Self {
        Waiter::of(false)
    }

    fn of(asymmetric: bool) -> Self {
        let (state, fallback) = (futex::Word::new(AWAKE), futex::Fallback::new());
        let task = AtomicWaker::new();
        Waiter { notifier: Arc::new(Notifier { state, asymmetric, fallback, task }) }
    }

    /// Returns the producer's side.
    pub fn notifier(&self) -> Arc<Notifier> {
        Arc::clone(&self.notifier)
    }

    /// Sleeps for `limit` at most, unless `work` finds something to do after it has been announced: work
    /// published before that is seen by `work`, later work wakes. May return early.
    pub fn wait(&self, limit: Duration, work: impl FnOnce() -> bool) {
        let Notifier { state, asymmetric, fallback, .. } = &*self.notifier;
        state.store(ASLEEP, Ordering::Relaxed);
        announce(*asymmetric);
        if !work() {
            futex::while_equal(state, ASLEEP, limit, fallback);
        }
        state.store(AWAKE, Ordering::Relaxed);
    }
}

impl Waiter {
    /// Registers the task of `context` to be woken when work is published, unless `work` finds something to do already: then it
    /// is ready. It replaces a task registered earlier. The waker runs on the producer's thread.
    pub fn poll(&self, context: &mut Context<'_>, work: impl FnOnce() -> bool) -> Poll<()> {
        let Notifier { state, asymmetric, task, .. } = &*self.notifier;
        task.register(context.waker());
        state.store(POLLED, Ordering::Relaxed);
        announce(*asymmetric);
        if !work() {
            return Poll::Pending;
        }
        state.store(AWAKE, Ordering::Relaxed);
        Poll::Ready(())
    }
}

/// Makes the consumer's state known to every producer that does not yet see it, or what it has published to the consumer.
fn announce(asymmetric: bool) {
    if asymmetric {
        membarrier::everyone();
    } else {
        fence(Ordering::SeqCst);
    }
}

impl Default for Waiter {
    fn default() -> Self {
        Waiter::new()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::atomic::AtomicUsize;
    use std::time::Instant;

    #[test]
    fn work_seen_after_arming_prevents_sleep() {
        let waiter = Waiter::new();
        let before = Instant::now();
        waiter.wait(Duration::from_secs(60), || true);
        assert!(before.elapsed() < Duration::from_secs(30));
    }

    #[test]
    fn no_wake_up_is_lost() {
        hand_over_rounds(&Waiter::new());
        hand_over_rounds(&Waiter::fenced());
    }

    fn hand_over_rounds(waiter: &Waiter) {
        let notifier = waiter.notifier();
        let published = Arc::new(AtomicUsize::new(0));
        let source = Arc::clone(&published);
        const ROUNDS: usize = if cfg!(miri) { 30 } else { 2_000 };
        let seen = Arc::new(AtomicUsize::new(0));
        let reader = Arc::clone(&seen);
        let producer = std::thread::spawn(move || {
            for round in 1..=ROUNDS {
                source.store(round, Ordering::Release);
                notifier.notify();
                while reader.load(Ordering::Acquire) < round {
                    std::thread::yield_now();
                }
            }
        });
        let mut last = 0;
        while last < ROUNDS {
            let now = published.load(Ordering::Acquire);
            if now == last {
                // A lost wake-up would cost a minute here and show as a hang.
                waiter.wait(Duration::from_secs(60), || published.load(Ordering::Acquire) != last);
                continue;
            }
            last = now;
            seen.store(last, Ordering::Release);
        }
        producer.join().unwrap();
    }
}
