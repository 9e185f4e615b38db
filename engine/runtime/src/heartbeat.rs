//! Telling a thread that is wedged from one that is starved of processor time.
//!
//! A lane's thread counts its rounds (its *heartbeat*); an idle one at least every 50 ms. A heartbeat that stands still means
//! one of two things:
//! - *wedged*: the thread had the time and did nothing with it. It computed, or slept inside a stage, for the watchdog
//!   time without finishing a round.
//! - *starved*: it did not get the time. It is stopped (a signal, a debugger), cannot be interrupted (a disk, a frozen
//!   cgroup), or waits for a core. It goes on by itself and nothing is lost.
//!
//! So not wall time counts toward the watchdog, but the thread's own processor time and the time that it was seen
//! sleeping.

use crate::host::thread::{ThreadState, ThreadStatus};
use std::time::{Duration, Instant};

/// A thread that cannot be interrupted counts as wedged after so many times the watchdog time.
const UNINTERRUPTIBLE_FACTOR: u32 = 10;

/// What a look at a thread finds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Verdict {
    /// It finishes rounds, or has not failed to for long.
    Alive,
    /// It has not finished a round for the watchdog time because it did not get the time to.
    Starved,
    /// It has had the watchdog time and has not finished a round.
    Wedged,
}

/// One thread under watch.
#[derive(Clone, Debug)]
pub(crate) struct Heartbeat {
    count: u64,
    /// When the count was first seen.
    since: Instant,
    /// The latest look and what it found, if the count has stood still since.
    last: Option<(Instant, ThreadStatus)>,
    /// Processor time and sleep, since the count was first seen.
    spent: Duration,
    /// Time that it could not be interrupted for, likewise.
    uninterruptible: Duration,
}

impl Heartbeat {
    /// A thread that is alive `now`.
    pub(crate) fn new(now: Instant) -> Self {
        let (count, spent) = (u64::MAX, Duration::ZERO);
        Heartbeat { count, since: now, last: None, spent, uninterruptible: spent }
    }

    /// Looks at a thread that has counted `count` rounds. `status` is asked only if that is no more than at the last
    /// look; where the system does not say, wall time decides.
    pub(crate) fn look(
        &mut self,
        now: Instant,
        count: u64,
        watchdog: Duration,
        status: impl FnOnce() -> Option<ThreadStatus>,
    ) -> Verdict {
        if count != self.count {
            *self = Heartbeat { count, ..Heartbeat::new(now) };
            return Verdict::Alive;
        }
        let is_late = now.duration_since(self.since) > watchdog;
        let Some(status) = status() else {
            return if is_late { Verdict::Wedged } else { Verdict::Alive };
        };
        if let Some((then, before)) = self.last {
            // Between looks that are far apart much may have happened.
            let passed = now.duration_since(then).min(watchdog / 2);
            self.spent += status.cpu.saturating_sub(before.cpu);
            // A state counts for the time between two looks that both found it.
            if before.state == status.state {
                match status.state {
                    ThreadState::Sleeping => self.spent += passed,
                    ThreadState::Uninterruptible => self.uninterruptible += passed,
                    ThreadState::Runnable | ThreadState::Stopped => {}
                }
            }
        }
        self.last = Some((now, status));
        if self.spent > watchdog || self.uninterruptible > UNINTERRUPTIBLE_FACTOR * watchdog {
            Verdict::Wedged
        } else if is_late && status.state != ThreadState::Sleeping {
            Verdict::Starved
        } else {
            Verdict::Alive
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const WATCHDOG: Duration = Duration::from_secs(2);

    /// Looks at a thread every half second, which is in `state` and uses `share` of a core.
    fn verdicts(state: ThreadState, share: f64, seconds: u64) -> Vec<Verdict> {
        let start = Instant::now();
        let mut heartbeat = Heartbeat::new(start);
        (0..=2 * seconds)
            .map(|half| {
                let passed = Duration::from_millis(500 * half);
                let status = ThreadStatus { state, cpu: passed.mul_f64(share) };
                heartbeat.look(start + passed, 7, WATCHDOG, || Some(status))
            })
            .collect()
    }

    #[test]
    fn a_thread_that_computes_without_finishing_a_round_is_wedged_after_the_watchdog_time() {
        let found = verdicts(ThreadState::Runnable, 1.0, 4);
        assert_eq!(found.iter().position(|&verdict| verdict == Verdict::Wedged), Some(6));
    }

    #[test]
    fn one_that_sleeps_in_a_stage_is_wedged_likewise() {
        let found = verdicts(ThreadState::Sleeping, 0.0, 4);
        assert_eq!(found.iter().position(|&verdict| verdict == Verdict::Wedged), Some(6));
    }

    #[test]
    fn one_that_gets_no_core_is_starved_for_as_long_as_that_lasts() {
        let found = verdicts(ThreadState::Runnable, 0.0, 3600);
        assert_eq!(found.last(), Some(&Verdict::Starved));
        assert!(!found.contains(&Verdict::Wedged));
    }

    #[test]
    fn one_that_is_stopped_is_starved_and_so_is_one_that_is_frozen_for_a_while() {
        let stopped = verdicts(ThreadState::Stopped, 0.0, 3600);
        assert!(stopped.contains(&Verdict::Starved) && !stopped.contains(&Verdict::Wedged));
        let frozen = verdicts(ThreadState::Uninterruptible, 0.0, 30);
        assert_eq!(frozen[10], Verdict::Starved);
        let wedged = frozen.iter().position(|&verdict| verdict == Verdict::Wedged);
        assert_eq!(wedged, Some(42), "after ten times the watchdog time");
    }

    #[test]
    fn a_slow_thread_that_finishes_rounds_is_alive() {
        let start = Instant::now();
        let mut heartbeat = Heartbeat::new(start);
        for second in 0..100 {
            let now = start + Duration::from_secs(second);
            let status =
                ThreadStatus { state: ThreadState::Runnable, cpu: Duration::from_millis(200 * second) };
            assert_eq!(heartbeat.look(now, second / 2, WATCHDOG, || Some(status)), Verdict::Alive);
        }
    }

    #[test]
    fn without_word_from_the_system_wall_time_decides() {
        let start = Instant::now();
        let mut heartbeat = Heartbeat::new(start);
        assert_eq!(heartbeat.look(start, 7, WATCHDOG, || None), Verdict::Alive);
        assert_eq!(heartbeat.look(start + WATCHDOG, 7, WATCHDOG, || None), Verdict::Alive);
        assert_eq!(heartbeat.look(start + 2 * WATCHDOG, 7, WATCHDOG, || None), Verdict::Wedged);
    }
}
