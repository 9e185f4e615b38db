//! Latencies as the lab keeps them: an HDR histogram and the figures that its sample count carries.

use crate::bootstrap::{Interval, median_interval};
use anyhow::{Context as _, Result};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use hdrhistogram::Histogram;
use hdrhistogram::serialization::{Deserializer, Serializer, V2DeflateSerializer};
use serde::{Deserialize, Serialize};
use std::time::Duration;

/// Values above this count as this: ten minutes.
const HIGHEST_NANOS: u64 = 600_000_000_000;
/// Significant decimal digits.
const DIGITS: u8 = 3;
/// The quantiles that are shown, with the samples that each needs.
pub const QUANTILES: [(&str, f64, u64); 5] = [
    ("p50", 0.5, 1),
    ("p90", 0.9, 100),
    ("p99", 0.99, 1_000),
    ("p99.9", 0.999, 10_000),
    ("p99.99", 0.9999, 100_000),
];
/// Up to this many samples the median's interval is drawn; above it is computed.
const MOST_DRAWN: u64 = 1_000;
/// All intervals of a report are drawn from this seed.
pub const SEED: u64 = 1;

/// An empty histogram of nanoseconds.
pub fn histogram() -> Histogram<u64> {
    // Invariant: the bounds are constants that `hdrhistogram` accepts; `bounds_are_accepted` tests it.
    Histogram::new_with_bounds(1, HIGHEST_NANOS, DIGITS).expect("constant bounds are valid")
}

/// Records a time; zero counts as one nanosecond, times above ten minutes as ten minutes.
#[inline]
pub fn record(histogram: &mut Histogram<u64>, nanos: u64) {
    histogram.saturating_record(nanos.max(1));
}

/// A measured distribution of nanoseconds.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Distribution {
    /// What was measured.
    pub name: String,
    /// Samples.
    pub n: u64,
    /// The median and its 95 % bootstrap interval; absent without samples.
    pub median: Option<Interval>,
    /// Those of [`QUANTILES`] that `n` carries, in order; the others are absent.
    pub quantiles: Vec<Option<u64>>,
    /// The largest value.
    pub max: u64,
    /// More threads were spinning than there are cores.
    #[serde(default)]
    pub oversubscribed: bool,
    /// The histogram: HdrHistogram V2, deflated, as base64.
    pub hdr: String,
}

impl Distribution {
    /// Of what was recorded.
    ///
    /// # Errors
    /// If the histogram cannot be written down.
    pub fn of(name: impl Into<String>, histogram: &Histogram<u64>) -> Result<Self> {
        let mut bytes = Vec::new();
        V2DeflateSerializer::new().serialize(histogram, &mut bytes).context("a histogram")?;
        let carried = |&(_, quantile, needed): &(&str, f64, u64)| {
            (histogram.len() >= needed).then(|| histogram.value_at_quantile(quantile))
        };
        Ok(Distribution {
            name: name.into(),
            n: histogram.len(),
            median: median_of(histogram),
            quantiles: QUANTILES.iter().map(carried).collect(),
            max: histogram.max(),
            oversubscribed: false,
            hdr: STANDARD.encode(bytes),
        })
    }

    /// The same with the label for more spinning threads than cores.
    #[must_use]
    pub fn oversubscribed(self, oversubscribed: bool) -> Self {
        Distribution { oversubscribed, ..self }
    }

    /// The histogram that it was made from.
    ///
    /// # Errors
    /// If the text is damaged.
    pub fn histogram(&self) -> Result<Histogram<u64>> {
        let bytes = STANDARD.decode(&self.hdr).with_context(|| format!("{}: not base64", self.name))?;
        Deserializer::new()
            .deserialize(&mut bytes.as_slice())
            .map_err(|error| anyhow::anyhow!("{}: not an HDR histogram: {error:?}", self.name))
    }

    /// A quantile of [`QUANTILES`] by its name, if the count carries it.
    pub fn quantile(&self, name: &str) -> Option<u64> {
        let place = QUANTILES.iter().position(|(known, ..)| *known == name)?;
        self.quantiles.get(place).copied().flatten()
    }

    /// The median as a number, if there is any sample.
    pub fn p50(&self) -> Option<f64> {
        self.median.map(|median| median.estimate)
    }
}

/// The median with its interval. Few samples are drawn again. For many the bootstrap's limits are known without
/// drawing: the median of a drawn sample lies above the value of rank k as often as fewer than half of n draws hit the
/// k smallest, a binomial count, whose 95 % limits are the ranks n/2 ± 1.96·√n/2.
fn median_of(histogram: &Histogram<u64>) -> Option<Interval> {
    let n = histogram.len();
    if n == 0 {
        return None;
    }
    if n <= MOST_DRAWN {
        let values: Vec<f64> = histogram
            .iter_recorded()
            .flat_map(|value| {
                std::iter::repeat_n(
                    value.value_iterated_to() as f64,
                    value.count_since_last_iteration() as usize,
                )
            })
            .collect();
        return Some(median_interval(&values, SEED));
    }
    let half_width = 1.96 * 0.5 / (n as f64).sqrt();
    let at = |quantile: f64| histogram.value_at_quantile(quantile) as f64;
    Some(Interval { estimate: at(0.5), low: at(0.5 - half_width), high: at(0.5 + half_width) })
}

/// Nanoseconds of a duration.
pub fn nanos(duration: Duration) -> u64 {
    u64::try_from(duration.as_nanos()).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(count: u64) -> Distribution {
        let mut values = histogram();
        (1..=count).for_each(|value| record(&mut values, value));
        Distribution::of("test", &values).unwrap()
    }

    #[test]
    fn bounds_are_accepted() {
        let mut values = histogram();
        record(&mut values, 0);
        record(&mut values, u64::MAX);
        assert_eq!((values.min(), values.len()), (1, 2));
        assert!(values.max() >= HIGHEST_NANOS);
    }

    #[test]
    fn a_quantile_needs_its_samples() {
        let carried = |count| of(count).quantiles.iter().flatten().count();
        assert_eq!(
            [0, 1, 99, 100, 999, 1_000, 9_999, 10_000, 99_999, 100_000].map(carried),
            [0, 1, 1, 2, 2, 3, 3, 4, 4, 5]
        );
        assert_eq!(of(999).quantile("p99"), None);
        assert_eq!(of(1_000).quantile("p99"), Some(990));
        assert_eq!(of(10).quantile("p12"), None);
    }

    #[test]
    fn the_median_lies_in_its_interval_whether_drawn_or_computed() {
        assert_eq!(of(0).median, None);
        for count in [1, 20, MOST_DRAWN, MOST_DRAWN + 1, 50_000] {
            let median = of(count).median.unwrap();
            assert!(median.contains(median.estimate), "{count}: {median:?}");
            let error = (median.estimate - count as f64 / 2.0).abs();
            assert!(error <= 1.0 + count as f64 / 500.0, "{count}: {median:?}");
        }
        // The two ways agree where they meet.
        let (drawn, computed) = (of(MOST_DRAWN).median.unwrap(), of(MOST_DRAWN + 1).median.unwrap());
        assert!(
            (drawn.low - computed.low).abs() < 6.0 && (drawn.high - computed.high).abs() < 6.0,
            "{drawn:?} {computed:?}"
        );
    }

    #[test]
    fn a_histogram_comes_back_from_its_text() {
        let distribution = of(5_000);
        let back: Distribution =
            serde_json::from_str(&serde_json::to_string(&distribution).unwrap()).unwrap();
        assert_eq!(back, distribution);
        assert_eq!(
            Distribution::of("test", &back.histogram().unwrap()).unwrap().quantiles,
            distribution.quantiles
        );
        assert!(Distribution { hdr: "AAAA".into(), ..distribution }.histogram().is_err());
    }
}
