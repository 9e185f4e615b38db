//! A stage's own histograms, double-buffered.
//!
//! The stage records into one set without any synchronization. To read, the control thread hands it an empty
//! set over a small ring; the stage swaps at its next step and hands the full one back.

use crate::eventcount::Notifier;
use hdrhistogram::Histogram;
use ringbuf::traits::{Consumer, Producer, Split};
use ringbuf::{HeapCons, HeapProd, HeapRb};
use std::sync::Arc;

/// The lowest value that is distinguished from its neighbors, in nanoseconds.
const LOWEST_NANOS: u64 = 16;
/// The highest value, in nanoseconds: ten minutes; larger ones count as this.
const HIGHEST_NANOS: u64 = 600_000_000_000;
/// Significant decimal digits.
const DIGITS: u8 = 2;

/// The measures of a stage, in nanoseconds. The first two are every stage's: [`QUEUE`] and [`SERVICE`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Measures {
    /// The names.
    pub names: &'static [&'static str],
    /// The number of measures, the first ones, that are reported even if nothing has been measured; the others are only if
    /// something has.
    pub always: usize,
}

/// The place of the time from publication by the stage before to the first instruction of this one on the message.
pub const QUEUE: usize = 0;

/// The place of the time spent computing for one message, pauses for other work left out.
pub const SERVICE: usize = 1;

/// The measures of a stage that has none of its own.
pub const STAGE_MEASURES: Measures = Measures { names: &["queue", "service"], always: 2 };

/// Creates a histogram with fixed bounds. It never grows, so recording never allocates.
pub fn histogram() -> Histogram<u64> {
    // `bounds_are_accepted` tests it.
    Histogram::new_with_bounds(LOWEST_NANOS, HIGHEST_NANOS, DIGITS)
        .expect("the bounds are constants that a histogram can have")
}

/// One stage's measurements since the last reading, as [`recorder`] has them.
#[derive(Clone, Debug)]
pub struct StageHistograms {
    /// The core that the stage's thread ran on when it handed them over, as the operating system says.
    pub core: Option<usize>,
    /// The number of times that it found its output ring full.
    pub refused: u64,
    measures: Measures,
    histograms: Box<[Histogram<u64>]>,
}

impl StageHistograms {
    /// Creates empty histograms of `measures`.
    pub fn new(measures: Measures) -> Self {
        StageHistograms {
            core: None,
            refused: 0,
            measures,
            histograms: measures.names.iter().map(|_| histogram()).collect(),
        }
    }

    /// Returns what is measured, in order.
    pub fn measures(&self) -> Measures {
        self.measures
    }

    /// Returns the measurements of one kind, by its place among the measures.
    ///
    /// # Panics
    /// If the stage does not measure it.
    pub fn get(&self, measure: impl Into<usize>) -> &Histogram<u64> {
        &self.histograms[measure.into()]
    }

    /// Adds the measurements of the same stage of another lane or an earlier reading, also where one of the two measures more.
    pub fn merge(&mut self, other: &StageHistograms) {
        if other.measures.names.len() > self.measures.names.len() {
            let more = other.measures.names.len() - self.histograms.len();
            let mine = std::mem::take(&mut self.histograms).into_vec();
            self.histograms = mine.into_iter().chain((0..more).map(|_| histogram())).collect();
            self.measures = other.measures;
        }
        for (mine, theirs) in self.histograms.iter_mut().zip(&other.histograms) {
            // Cannot fail: the bounds are the same.
            let merged = mine.add(theirs);
            debug_assert!(merged.is_ok());
        }
        self.refused += other.refused;
        self.core = other.core.or(self.core);
    }

    /// Returns what was measured after `earlier`, an earlier reading of the same totals; if `earlier` holds more, it
    /// belongs to something else and everything is returned. Minimum and maximum are accurate only to a bucket.
    pub fn since(&self, earlier: &StageHistograms) -> StageHistograms {
        let window = |(number, all): (usize, &Histogram<u64>)| {
            let mut later = all.clone();
            let subtracted = earlier.histograms.get(number).map(|before| later.subtract(before));
            if let Some(Err(_)) = subtracted { all.clone() } else { later }
        };
        StageHistograms {
            refused: self.refused.saturating_sub(earlier.refused),
            histograms: self.histograms.iter().enumerate().map(window).collect(),
            ..*self
        }
    }

    fn clear(&mut self) {
        self.histograms.iter_mut().for_each(Histogram::reset);
        self.refused = 0;
    }
}

/// The stage's end: takes the measurements.
pub struct Recorder {
    current: Box<StageHistograms>,
    /// The output ring's count of refusals that has been handed over.
    refused: u64,
    requests: HeapCons<Box<StageHistograms>>,
    readings: HeapProd<Box<StageHistograms>>,
}

/// The reader's end: collects the measurements.
pub struct Reader {
    requests: HeapProd<Box<StageHistograms>>,
    readings: HeapCons<Box<StageHistograms>>,
    spare: Option<Box<StageHistograms>>,
    measures: Measures,
    notifier: Arc<Notifier>,
}

/// Creates both ends for one stage of `measures`, whose thread is woken by `notifier`.
///
/// ```
/// use voxlane_runtime::eventcount::Waiter;
/// use voxlane_runtime::telemetry::recorder::{SERVICE, STAGE_MEASURES, StageHistograms, recorder};
///
/// let waiter = Waiter::fenced(); // the stage's thread sleeps by it
/// let (mut recorder, mut reader) = recorder(STAGE_MEASURES, waiter.notifier());
/// recorder.record(SERVICE, 1_500_000); // the stage, at work
/// reader.request(); // another thread
/// recorder.answer(0); // the stage, at its next step
/// let mut total = StageHistograms::new(STAGE_MEASURES);
/// assert!(reader.collect(&mut total));
/// assert_eq!(total.get(SERVICE).len(), 1);
/// assert!(!reader.collect(&mut total), "it was asked once");
/// ```
pub fn recorder(measures: Measures, notifier: Arc<Notifier>) -> (Recorder, Reader) {
    let (requests, request_source) = HeapRb::new(1).split();
    let (reading_sink, readings) = HeapRb::new(1).split();
    let fresh = || Box::new(StageHistograms::new(measures));
    (
        Recorder { current: fresh(), refused: 0, requests: request_source, readings: reading_sink },
        Reader { requests, readings, spare: Some(fresh()), measures, notifier },
    )
}

impl Recorder {
    /// Records a value of one of the stage's measures. Never allocates or locks.
    #[inline]
    pub fn record(&mut self, measure: usize, nanos: u64) {
        self.current.histograms[measure].saturating_record(nanos.max(1));
    }

    /// Hands the histograms over if they were asked for. `refused` is the output ring's count so far.
    #[inline]
    pub fn answer(&mut self, refused: u64) {
        if let Some(mut fresh) = self.requests.try_pop() {
            fresh.clear();
            std::mem::swap(&mut self.current, &mut fresh);
            fresh.core = crate::pin::current_core();
            fresh.refused = refused - std::mem::replace(&mut self.refused, refused);
            // The reader has at most one request out, so there is room for the answer.
            let unsent = self.readings.try_push(fresh);
            debug_assert!(unsent.is_ok());
        }
    }
}

impl Reader {
    /// Returns what the stage measures.
    pub fn measures(&self) -> Measures {
        self.measures
    }

    /// Asks the stage for its histograms; does nothing while a request is out.
    pub fn request(&mut self) {
        if let Some(spare) = self.spare.take() {
            if let Err(back) = self.requests.try_push(spare) {
                self.spare = Some(back);
            }
            self.notifier.notify();
        }
    }

    /// Adds the answer, if it has come, to `total`, and returns whether it has.
    pub fn collect(&mut self, total: &mut StageHistograms) -> bool {
        match self.readings.try_pop() {
            Some(reading) => {
                total.merge(&reading);
                self.spare = Some(reading);
                true
            }
            None => false,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::eventcount::Waiter;

    #[test]
    fn bounds_are_accepted() {
        let mut histogram = histogram();
        histogram.saturating_record(u64::MAX);
        assert!(histogram.max() >= HIGHEST_NANOS);
    }

    #[test]
    fn a_reading_holds_what_was_recorded_since_the_last() {
        let (mut recorder, mut reader) = recorder(STAGE_MEASURES, Waiter::new().notifier());
        let mut total = StageHistograms::new(STAGE_MEASURES);
        for round in 1..=3 {
            recorder.record(SERVICE, 1000 * round);
            reader.request();
            assert!(!reader.collect(&mut total));
            recorder.answer(round);
            assert!(reader.collect(&mut total));
            assert_eq!(total.get(SERVICE).len(), round);
        }
        assert!(total.get(SERVICE).max() >= 3000);
        assert_eq!(total.refused, 3);
    }

    #[test]
    fn a_window_is_what_came_since_an_earlier_reading() {
        let (mut recorder, mut reader) = recorder(STAGE_MEASURES, Waiter::new().notifier());
        let mut total = StageHistograms::new(STAGE_MEASURES);
        let mut readings = Vec::new();
        for nanos in [1_000, 5_000_000] {
            recorder.record(SERVICE, nanos);
            recorder.record(SERVICE, nanos);
            reader.request();
            recorder.answer(readings.len() as u64);
            assert!(reader.collect(&mut total));
            readings.push(total.clone());
        }
        let window = readings[1].since(&readings[0]);
        assert_eq!((window.get(SERVICE).len(), window.refused), (2, 1));
        assert!(window.get(SERVICE).min() > 4_900_000 && window.get(QUEUE).is_empty());
        // What is no earlier reading takes nothing away.
        assert_eq!(readings[0].since(&readings[1]).get(SERVICE).len(), 2);
    }
}
