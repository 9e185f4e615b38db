//! Bootstrap intervals (Efron, Bootstrap methods: another look at the jackknife, Annals of Statistics 1979).

use serde::{Deserialize, Serialize};

/// How many times the sample is drawn again for an interval.
pub const BOOTSTRAP_ROUNDS: usize = 10_000;

/// A figure and the interval that holds 95 % of its bootstrap estimates.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Interval {
    /// The figure over the whole sample.
    pub estimate: f64,
    /// The 2.5th percentile of the estimates.
    pub low: f64,
    /// The 97.5th percentile of the estimates.
    pub high: f64,
}

impl Interval {
    /// Whether `value` lies in the interval.
    pub fn contains(&self, value: f64) -> bool {
        (self.low..=self.high).contains(&value)
    }

    /// The same in another unit.
    #[must_use]
    pub fn scaled(self, factor: f64) -> Self {
        Interval { estimate: self.estimate * factor, low: self.low * factor, high: self.high * factor }
    }
}

/// Percentile bootstrap of `statistic` over indices below `count`, with [`BOOTSTRAP_ROUNDS`] rounds. The same seed gives
/// the same interval.
///
/// # Panics
/// If `count` is zero.
pub fn bootstrap(
    count: usize,
    seed: u64,
    statistic: impl Fn(&mut dyn Iterator<Item = usize>) -> f64,
) -> Interval {
    assert!(count > 0, "nothing to draw from");
    let estimate = statistic(&mut (0..count));
    let mut random = SplitMix(seed);
    let mut estimates: Vec<f64> =
        (0..BOOTSTRAP_ROUNDS).map(|_| statistic(&mut (0..count).map(|_| random.below(count)))).collect();
    // No clip with words at all makes every figure NaN; total order keeps that visible.
    estimates.sort_by(f64::total_cmp);
    let at = |share: f64| estimates[((estimates.len() - 1) as f64 * share).round() as usize];
    Interval { estimate, low: at(0.025), high: at(0.975) }
}

/// SplitMix64 (Steele, Lea and Flood, Fast splittable pseudorandom number generators, OOPSLA 2014).
#[derive(Clone, Debug)]
pub struct SplitMix(pub u64);

impl SplitMix {
    /// The next 64 bits.
    pub fn bits(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mixed = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        mixed ^ (mixed >> 31)
    }

    /// Below `end`, by multiplication; the bias of 2⁻⁶⁴·end is of no account here.
    pub fn below(&mut self, end: usize) -> usize {
        ((u128::from(self.bits()) * end as u128) >> 64) as usize
    }
}

/// The median, of the values in rising order: the middle one, or the mean of the middle two.
///
/// # Panics
/// If there is no value.
pub fn median(values: &mut [f64]) -> f64 {
    values.sort_by(f64::total_cmp);
    let middle = values.len() / 2;
    if values.len() % 2 == 1 { values[middle] } else { (values[middle - 1] + values[middle]) / 2.0 }
}

/// The median of `values` with its bootstrap interval.
///
/// # Panics
/// If there is no value.
pub fn median_interval(values: &[f64], seed: u64) -> Interval {
    bootstrap(values.len(), seed, |draw| median(&mut draw.map(|index| values[index]).collect::<Vec<_>>()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn medians_are_in_the_middle() {
        assert_eq!(median(&mut [3.0, 1.0, 2.0]), 2.0);
        assert_eq!(median(&mut [4.0, 1.0, 2.0, 3.0]), 2.5);
    }

    #[test]
    fn an_interval_holds_its_estimate_and_is_the_same_again() {
        let values: Vec<f64> = (0..101).map(f64::from).collect();
        let interval = median_interval(&values, 7);
        assert_eq!(interval.estimate, 50.0);
        assert!(interval.low < 50.0 && interval.high > 50.0 && interval.contains(50.0), "{interval:?}");
        assert!((30.0..70.0).contains(&interval.low) && (30.0..70.0).contains(&interval.high));
        assert_eq!(interval, median_interval(&values, 7));
        let constant = median_interval(&[2.0; 5], 7);
        assert_eq!((constant.low, constant.high), (2.0, 2.0));
    }
}
