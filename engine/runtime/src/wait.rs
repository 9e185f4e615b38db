//! What a thread does when none of its stages has work: a type, chosen when the lane starts.

use crate::clock::{Clock, Time};
use crate::eventcount::Waiter;
use std::time::Duration;

/// The longest sleep: a sleeping thread still shows the watchdog that it lives.
const LONGEST_SLEEP: Duration = Duration::from_millis(50);

/// A wait strategy.
pub trait Wait {
    /// For a thread that is woken through `waiter` and may spin for `spin` first.
    fn new(waiter: Waiter, clock: Clock, spin: Duration) -> Self;

    /// There was work.
    fn busy(&mut self);

    /// There was none. `step` tries again and says whether there was work after all; `due` is how long the
    /// thread may sleep at most.
    fn idle(&mut self, due: Option<Duration>, step: impl FnOnce() -> bool);
}

/// Never gives the core up: for a core that nothing else needs. Where others need it, [`SpinPark`].
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

/// Spins for a while, then sleeps until woken.
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
