//! How fast this machine is right now, on work that has nothing to do with Voxlane.
//!
//! The regression gate divides by these, so that a baseline of one machine means something on another, or on the
//! same with a noisy neighbour. They are taken again before every experiment.

use super::echo::round_trips;
use super::links;
use super::outcome::Calibration;
use crate::bootstrap::median;
use anyhow::Result;
use std::hint::black_box;
use std::time::Instant;
use voxlane::Clock;

/// Steps of the chain.
const CHAIN_STEPS: u32 = 40_000;
/// Bytes of the block that is read: more than the caches of a core hold.
const BLOCK_BYTES: usize = 32 << 20;
/// Times that each is measured; the median counts.
const ROUNDS: usize = 9;
/// Round trips of the cache line.
const ROUND_TRIPS: u64 = 2_000;

/// Takes about a tenth of a second.
///
/// # Errors
/// If a core may not be used.
pub fn calibrate(cores: &[usize]) -> Result<Calibration> {
    let block = vec![1u64; BLOCK_BYTES / size_of::<u64>()];
    let read = || {
        black_box(black_box(&block).iter().fold(0u64, |sum, word| sum.wrapping_add(*word)));
    };
    let hop = match cores {
        &[near, far, ..] => {
            let mut medians = Vec::new();
            for _ in 0..3 {
                let times = round_trips([near, far], ROUND_TRIPS, &Clock::new(), links::bare_line)?;
                medians.push(times.value_at_quantile(0.5) as f64 / 2.0);
            }
            Some(median(&mut medians))
        }
        _ => None,
    };
    Ok(Calibration { compute: median_nanos(chain), memory: median_nanos(read), hop })
}

fn median_nanos(work: impl Fn()) -> f64 {
    work();
    let mut times: Vec<f64> = (0..ROUNDS)
        .map(|_| {
            let begun = Instant::now();
            work();
            begun.elapsed().as_nanos() as f64
        })
        .collect();
    median(&mut times)
}

fn chain() {
    let (mut value, factor, offset) = (black_box(1.5f64), black_box(0.999_9), black_box(0.000_2));
    for _ in 0..CHAIN_STEPS {
        value = value * factor + offset;
    }
    black_box(value);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_measures_something_on_one_core() {
        let calibration = calibrate(&[0]).unwrap();
        assert!(calibration.compute > 0.0 && calibration.memory > 0.0 && calibration.hop.is_none());
    }
}
