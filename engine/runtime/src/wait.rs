//! Wait strategies: what a thread does when none of its stages has work. A type, chosen when the lane starts.

use crate::clock::{Clock, Time};
use crate::eventcount::Waiter;
use std::time::Duration;

/// The longest sleep: a sleeping thread still shows the watchdog that it lives.
const LONGEST_SLEEP: Duration = Duration::from_millis(50);

/// A wait strategy: what a thread does between two attempts to find work.
///
/// ```
/// use std::time::Duration;
/// use voxlane_runtime::clock::Clock;
/// use voxlane_runtime::eventcount::Waiter;
/// use voxlane_runtime::wait::{SpinPark, Wait};
///
/// /// Waits by `W` until `try_work` finds something.
/// fn until<W: Wait>(mut try_work: impl FnMut() -> bool) -> u32 {
///     let mut wait = W::new(Waiter::fenced(), Clock::new(), Duration::from_micros(50));
///     let mut idle_rounds = 0;
///     while !try_work() {
///         idle_rounds += 1;
///         wait.idle(Some(Duration::from_millis(1)), || false);
///     }
///     wait.busy();
///     idle_rounds
/// }
///
/// let mut left = 3;
/// let try_work = || {
///     left -= 1;
///     left == 0
/// };
/// assert_eq!(until::<SpinPark>(try_work), 2);
/// ```
pub trait Wait {
    /// Creates the strategy of a thread that is woken through `waiter` and may spin for `spin` first.
    fn new(waiter: Waiter, clock: Clock, spin: Duration) -> Self;

    /// Notes that there was work.
    fn busy(&mut self);

    /// Waits, because there was no work. `step` tries again and says whether there was some after all; `due` is how long
    /// the thread may sleep at most.
    fn idle(&mut self, due: Option<Duration>, step: impl FnOnce() -> bool);
}

/// The strategy that never gives the core up: for a core that nothing else needs. Where others need it, [`SpinPark`].
pub struct Spin;

impl Wait for Spin {
    fn new(_: Waiter, _: Clock, _: Duration) -> Self {
        Spin
    }

    #[inline]
    fn busy(&mut self) {}

    #[inline]
    fn idle(&mut self, _: Option<Duration>, _: impl FnOnce() -> bool) {
        std::hint::spin_loop();
    }
}

/// The strategy that spins for a while, then sleeps until woken.
pub struct SpinPark {
    waiter: Waiter,
    clock: Clock,
    spin: Duration,
    idle_since: Option<Time>,
}

impl Wait for SpinPark {
    fn new(waiter: Waiter, clock: Clock, spin: Duration) -> Self {
        SpinPark { waiter, clock, spin, idle_since: None }
    }

    #[inline]
    fn busy(&mut self) {
        self.idle_since = None;
    }

    fn idle(&mut self, due: Option<Duration>, step: impl FnOnce() -> bool) {
        let now = self.clock.now();
        if now.since(*self.idle_since.get_or_insert(now)) >= self.spin {
            self.waiter.wait(due.unwrap_or(LONGEST_SLEEP).min(LONGEST_SLEEP), step);
        } else {
            std::hint::spin_loop();
        }
    }
}
