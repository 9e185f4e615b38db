//! The circuit breaker: while finals come too late, whoever is served already is to be served in time, and nobody else is
//! let in.

use crate::config::BreakerConfig;
use std::collections::VecDeque;
use std::time::{Duration, Instant};

/// Of so many finals, one may come late.
const ONE_IN: usize = 100;

/// The most finals that are kept.
const MOST: usize = 100_000;

/// A breaker's state.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum BreakerState {
    /// Everybody is let in.
    Closed,
    /// Some are let in, to see whether it is better.
    HalfOpen,
    /// Nobody is let in.
    Open,
}

/// A circuit breaker over the latency of finals. Knows no clock: the present is an argument.
///
/// ```
/// use std::time::{Duration, Instant};
/// use voxlane_server::admission::{Breaker, BreakerState};
/// use voxlane_server::config::BreakerConfig;
///
/// let config = BreakerConfig { budget_ms: 100.0, samples: 2, open_s: 5, probes: 1, ..BreakerConfig::default() };
/// let (mut breaker, now) = (Breaker::new(config), Instant::now());
/// breaker.observe(250.0, now);
/// breaker.observe(300.0, now);
/// assert_eq!(breaker.refuses(now), Some(Duration::from_secs(5)));
///
/// let later = now + Duration::from_secs(5);
/// assert_eq!(breaker.refuses(later), None, "one stream may try");
/// breaker.admitted(later);
/// assert!(breaker.refuses(later).is_some());
/// breaker.observe(20.0, later);
/// assert_eq!(breaker.state(later), BreakerState::Closed);
/// ```
#[derive(Debug)]
pub struct Breaker {
    config: BreakerConfig,
    /// When finals came, and whether they were late; within the window.
    finals: VecDeque<(Instant, bool)>,
    late: usize,
    phase: Phase,
}

#[derive(Clone, Copy, Debug)]
enum Phase {
    Closed,
    Open { until: Instant },
    HalfOpen { since: Instant, admitted: usize, in_time: usize },
}

impl Breaker {
    /// Creates a breaker that is closed.
    pub fn new(config: BreakerConfig) -> Self {
        Breaker { config, finals: VecDeque::new(), late: 0, phase: Phase::Closed }
    }

    /// Returns the state at the time `now`.
    pub fn state(&mut self, now: Instant) -> BreakerState {
        self.advance(now);
        match self.phase {
            Phase::Closed => BreakerState::Closed,
            Phase::Open { .. } => BreakerState::Open,
            Phase::HalfOpen { .. } => BreakerState::HalfOpen,
        }
    }

    /// Returns the time until streams are tried again, if none is let in now.
    pub fn refuses(&mut self, now: Instant) -> Option<Duration> {
        self.advance(now);
        match self.phase {
            Phase::Closed => None,
            Phase::Open { until } => Some(until.saturating_duration_since(now)),
            Phase::HalfOpen { admitted, .. } if admitted < self.config.probes => None,
            Phase::HalfOpen { since, .. } => Some((since + self.pause()).saturating_duration_since(now)),
        }
    }

    /// Counts a stream that was let in.
    pub fn admitted(&mut self, now: Instant) {
        self.advance(now);
        if let Phase::HalfOpen { admitted, .. } = &mut self.phase {
            *admitted += 1;
        }
    }

    /// Takes the latency of a final in milliseconds: what it waited for the lane.
    pub fn observe(&mut self, queue_ms: f64, now: Instant) {
        if !self.config.enabled {
            return;
        }
        self.advance(now);
        let is_late = queue_ms > self.config.budget_ms;
        match &mut self.phase {
            // Those who were let in before say how it was then.
            Phase::Open { .. } => {}
            Phase::HalfOpen { .. } if is_late => self.open(now),
            Phase::HalfOpen { in_time, .. } => {
                *in_time += 1;
                if *in_time >= self.config.probes {
                    self.phase = Phase::Closed;
                }
            }
            Phase::Closed => {
                self.finals.push_back((now, is_late));
                self.late += usize::from(is_late);
                self.expire(now);
                let seen = self.finals.len();
                if seen >= self.config.samples && self.late * ONE_IN > seen {
                    self.open(now);
                }
            }
        }
    }

    fn open(&mut self, now: Instant) {
        self.finals.clear();
        self.late = 0;
        self.phase = Phase::Open { until: now + self.pause() };
    }

    fn pause(&self) -> Duration {
        Duration::from_secs(self.config.open_s)
    }

    /// What time alone changes.
    fn advance(&mut self, now: Instant) {
        let fresh = Phase::HalfOpen { since: now, admitted: 0, in_time: 0 };
        match self.phase {
            Phase::Open { until } if now >= until => self.phase = fresh,
            // Those who were let in said nothing: others may.
            Phase::HalfOpen { since, admitted, .. } if admitted > 0 && now >= since + self.pause() => {
                self.phase = fresh;
            }
            _ => {}
        }
    }

    fn expire(&mut self, now: Instant) {
        let window = Duration::from_secs(self.config.window_s);
        while let Some(&(when, is_late)) = self.finals.front() {
            if now.saturating_duration_since(when) <= window && self.finals.len() <= MOST {
                break;
            }
            self.late -= usize::from(is_late);
            self.finals.pop_front();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: Duration = Duration::from_secs(1);

    fn breaker() -> (Breaker, Instant) {
        let config = BreakerConfig {
            enabled: true,
            budget_ms: 100.0,
            window_s: 10,
            samples: 10,
            open_s: 5,
            probes: 2,
        };
        (Breaker::new(config), Instant::now())
    }

    #[test]
    fn it_opens_on_late_finals_and_closes_after_probes_in_time() {
        let (mut breaker, mut now) = breaker();
        (0..9).for_each(|_| breaker.observe(1.0, now));
        assert_eq!(breaker.state(now), BreakerState::Closed);
        breaker.observe(101.0, now);
        assert_eq!(breaker.state(now), BreakerState::Open);
        assert_eq!(breaker.refuses(now + SECOND), Some(4 * SECOND));
        breaker.observe(1.0, now + SECOND);
        assert_eq!(breaker.state(now + SECOND), BreakerState::Open, "finals of before do not count");

        now += 5 * SECOND;
        assert_eq!(breaker.state(now), BreakerState::HalfOpen);
        for _ in 0..2 {
            assert_eq!(breaker.refuses(now), None);
            breaker.admitted(now);
        }
        assert_eq!(breaker.refuses(now), Some(5 * SECOND));
        breaker.observe(1.0, now);
        assert_eq!(breaker.state(now), BreakerState::HalfOpen);
        breaker.observe(1.0, now);
        assert_eq!((breaker.state(now), breaker.refuses(now)), (BreakerState::Closed, None));
    }

    #[test]
    fn a_late_probe_opens_it_again_and_silent_ones_make_room() {
        let (mut breaker, now) = breaker();
        (0..10).for_each(|_| breaker.observe(200.0, now));
        let now = now + 5 * SECOND;
        breaker.admitted(now);
        breaker.observe(200.0, now);
        assert_eq!(breaker.refuses(now), Some(5 * SECOND));

        let now = now + 5 * SECOND;
        breaker.admitted(now);
        breaker.admitted(now);
        assert!(breaker.refuses(now).is_some());
        assert_eq!(breaker.refuses(now + 5 * SECOND), None, "both have said nothing");
    }

    #[test]
    fn one_late_final_in_a_hundred_and_old_ones_do_not_count() {
        let (mut breaker, now) = breaker();
        (0..99).for_each(|_| breaker.observe(1.0, now));
        breaker.observe(200.0, now);
        assert_eq!(breaker.state(now), BreakerState::Closed);
        let later = now + 11 * SECOND;
        (0..9).for_each(|_| breaker.observe(200.0, later));
        assert_eq!(breaker.state(later), BreakerState::Closed, "too few to judge by");
        breaker.observe(1.0, later);
        assert_eq!(breaker.state(later), BreakerState::Open);
    }

    #[test]
    fn switched_off_it_stays_closed() {
        let config = BreakerConfig { enabled: false, samples: 1, ..BreakerConfig::default() };
        let (mut breaker, now) = (Breaker::new(config), Instant::now());
        (0..200).for_each(|_| breaker.observe(1e9, now));
        assert_eq!(breaker.state(now), BreakerState::Closed);
    }
}
