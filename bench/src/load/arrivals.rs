//! When streams begin.

use crate::live::conversation::Spread;
use std::time::Duration;

/// One block of audio: streams that begin at once are spread over it, so that their blocks are not due at once.
const BLOCK: Duration = Duration::from_millis(20);

/// The times at which `count` streams begin, in order: by a Poisson process of `rate` a second, or all within 20 ms. The same for
/// the same seed.
pub fn arrivals(count: usize, rate: Option<f64>, seed: u64) -> Vec<Duration> {
    let mut spread = Spread(seed);
    let mut time = 0.0;
    let mut one = |number: usize| match rate {
        None => BLOCK.mul_f64(number as f64 / count as f64),
        Some(rate) => {
            // The distance between two of them is exponentially distributed.
            time += -(1.0 - spread.next()).ln() / rate;
            Duration::from_secs_f64(time)
        }
    };
    (0..count).map(&mut one).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_poisson_process_has_its_rate_and_its_spread() {
        let times = arrivals(20_000, Some(50.0), 3);
        assert!(times.is_sorted());
        let gaps: Vec<f64> = times.windows(2).map(|pair| (pair[1] - pair[0]).as_secs_f64()).collect();
        let mean = gaps.iter().sum::<f64>() / gaps.len() as f64;
        let variance = gaps.iter().map(|gap| (gap - mean).powi(2)).sum::<f64>() / gaps.len() as f64;
        assert!((mean * 50.0 - 1.0).abs() < 0.03, "{mean}");
        // Of an exponential distribution the deviation is the mean.
        assert!((variance.sqrt() / mean - 1.0).abs() < 0.05, "{variance}");
        assert_eq!(times, arrivals(20_000, Some(50.0), 3));
        assert_ne!(times, arrivals(20_000, Some(50.0), 4));
    }

    #[test]
    fn without_a_rate_all_come_at_once_but_not_in_the_same_moment() {
        let times = arrivals(4, None, 1);
        assert_eq!(times, [0, 5, 10, 15].map(Duration::from_millis));
    }
}
