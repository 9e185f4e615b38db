//! Waking a thread that sleeps, at no cost to the waker while it does not.
//!
//! The producer's side of the usual handshake (publish, full fence, look whether anyone sleeps) would put a
//! fence on every frame. Instead the sleeper, which has time, makes every other thread of the process pass a
//! full fence (Linux `membarrier`), and the producer needs only to keep the compiler from reordering. Where
//! `membarrier` is missing, both sides use a full fence.

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering, compiler_fence, fence};
use std::time::Duration;

const AWAKE: u32 = 0;
const ASLEEP: u32 = 1;

/// The producer's side: shared by everyone who hands work to one thread. Ringing takes no lock: a producer that is
/// stopped at any point holds nobody up.
pub struct Bell {
    /// The word that the consumer sleeps on.
    state: AtomicU32,
    asymmetric: bool,
    fallback: sleep::Fallback,
}

/// The consumer's side: owned by the thread that sleeps.
pub struct Sleeper {
    bell: Arc<Bell>,
}

impl Bell {
    /// Call after publishing work: wakes the consumer if it sleeps or is about to.
    #[inline]
    pub fn ring(&self) {
        if self.asymmetric {
            compiler_fence(Ordering::SeqCst);
        } else {
            fence(Ordering::SeqCst);
        }
        if self.state.load(Ordering::Relaxed) == ASLEEP {
            self.wake();
        }
    }

    #[cold]
    fn wake(&self) {
        if self.state.swap(AWAKE, Ordering::AcqRel) == ASLEEP {
            sleep::wake(&self.state, &self.fallback);
        }
    }
}

impl Sleeper {
    /// A sleeper whose producers pay nothing while it is awake: going to sleep interrupts every running thread of the
    /// process for a moment. For threads of a lane.
    pub fn new() -> Self {
        Sleeper::of(barrier::register())
    }

    /// A sleeper whose producers pay a fence, and that interrupts nobody. For clients' threads.
    pub fn considerate() -> Self {
        Sleeper::of(false)
    }

    fn of(asymmetric: bool) -> Self {
        let (state, fallback) = (AtomicU32::new(AWAKE), sleep::Fallback::new());
        Sleeper { bell: Arc::new(Bell { state, asymmetric, fallback }) }
    }

    /// The other side.
    pub fn bell(&self) -> Arc<Bell> {
        Arc::clone(&self.bell)
    }

    /// Sleeps for `limit` at most, unless `work` finds something to do after the bell has been armed: work
    /// published before that is seen by `work`, later work rings. May return early.
    pub fn sleep(&self, limit: Duration, work: impl FnOnce() -> bool) {
        let Bell { state, asymmetric, fallback } = &*self.bell;
        state.store(ASLEEP, Ordering::Relaxed);
        if *asymmetric {
            barrier::everyone();
        } else {
            fence(Ordering::SeqCst);
        }
        if !work() {
            sleep::while_equal(state, ASLEEP, limit, fallback);
        }
        state.store(AWAKE, Ordering::Relaxed);
    }
}

impl Default for Sleeper {
    fn default() -> Self {
        Sleeper::new()
    }
}

/// Sleeping on a word: a futex.
#[cfg(target_os = "linux")]
mod sleep {
    use std::sync::atomic::AtomicU32;
    use std::time::Duration;

    /// Nothing: a futex needs no more than its word.
    pub struct Fallback;

    impl Fallback {
        pub fn new() -> Self {
            Fallback
        }
    }

    /// Sleeps until woken, for `limit` at most, if the word still holds `value`.
    pub fn while_equal(word: &AtomicU32, value: u32, limit: Duration, _: &Fallback) {
        let limit = libc::timespec {
            tv_sec: limit.as_secs().try_into().unwrap_or(libc::time_t::MAX),
            tv_nsec: limit.subsec_nanos().into(),
        };
        let operation = libc::FUTEX_WAIT | libc::FUTEX_PRIVATE_FLAG;
        // SAFETY: the kernel reads the word and the time, which live during the call.
        unsafe { libc::syscall(libc::SYS_futex, word.as_ptr(), operation, value, &raw const limit) };
    }

    /// Wakes the thread that sleeps on the word.
    pub fn wake(word: &AtomicU32, _: &Fallback) {
        let operation = libc::FUTEX_WAKE | libc::FUTEX_PRIVATE_FLAG;
        // SAFETY: the kernel uses the word's address only.
        unsafe { libc::syscall(libc::SYS_futex, word.as_ptr(), operation, 1) };
    }
}

/// Sleeping on a word where there is no futex.
#[cfg(not(target_os = "linux"))]
mod sleep {
    use std::sync::atomic::{AtomicU32, Ordering};
    use std::sync::{Condvar, Mutex, PoisonError};
    use std::time::Duration;

    /// What the consumer sleeps on in place of the word.
    pub struct Fallback {
        gate: Mutex<()>,
        woken: Condvar,
    }

    impl Fallback {
        pub fn new() -> Self {
            Fallback { gate: Mutex::new(()), woken: Condvar::new() }
        }
    }

    pub fn while_equal(word: &AtomicU32, value: u32, limit: Duration, fallback: &Fallback) {
        let guard = fallback.gate.lock().unwrap_or_else(PoisonError::into_inner);
        let is_equal = |(): &mut ()| word.load(Ordering::Relaxed) == value;
        drop(fallback.woken.wait_timeout_while(guard, limit, is_equal));
    }

    pub fn wake(_: &AtomicU32, fallback: &Fallback) {
        drop(fallback.gate.lock().unwrap_or_else(PoisonError::into_inner));
        fallback.woken.notify_one();
    }
}

#[cfg(target_os = "linux")]
mod barrier {
    use std::sync::OnceLock;

    /// Asks the kernel for expedited barriers; whether it has them. Once per process.
    pub fn register() -> bool {
        static REGISTERED: OnceLock<bool> = OnceLock::new();
        // Miri knows no membarrier.
        !cfg!(miri) && *REGISTERED.get_or_init(|| call(libc::MEMBARRIER_CMD_REGISTER_PRIVATE_EXPEDITED))
    }

    /// Every running thread of this process passes a full fence before this returns.
    pub fn everyone() {
        let passed = call(libc::MEMBARRIER_CMD_PRIVATE_EXPEDITED);
        debug_assert!(passed, "registered before use");
    }

    fn call(command: libc::c_int) -> bool {
        // SAFETY: membarrier takes two integers and touches no memory of ours.
        unsafe { libc::syscall(libc::SYS_membarrier, command, 0, 0) == 0 }
    }
}

#[cfg(not(target_os = "linux"))]
mod barrier {
    pub fn register() -> bool {
        false
    }
    pub fn everyone() {}
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::atomic::AtomicUsize;
    use std::time::Instant;

    #[test]
    fn work_seen_after_arming_prevents_sleep() {
        let sleeper = Sleeper::new();
        let before = Instant::now();
        sleeper.sleep(Duration::from_secs(60), || true);
        assert!(before.elapsed() < Duration::from_secs(30));
    }

    #[test]
    fn no_wake_up_is_lost() {
        hand_over_rounds(&Sleeper::new());
        hand_over_rounds(&Sleeper::considerate());
    }

    fn hand_over_rounds(sleeper: &Sleeper) {
        let bell = sleeper.bell();
        let published = Arc::new(AtomicUsize::new(0));
        let source = Arc::clone(&published);
        const ROUNDS: usize = if cfg!(miri) { 30 } else { 2_000 };
        let seen = Arc::new(AtomicUsize::new(0));
        let reader = Arc::clone(&seen);
        let producer = std::thread::spawn(move || {
            for round in 1..=ROUNDS {
                source.store(round, Ordering::Release);
                bell.ring();
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
                sleeper.sleep(Duration::from_secs(60), || published.load(Ordering::Acquire) != last);
                continue;
            }
            last = now;
            seen.store(last, Ordering::Release);
        }
        producer.join().unwrap();
    }
}
