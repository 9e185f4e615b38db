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

/// Never gives the core up.
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

/// Whether a thread has been without work for longer than it may spin.
struct Patience {
    clock: Clock,
    spin: Duration,
    idle_since: Option<Time>,
}

impl Patience {
    fn is_over(&mut self) -> bool {
        let now = self.clock.now();
        now.since(*self.idle_since.get_or_insert(now)) >= self.spin
    }
}

/// Spins for a while, then lets others run between looks.
pub struct SpinYield(Patience);

impl Wait for SpinYield {
    fn new(_: Waiter, clock: Clock, spin: Duration) -> Self {
        SpinYield(Patience { clock, spin, idle_since: None })
    }

    #[inline]
    fn busy(&mut self) {
        self.0.idle_since = None;
    }

    fn idle(&mut self, _: Option<Duration>, _: impl FnOnce() -> bool) {
        if self.0.is_over() {
            std::thread::yield_now();
        } else {
            std::hint::spin_loop();
        }
    }
}

/// Spins for a while, then sleeps until woken.
pub struct SpinPark {
    patience: Patience,
    waiter: Waiter,
}

impl Wait for SpinPark {
    fn new(waiter: Waiter, clock: Clock, spin: Duration) -> Self {
        SpinPark { patience: Patience { clock, spin, idle_since: None }, waiter }
    }

    #[inline]
    fn busy(&mut self) {
        self.patience.idle_since = None;
    }

    fn idle(&mut self, due: Option<Duration>, step: impl FnOnce() -> bool) {
        if self.patience.is_over() {
            self.waiter.wait(due.unwrap_or(LONGEST_SLEEP).min(LONGEST_SLEEP), step);
        } else {
            std::hint::spin_loop();
        }
    }
}
