//! How long a step may run before it hands control back.

use crate::clock::Clock;
use std::time::Duration;

/// A point in time after which a step should return.
///
/// A stage cuts its work into units of at most about 100 µs and checks the budget between them, so that it overruns by at
/// most one unit. Reading it costs one read of the time-stamp counter.
///
/// ```
/// use std::time::Duration;
/// use voxlane_runtime::budget::Budget;
/// use voxlane_runtime::clock::Clock;
///
/// let budget = Budget::of(&Clock::new(), Duration::from_millis(2));
/// let mut units = 0;
/// while !budget.is_spent() {
///     units += 1; // one unit of work
/// }
/// assert!(units > 0 && budget.left().is_none());
/// ```
#[derive(Clone, Debug)]
pub struct Budget {
    clock: quanta::Clock,
    /// The counter's reading at the start.
    start: u64,
    nanos: u64,
}

impl Budget {
    /// Creates a budget that is spent `length` from now by `clock`.
    #[inline]
    pub fn of(clock: &Clock, length: Duration) -> Self {
        let (clock, nanos) = (clock.quanta().clone(), u64::try_from(length.as_nanos()).unwrap_or(u64::MAX));
        Budget { start: clock.raw(), clock, nanos }
    }

    /// Returns whether the step should return. A counter that has fallen since the start ends the budget.
    #[inline]
    pub fn is_spent(&self) -> bool {
        self.left().is_none()
    }

    /// Returns the time that is left; nothing if the budget is spent.
    #[inline]
    pub fn left(&self) -> Option<Duration> {
        let reading = self.clock.raw();
        let passed = (reading >= self.start).then(|| self.clock.delta_as_nanos(self.start, reading))?;
        (passed < self.nanos).then(|| Duration::from_nanos(self.nanos - passed))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_budget_ends_with_its_time_and_when_the_counter_falls() {
        let (counting, counter) = quanta::Clock::mock();
        counter.increment(Duration::from_secs(9));
        let clock = Clock::on(counting);
        let budget = Budget::of(&clock, Duration::from_micros(200));
        counter.increment(Duration::from_micros(199));
        assert_eq!(budget.left(), Some(Duration::from_micros(1)));
        counter.increment(Duration::from_micros(1));
        assert!(budget.is_spent());
        let budget = Budget::of(&clock, Duration::from_micros(200));
        counter.decrement(Duration::from_secs(8));
        assert!(budget.is_spent());
    }
}
