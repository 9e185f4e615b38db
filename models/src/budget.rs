//! How long a step may run before it hands control back.

use quanta::Clock;
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
    /// The counter's reading at the start, and the nanoseconds from there.
    limit: Option<(u64, u64)>,
}

impl Budget {
    /// Never spent: for offline use and tests.
    pub fn unlimited() -> Self {
        Budget { clock: Clock::new(), limit: None }
    }

    /// Spent `length` from now by `clock`.
    pub fn of(clock: &Clock, length: Duration) -> Self {
        let nanos = u64::try_from(length.as_nanos()).unwrap_or(u64::MAX);
        Budget { clock: clock.clone(), limit: Some((clock.raw(), nanos)) }
    }

    /// Always spent: every step does one unit of work. For tests of resumption.
    pub fn one_unit() -> Self {
        Budget::of(&Clock::new(), Duration::ZERO)
    }

    /// Whether the step should return. A counter that has fallen since the start ends the budget.
    #[inline]
    pub fn is_spent(&self) -> bool {
        self.limit.is_some_and(|(start, nanos)| {
            let reading = self.clock.raw();
            reading < start || self.clock.delta_as_nanos(start, reading) >= nanos
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_budget_ends_with_its_time_and_when_the_counter_falls() {
        let (clock, counter) = Clock::mock();
        counter.increment(Duration::from_secs(9));
        let budget = Budget::of(&clock, Duration::from_micros(200));
        counter.increment(Duration::from_micros(199));
        assert!(!budget.is_spent());
        counter.increment(Duration::from_micros(1));
        assert!(budget.is_spent());
        let budget = Budget::of(&clock, Duration::from_micros(200));
        counter.decrement(Duration::from_secs(8));
        assert!(budget.is_spent());
        assert!(!Budget::unlimited().is_spent() && Budget::one_unit().is_spent());
    }
}
