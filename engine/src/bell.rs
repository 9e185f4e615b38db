//! Waking a thread that sleeps, at no cost to the waker while it does not.
//!
//! The producer's side of the usual handshake (publish, full fence, look whether anyone sleeps) would put a
//! fence on every frame. Instead the sleeper, which has time, makes every other thread of the process pass a
//! full fence (Linux `membarrier`), and the producer needs only to keep the compiler from reordering. Where
//! `membarrier` is missing, both sides use a full fence.

use crossbeam_utils::sync::{Parker, Unparker};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering, compiler_fence, fence};
use std::time::Duration;

/// The producer's side: shared by everyone who hands work to one thread.
pub struct Bell {
    asleep: AtomicBool,
    asymmetric: bool,
    unparker: Unparker,
}

/// The consumer's side: owned by the thread that sleeps.
pub struct Sleeper {
    parker: Parker,
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
        if self.asleep.load(Ordering::Relaxed) {
            self.wake();
        }
    }

    #[cold]
    fn wake(&self) {
        if self.asleep.swap(false, Ordering::AcqRel) {
            self.unparker.unpark();
        }
    }
}

impl Sleeper {
    /// A new sleeper, awake.
    pub fn new() -> Self {
        let parker = Parker::new();
        let bell = Bell {
            asleep: AtomicBool::new(false),
            asymmetric: barrier::register(),
            unparker: parker.unparker().clone(),
        };
        Sleeper { parker, bell: Arc::new(bell) }
    }

    /// The other side.
    pub fn bell(&self) -> Arc<Bell> {
        Arc::clone(&self.bell)
    }

    /// Sleeps for `limit` at most, unless `work` finds something to do after the bell has been armed: work
    /// published before that is seen by `work`, later work rings.
    pub fn sleep(&self, limit: Duration, work: impl FnOnce() -> bool) {
        self.bell.asleep.store(true, Ordering::Relaxed);
        if self.bell.asymmetric {
            barrier::everyone();
        } else {
            fence(Ordering::SeqCst);
        }
        if !work() {
            self.parker.park_timeout(limit);
        }
        self.bell.asleep.store(false, Ordering::Relaxed);
    }
}

impl Default for Sleeper {
    fn default() -> Self {
        Sleeper::new()
    }
}

#[cfg(target_os = "linux")]
mod barrier {
    use std::sync::OnceLock;

    /// Asks the kernel for expedited barriers; whether it has them. Once per process.
    pub fn register() -> bool {
        static REGISTERED: OnceLock<bool> = OnceLock::new();
        *REGISTERED.get_or_init(|| call(libc::MEMBARRIER_CMD_REGISTER_PRIVATE_EXPEDITED))
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
    pub fn everyone() {
        unreachable!("never registered");
    }
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
        let sleeper = Sleeper::new();
        let bell = sleeper.bell();
        let published = Arc::new(AtomicUsize::new(0));
        let source = Arc::clone(&published);
        const ROUNDS: usize = 2_000;
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
