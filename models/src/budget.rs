//! How long a step may run before it hands control back.

use quanta::{Clock, Instant};
use std::time::Duration;

/// Whether a step has more to do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Progress {
    /// The budget ran out; call again.
    More,
    /// Nothing is left to do.
    Done,
}

/// A point in time after which a step should return [`Progress::More`].
///
/// Work is cut into units of at most about 100 µs; the budget is looked at between units, so a step
/// overruns by at most one unit. Reading it costs one read of the time-stamp counter.
#[derive(Clone, Debug)]
pub struct Budget {
    clock: Clock,
    deadline: Option<Instant>,
}

impl Budget {
    /// Never spent: for offline use and tests.
    pub fn unlimited() -> Self {
        Budget { clock: Clock::new(), deadline: None }
    }

    /// Spent `length` from now by `clock`.
    pub fn of(clock: &Clock, length: Duration) -> Self {
        Budget { clock: clock.clone(), deadline: Some(clock.now() + length) }
    }

    /// Always spent: every step does one unit of work. For tests of resumption.
    pub fn one_unit() -> Self {
        let clock = Clock::new();
        let deadline = Some(clock.now());
        Budget { clock, deadline }
    }

    /// Whether the step should return.
    #[inline]
    pub fn is_spent(&self) -> bool {
        self.deadline.is_some_and(|deadline| self.clock.now() >= deadline)
    }
}
