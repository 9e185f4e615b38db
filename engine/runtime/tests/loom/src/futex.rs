//! Sleeping on a word without a time limit: who is never woken sleeps for good, which `loom` reports as a deadlock.

use crate::sync::{AtomicU32, Ordering};
use loom::sync::{Condvar, Mutex};
use std::sync::PoisonError;
use std::time::Duration;

/// What a thread sleeps on: `loom`'s number, but a store is a swap, whose place among all changes `loom` knows.
///
/// Of a plain store after another thread's swap `loom` does not know that it comes later even where both follow the same
/// store of the first thread, though nothing may come between a swap and what it replaced. It then lets the second
/// thread read its own swap past a fence, and a notifier that rings twice seems to lose a wake-up. What a swap gives beyond
/// a store is that it continues the release sequence of what it replaces.
pub struct Word(AtomicU32);

impl Word {
    /// A number.
    pub fn new(value: u32) -> Self {
        Word(AtomicU32::new(value))
    }

    /// The number, or one before it that the memory model allows to be read.
    pub fn load(&self, order: Ordering) -> u32 {
        self.0.load(order)
    }

    /// Sets the number.
    pub fn store(&self, value: u32, order: Ordering) {
        self.swap(value, order);
    }

    /// Sets the number; what it replaced.
    pub fn swap(&self, value: u32, order: Ordering) -> u32 {
        self.0.swap(value, order)
    }
}

/// What a waiter waits on, and what the kernel's lock of a futex is to it.
pub struct Fallback {
    gate: Mutex<()>,
    woken: Condvar,
}

impl Fallback {
    /// Nobody sleeps.
    #[expect(clippy::new_without_default, reason = "as in the engine")]
    pub fn new() -> Self {
        Fallback { gate: Mutex::new(()), woken: Condvar::new() }
    }
}

/// Sleeps until woken if the word still holds `value`. Any wake-up ends it, also one meant for an earlier sleep, as with
/// a futex.
pub fn while_equal(word: &Word, value: u32, _: Duration, fallback: &Fallback) {
    let guard = fallback.gate.lock().unwrap_or_else(PoisonError::into_inner);
    if word.load(Ordering::Relaxed) == value {
        drop(fallback.woken.wait(guard));
    }
}

/// Wakes the thread that sleeps on the word.
pub fn wake(_: &Word, fallback: &Fallback) {
    drop(fallback.gate.lock().unwrap_or_else(PoisonError::into_inner));
    fallback.woken.notify_one();
}
