//! When dummy work is due that keeps caches warm, and how much of it.
//!
//! A dummy is a few messages that the first stage sends down the lane like any other and that the last stage counts instead
//! of handing them over. What is in them is the pipeline's affair; here is only the rhythm.

use crate::clock::Time;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

/// A dummy that has not come to its end after so long will not.
const LOST: Duration = Duration::from_secs(10);

/// The last stage's report to the first about dummies. [`WarmUp`] has an example.
#[derive(Debug, Default)]
pub struct WarmFeedback {
    /// Dummies that reached the last stage.
    completed: AtomicU64,
    /// The time spent computing for them, in nanoseconds.
    compute_nanos: AtomicU64,
}

impl WarmFeedback {
    /// Counts a dummy that has gone all the way. For the last stage.
    pub fn complete(&self, compute_nanos: u64) {
        self.compute_nanos.fetch_add(compute_nanos, Ordering::Relaxed);
        self.completed.fetch_add(1, Ordering::Release);
    }

    /// Returns how many dummies have gone all the way, and the nanoseconds they took.
    pub fn totals(&self) -> (u64, u64) {
        (self.completed.load(Ordering::Acquire), self.compute_nanos.load(Ordering::Relaxed))
    }
}

/// The rhythm of dummies: when the next begins, and how much of the time they may take.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Rhythm {
    /// The time from the last real work, and from the start of the last dummy, to the next dummy.
    pub after: Duration,
    /// The largest share of time that dummies may take, 0 to 1.
    pub duty: f64,
    /// The time without real input after which dummies end; `None`: never.
    pub stop_after: Option<Duration>,
}

/// A schedule that says when the next message of a dummy is due.
///
/// ```
/// use std::time::Duration;
/// use voxlane_runtime::clock::Clock;
/// use voxlane_runtime::warm_up::{Rhythm, WarmFeedback, WarmUp};
///
/// let (clock, feedback) = (Clock::new(), WarmFeedback::default());
/// let rhythm = Rhythm { after: Duration::from_millis(1), duty: 0.25, stop_after: None };
/// let start = clock.now();
/// // Dummies of two messages.
/// let mut warm_up = WarmUp::new(rhythm, 2, start);
/// for expected in 0..2 {
///     assert_eq!(warm_up.due(start, &feedback), Some(expected));
///     warm_up.sent();
/// }
/// assert_eq!(warm_up.due(start, &feedback), None, "it is on its way");
/// // The last stage says that it has come; it took 3 ms, so the next begins after 12 ms.
/// feedback.complete(3_000_000);
/// assert_eq!(warm_up.due(start, &feedback), None);
/// assert_eq!(warm_up.due_in(start), Some(Duration::from_millis(12)));
/// ```
#[derive(Debug)]
pub struct WarmUp {
    rhythm: Rhythm,
    messages: usize,
    state: State,
    /// Real work came not long before this time.
    not_before: Time,
    last_input: Time,
    dummies: u32,
}

#[derive(Clone, Copy, Debug)]
enum State {
    /// Nothing is on the way; the next dummy may begin at this time.
    Resting { until: Time },
    /// So many messages have been sent of the dummy that began then. `before` is what had been completed before its last
    /// message.
    Sending { sent: usize, began: Time, before: (u64, u64) },
    /// The whole dummy has been sent; the last stage has yet to see it.
    Waiting { began: Time, before: (u64, u64) },
}

impl WarmUp {
    /// Creates a schedule for dummies of `messages` messages, the first of which is due now.
    pub fn new(rhythm: Rhythm, messages: usize, now: Time) -> Self {
        let (messages, state) = (messages.max(1), State::Resting { until: now });
        WarmUp { rhythm, messages, state, not_before: now, last_input: now, dummies: 0 }
    }

    /// Returns how many dummies have been completed.
    pub fn dummies(&self) -> u32 {
        self.dummies
    }

    /// Notes that real input has come, even if it causes no work.
    #[inline]
    pub fn input_came(&mut self, now: Time) {
        self.last_input = now;
    }

    /// Returns whether part of a dummy has been sent, and part not.
    pub fn is_sending(&self) -> bool {
        matches!(self.state, State::Sending { .. })
    }

    /// Puts the next dummy off, because real work has come. One of which only a part has been sent is given up.
    pub fn rest(&mut self, now: Time) {
        self.not_before = now.after(self.rhythm.after);
        if self.is_sending() {
            self.state = State::Resting { until: self.not_before };
        }
    }

    /// Returns the number of the dummy's message that is due now; none if none is.
    pub fn due(&mut self, now: Time, feedback: &WarmFeedback) -> Option<usize> {
        let (has_stopped, is_early) = (self.has_stopped(now), now < self.not_before);
        match &mut self.state {
            State::Resting { until } if now < *until || is_early || has_stopped => None,
            State::Resting { .. } => {
                self.state = State::Sending { sent: 0, began: now, before: feedback.totals() };
                Some(0)
            }
            State::Sending { sent, before, .. } => {
                *before = feedback.totals();
                Some(*sent)
            }
            State::Waiting { began, before } => {
                let (completed, compute) = feedback.totals();
                if completed == before.0 {
                    if now.since(*began) > LOST {
                        self.state = State::Resting { until: now.after(self.rhythm.after) };
                    }
                    return None;
                }
                // The pause after a dummy keeps the share of time spent warming below the limit.
                let busy = (compute - before.1) as f64;
                let period = Duration::from_nanos((busy / self.rhythm.duty.clamp(0.001, 1.0)) as u64);
                let until = began.after(period.max(self.rhythm.after));
                if self.dummies == 0 {
                    // The lane is ready from here on: starting does not count as time without input.
                    self.last_input = now;
                }
                self.dummies = self.dummies.wrapping_add(1).max(1);
                self.state = State::Resting { until: until.max(now) };
                None
            }
        }
    }

    /// Notes that the message that was due has been sent.
    pub fn sent(&mut self) {
        if let State::Sending { sent, began, before } = self.state {
            let sent = sent + 1;
            self.state = if sent == self.messages {
                State::Waiting { began, before }
            } else {
                State::Sending { sent, began, before }
            };
        }
    }

    /// Returns how long the first stage may sleep without missing a message that is due.
    pub fn due_in(&self, now: Time) -> Option<Duration> {
        match self.state {
            State::Resting { .. } if self.has_stopped(now) => None,
            State::Resting { until } => Some(until.max(self.not_before).since(now)),
            State::Sending { .. } => Some(Duration::from_micros(100)),
            State::Waiting { .. } => Some(Duration::from_millis(1)),
        }
    }

    /// Whether real input has been away for so long that warming has ended. The first dummy, which makes the lane ready,
    /// always runs.
    fn has_stopped(&self, now: Time) -> bool {
        self.dummies > 0 && self.rhythm.stop_after.is_some_and(|limit| now.since(self.last_input) >= limit)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MS: Duration = Duration::from_millis(1);

    #[test]
    fn dummies_follow_each_other_as_the_duty_allows_and_end_without_input() {
        let feedback = WarmFeedback::default();
        let at = |ms: u32| Time::default().after(ms * MS);
        let rhythm = Rhythm { after: 20 * MS, duty: 0.25, stop_after: Some(1000 * MS) };
        let mut warm_up = WarmUp::new(rhythm, 2, at(0));
        for number in 0..2 {
            assert_eq!(warm_up.due(at(0), &feedback), Some(number));
            warm_up.sent();
        }
        assert_eq!(warm_up.due(at(10), &feedback), None, "it has not come through");
        feedback.complete(10_000_000);
        assert_eq!(warm_up.due(at(10), &feedback), None);
        // 10 ms of work in every 40.
        assert_eq!((warm_up.due(at(39), &feedback), warm_up.due(at(40), &feedback)), (None, Some(0)));
        assert_eq!(warm_up.dummies(), 1);
        warm_up.sent();
        assert!(warm_up.is_sending());
        warm_up.rest(at(41));
        assert_eq!((warm_up.due(at(60), &feedback), warm_up.due_in(at(60))), (None, Some(MS)));
        warm_up.input_came(at(60));
        assert_eq!(warm_up.due(at(61), &feedback), Some(0));
        warm_up.rest(at(61));
        assert_eq!((warm_up.due(at(1060), &feedback), warm_up.due_in(at(1060))), (None, None));
        warm_up.input_came(at(1070));
        assert_eq!(warm_up.due(at(1070), &feedback), Some(0));
    }
}
