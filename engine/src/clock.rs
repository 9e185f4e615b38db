//! The engine's clock: nanoseconds since an origin, read from the time-stamp counter.

use quanta::Instant;
use std::time::Duration;

/// A point in time: nanoseconds since the engine's clock was made.
///
/// Capture times given to [`Stream::push_at`](crate::Stream::push_at) and the times that latencies are
/// counted from are of this kind; [`Clock::now`] gives the present.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
#[repr(transparent)]
pub struct Time(u64);

impl Time {
    /// From nanoseconds since the clock's origin.
    pub const fn from_nanos(nanos: u64) -> Self {
        Time(nanos)
    }

    /// Nanoseconds since the clock's origin.
    pub const fn nanos(self) -> u64 {
        self.0
    }

    /// The time from `earlier` to this one; zero if it lies in the future.
    pub fn since(self, earlier: Time) -> Duration {
        Duration::from_nanos(self.nanos_since(earlier))
    }

    /// Like [`since`](Self::since), in nanoseconds.
    pub const fn nanos_since(self, earlier: Time) -> u64 {
        self.0.saturating_sub(earlier.0)
    }

    /// This time and `length` more.
    pub fn after(self, length: Duration) -> Time {
        Time(self.0.saturating_add(u64::try_from(length.as_nanos()).unwrap_or(u64::MAX)))
    }
}

/// A monotonic clock on the time-stamp counter, shared by everything in one engine.
#[derive(Clone, Debug)]
pub struct Clock {
    clock: quanta::Clock,
    origin: Instant,
}

impl Clock {
    /// A clock whose origin is now. The first one of a process calibrates the counter, for 0.2 s at most.
    pub fn new() -> Self {
        let clock = quanta::Clock::new();
        // Room before the origin, so that audio captured before the engine started has a capture time.
        let now = clock.now();
        let origin = now.checked_sub(Duration::from_secs(3600)).unwrap_or(now);
        Clock { clock, origin }
    }

    /// The present. One read of the counter, no system call.
    #[inline]
    pub fn now(&self) -> Time {
        Time(u64::try_from((self.clock.now() - self.origin).as_nanos()).unwrap_or(u64::MAX))
    }

    /// The clock that budgets are made of.
    pub(crate) fn quanta(&self) -> &quanta::Clock {
        &self.clock
    }
}

impl Default for Clock {
    fn default() -> Self {
        Clock::new()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn time_never_goes_backwards_and_differences_saturate() {
        let clock = Clock::new();
        let (a, b) = (clock.now(), clock.now());
        assert!(b >= a);
        assert_eq!(a.since(b.after(Duration::from_secs(1))), Duration::ZERO);
    }
}
