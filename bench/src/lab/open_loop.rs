//! The open-loop generator: work is due at `t0 + k·hop` whatever the measured system does.
//!
//! The calling thread spins until the next due time, so it should be pinned to a core of its own. Latencies are counted from the
//! intended time, not from when the generator got around to it: what a slow system keeps back cannot hide in a late
//! start (coordinated omission). The generator's own lag is measured too, and where it is large the run is void.

use super::distribution::{Distribution, histogram, record};
use super::outcome::Outcome;
use anyhow::Result;
use hdrhistogram::Histogram;
use std::time::Duration;
use voxlane::{Clock, Time};

/// A run is void if the generator's lag at p99.9 is more than this share of the hop.
const LARGEST_LAG: f64 = 0.05;

/// See the module.
pub struct OpenLoop {
    clock: Clock,
    start: Time,
    hop: Duration,
    sent: u32,
    lag: Histogram<u64>,
}

impl OpenLoop {
    /// A schedule that begins one hop from now.
    pub fn new(clock: &Clock, hop: Duration) -> Self {
        let start = clock.now().after(hop);
        OpenLoop { clock: clock.clone(), start, hop, sent: 0, lag: histogram() }
    }

    /// Spins until the next piece of work is due and gives its intended time.
    #[inline]
    pub fn wait(&mut self) -> Time {
        let due = self.due();
        loop {
            let now = self.clock.now();
            if now >= due {
                record(&mut self.lag, now.nanos_since(due));
                self.sent += 1;
                return due;
            }
            std::hint::spin_loop();
        }
    }

    /// When the next piece of work is due.
    #[inline]
    pub fn due(&self) -> Time {
        self.start.after(self.hop * self.sent)
    }

    /// How late the generator itself was.
    pub fn finish(self) -> Lag {
        Lag { hop: self.hop, lag: self.lag }
    }
}

/// How late a generator was.
#[derive(Clone, Debug)]
pub struct Lag {
    /// The time between two pieces of work.
    pub hop: Duration,
    /// Nanoseconds behind the schedule, one value for each piece.
    pub lag: Histogram<u64>,
}

impl Lag {
    /// The lag at p99.9 as a share of the hop. With fewer than a thousand values this is the largest.
    pub fn share(&self) -> f64 {
        self.lag.value_at_quantile(0.999) as f64 / self.hop.as_nanos() as f64
    }

    /// Whether the run says nothing because its generator was late.
    pub fn is_void(&self) -> bool {
        self.share() > LARGEST_LAG
    }

    /// The lag as a distribution; a void run is noted in `outcome`.
    ///
    /// # Errors
    /// If the histogram cannot be written down.
    pub fn report(&self, of: &str, outcome: &mut Outcome) -> Result<Distribution> {
        if self.is_void() {
            let share = 100.0 * self.share();
            outcome.note(format!(
                "VOID: {of}: the generator's own lag at p99.9 was {share:.1} % of the hop of {:?}; more than {:.0} % says nothing about what was measured",
                self.hop,
                100.0 * LARGEST_LAG,
            ));
        }
        Distribution::of(format!("{of}: generator's lag"), &self.lag)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_schedule_does_not_move_when_the_work_is_slow() {
        let hop = Duration::from_micros(100);
        let mut generator = OpenLoop::new(&Clock::new(), hop);
        let first = generator.wait();
        std::thread::sleep(10 * hop);
        for number in 1..20 {
            assert_eq!(generator.wait(), first.after(hop * number));
        }
        let lag = generator.finish();
        assert_eq!(lag.lag.len(), 20);
        // The nap of ten hops is the generator's own lag, so the run is void, and the outcome says so.
        assert!(lag.is_void() && lag.share() > 5.0, "{}", lag.share());
        let mut outcome = Outcome::default();
        lag.report("a nap", &mut outcome).unwrap();
        assert!(outcome.notes[0].starts_with("VOID: a nap"), "{:?}", outcome.notes);
    }

    #[test]
    fn a_small_lag_is_not_void() {
        let mut lag = histogram();
        (0..1_000).for_each(|_| record(&mut lag, 1_000));
        let lag = Lag { hop: Duration::from_millis(1), lag };
        assert!(!lag.is_void());
    }
}
