//! Sleeping on a word: a futex where there is one, a lock and a condition variable elsewhere.

use crate::sync::AtomicU32;

#[cfg(not(target_os = "linux"))]
pub(crate) use gate::{Fallback, wake, while_equal};
#[cfg(target_os = "linux")]
pub(crate) use linux::{Fallback, wake, while_equal};

/// What a thread sleeps on.
pub(crate) type Word = AtomicU32;

#[cfg(target_os = "linux")]
mod linux {
    use super::Word;
    use std::time::Duration;

    /// Nothing: a futex needs no more than its word.
    pub struct Fallback;

    impl Fallback {
        pub fn new() -> Self {
            Fallback
        }
    }

    /// Sleeps until woken, for `limit` at most, if the word still holds `value`.
    pub fn while_equal(word: &Word, value: u32, limit: Duration, _: &Fallback) {
        let limit = libc::timespec {
            tv_sec: limit.as_secs().try_into().unwrap_or(libc::time_t::MAX),
            tv_nsec: limit.subsec_nanos().into(),
        };
        let operation = libc::FUTEX_WAIT | libc::FUTEX_PRIVATE_FLAG;
        // SAFETY: the kernel reads the word and the time, which live during the call.
        unsafe { libc::syscall(libc::SYS_futex, word.as_ptr(), operation, value, &raw const limit) };
    }

    /// Wakes the thread that sleeps on the word.
    pub fn wake(word: &Word, _: &Fallback) {
        let operation = libc::FUTEX_WAKE | libc::FUTEX_PRIVATE_FLAG;
        // SAFETY: the kernel uses the word's address only.
        unsafe { libc::syscall(libc::SYS_futex, word.as_ptr(), operation, 1) };
    }
}

#[cfg(not(target_os = "linux"))]
mod gate {
    use super::Word;
    use crate::sync::Ordering;
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

    pub fn while_equal(word: &Word, value: u32, limit: Duration, fallback: &Fallback) {
        let guard = fallback.gate.lock().unwrap_or_else(PoisonError::into_inner);
        let is_equal = |(): &mut ()| word.load(Ordering::Relaxed) == value;
        drop(fallback.woken.wait_timeout_while(guard, limit, is_equal));
    }

    pub fn wake(_: &Word, fallback: &Fallback) {
        drop(fallback.gate.lock().unwrap_or_else(PoisonError::into_inner));
        fallback.woken.notify_one();
    }
}
