//! A clock: nanoseconds since an origin, read from the time-stamp counter.
//!
//! A counter may fall: when the machine was suspended to memory, or a virtual machine was moved to another host. A clock
//! that only compared times would then stand still for as long as the machine had been up, and every thread that waits
//! by it with it. So the supervisor notes the time regularly, and a reading below the latest note makes the clock start
//! again from there: it loses the time between the note and the fall, and goes on.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering, fence};
use std::time::Duration;

/// A point in time: nanoseconds since its clock was made.
///
/// Capture times and the times that latencies are counted from are of this kind; [`Clock::now`] returns the present.
///
/// ```
/// use std::time::Duration;
/// use voxlane_runtime::clock::Time;
///
/// let begun = Time::from_nanos(1_000);
/// let ended = begun.after(Duration::from_micros(3));
/// assert_eq!(ended.since(begun), Duration::from_micros(3));
/// assert_eq!(begun.nanos_since(ended), 0, "a time in the future counts as now");
/// ```
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
#[repr(transparent)]
pub struct Time(u64);

impl Time {
    /// Creates the time that lies `nanos` nanoseconds after the clock's origin.
    pub const fn from_nanos(nanos: u64) -> Self {
        Time(nanos)
    }

    /// Returns the nanoseconds since the clock's origin.
    pub const fn nanos(self) -> u64 {
        self.0
    }

    /// Returns the time from `earlier` to this one; zero if `earlier` lies behind it.
    pub fn since(self, earlier: Time) -> Duration {
        Duration::from_nanos(self.nanos_since(earlier))
    }

    /// Returns the same as [`since`](Self::since), in nanoseconds.
    pub const fn nanos_since(self, earlier: Time) -> u64 {
        self.0.saturating_sub(earlier.0)
    }

    /// Returns the time that lies `length` after this one.
    pub fn after(self, length: Duration) -> Time {
        Time(self.0.saturating_add(u64::try_from(length.as_nanos()).unwrap_or(u64::MAX)))
    }
}

/// The room before a clock's origin, so that audio captured before the engine started has a capture time.
const BEFORE_ORIGIN: Duration = Duration::from_secs(3600);

/// How far behind the latest note a reading may be without the counter having fallen: counters of different cores are
/// not quite equal.
const SKEW: Duration = Duration::from_millis(1);

/// A clock on the time-stamp counter, shared by everything that compares times. It goes back only when the counter has fallen, and
/// then by no more than the time between two notes of the supervisor.
///
/// ```
/// use voxlane_runtime::clock::Clock;
///
/// let clock = Clock::new();
/// let (before, after) = (clock.now(), clock.clone().now());
/// assert!(before <= after, "clones read the same time");
/// ```
#[derive(Clone, Debug)]
pub struct Clock {
    clock: quanta::Clock,
    anchor: Arc<Anchor>,
}

/// Which reading of the counter is which time. Written when the counter has fallen; the note, a few times a second.
#[derive(Debug)]
#[repr(align(128))]
struct Anchor {
    /// Odd while the two below are being written.
    version: AtomicU64,
    reading: AtomicU64,
    time: AtomicU64,
    /// The latest reading noted.
    noted: AtomicU64,
}

impl Clock {
    /// Creates a clock whose origin is an hour ago. The first one of a process calibrates the counter, for 0.2 s at most.
    pub fn new() -> Self {
        Clock::on(quanta::Clock::new())
    }

    pub(crate) fn on(clock: quanta::Clock) -> Self {
        let reading = clock.raw();
        let anchor = Anchor {
            version: AtomicU64::new(0),
            reading: AtomicU64::new(reading),
            time: AtomicU64::new(BEFORE_ORIGIN.as_nanos() as u64),
            noted: AtomicU64::new(reading),
        };
        Clock { clock, anchor: Arc::new(anchor) }
    }

    /// Returns the present. One read of the counter, no system call.
    #[inline]
    pub fn now(&self) -> Time {
        let reading = self.clock.raw();
        if reading < self.anchor.noted.load(Ordering::Relaxed) {
            return self.behind_the_note();
        }
        self.time_of(reading)
    }

    /// Notes the present, to detect a counter that falls; for one thread, a few times a second.
    pub fn note(&self) {
        self.now();
        self.anchor.noted.fetch_max(self.clock.raw(), Ordering::Relaxed);
    }

    /// Returns the clock that budgets are made of.
    pub fn quanta(&self) -> &quanta::Clock {
        &self.clock
    }

    #[inline]
    fn time_of(&self, reading: u64) -> Time {
        let anchor = &*self.anchor;
        loop {
            let version = anchor.version.load(Ordering::Acquire);
            let (from, time) = (anchor.reading.load(Ordering::Relaxed), anchor.time.load(Ordering::Relaxed));
            fence(Ordering::Acquire);
            if version.is_multiple_of(2) && anchor.version.load(Ordering::Relaxed) == version {
                return Time(time.saturating_add(self.clock.delta_as_nanos(from, reading)));
            }
            std::hint::spin_loop();
        }
    }

    /// The present when a reading is behind the latest note: the note, from which the clock goes on if the counter has
    /// fallen.
    #[cold]
    fn behind_the_note(&self) -> Time {
        let anchor = &*self.anchor;
        let version = anchor.version.load(Ordering::Acquire);
        let (noted, reading) = (anchor.noted.load(Ordering::Relaxed), self.clock.raw());
        let time = self.time_of(noted);
        let is_fallen = Duration::from_nanos(self.clock.delta_as_nanos(reading, noted)) > SKEW;
        let is_ours = is_fallen
            && version.is_multiple_of(2)
            && anchor
                .version
                .compare_exchange(version, version + 1, Ordering::AcqRel, Ordering::Relaxed)
                .is_ok();
        if is_ours {
            anchor.reading.store(reading, Ordering::Relaxed);
            anchor.time.store(time.0, Ordering::Relaxed);
            anchor.noted.store(reading, Ordering::Relaxed);
            anchor.version.store(version + 2, Ordering::Release);
        }
        time
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
        assert!(b >= a && a >= Time::default().after(BEFORE_ORIGIN));
        assert_eq!(a.since(b.after(Duration::from_secs(1))), Duration::ZERO);
    }

    #[test]
    fn a_counter_that_falls_goes_on_from_the_last_note() {
        let (counting, counter) = quanta::Clock::mock();
        let up = Duration::from_secs(3 * 24 * 3600);
        counter.increment(up);
        let clock = Clock::on(counting);
        let seconds = || clock.now().since(Time::default().after(BEFORE_ORIGIN)).as_secs();
        counter.increment(Duration::from_secs(10));
        clock.note();
        counter.increment(Duration::from_secs(1));
        assert_eq!(seconds(), 11);
        counter.decrement(up + Duration::from_secs(11));
        assert_eq!(seconds(), 10);
        counter.increment(Duration::from_secs(5));
        assert_eq!(seconds(), 15);
        clock.note();
        counter.increment(Duration::from_secs(5));
        assert_eq!(seconds(), 20);
        counter.decrement(Duration::from_secs(8));
        assert_eq!(seconds(), 15);
    }

    #[test]
    fn counters_of_cores_that_differ_a_little_are_no_fall() {
        let (counting, counter) = quanta::Clock::mock();
        counter.increment(Duration::from_secs(60));
        let clock = Clock::on(counting);
        clock.note();
        let noted = clock.now();
        counter.decrement(Duration::from_micros(3));
        assert_eq!(clock.now(), noted);
        counter.increment(Duration::from_micros(4));
        assert_eq!(clock.now(), noted.after(Duration::from_micros(1)));
    }
}
