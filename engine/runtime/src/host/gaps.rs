//! Measuring how often, and for how long, a thread that never gives up its core is kept from running.
//!
//! A pinned thread reads the clock in a loop; where two readings lie further apart than [`MIN_GAP`], something
//! else had the core: an interrupt, another thread, the hypervisor. No real-time promise on this core can be
//! better than these gaps.

use std::time::{Duration, Instant};

/// The length from which a gap is counted.
pub const MIN_GAP: Duration = Duration::from_micros(10);

/// Gaps that are kept one by one; further ones are only counted.
const MAX_KEPT: usize = 1 << 17;

/// The gaps that were seen on one core.
///
/// ```
/// use std::time::Duration;
/// use voxlane_runtime::host::gaps::{MIN_GAP, watch};
///
/// # let core = voxlane_runtime::host::allowed_cores().unwrap()[0];
/// let gaps = watch(core, Duration::from_millis(10))?;
/// assert!(gaps.readings > 0 && gaps.watched >= Duration::from_millis(10));
/// assert!(gaps.sizes.iter().all(|&gap| gap > MIN_GAP));
/// assert!(gaps.percentile(0.5) <= gaps.max());
/// # Ok::<(), String>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Gaps {
    /// The core's number.
    pub core: usize,
    /// The time for which it was watched.
    pub watched: Duration,
    /// The number of clock readings.
    pub readings: u64,
    /// The number of gaps longer than [`MIN_GAP`].
    pub count: u64,
    /// The gaps, shortest first; at most 131,072 of them, the first that came.
    pub sizes: Vec<Duration>,
}

impl Gaps {
    /// Returns the size that a share `p` (0 … 1) of the gaps does not exceed; zero if there were none.
    pub fn percentile(&self, p: f64) -> Duration {
        let rank = (p * self.sizes.len() as f64).ceil() as usize;
        self.sizes.get(rank.clamp(1, self.sizes.len().max(1)) - 1).copied().unwrap_or_default()
    }

    /// Returns the longest gap; zero if there were none.
    pub fn max(&self) -> Duration {
        self.percentile(1.0)
    }

    /// Returns the share of the time (0 … 1) that the gaps took.
    pub fn lost(&self) -> f64 {
        self.sizes.iter().sum::<Duration>().as_secs_f64() / self.watched.as_secs_f64().max(f64::MIN_POSITIVE)
    }
}

/// Watches one core for `duration`, from a thread of its own that is pinned to it.
///
/// # Errors
/// A sentence, if the thread cannot be started or pinned.
pub fn watch(core: usize, duration: Duration) -> Result<Gaps, String> {
    std::thread::Builder::new()
        .name(format!("gaps-{core}"))
        .spawn(move || {
            if core_affinity::set_for_current(core_affinity::CoreId { id: core }) {
                Ok(spin(core, duration))
            } else {
                Err(format!("core {core}: the operating system does not pin a thread to it"))
            }
        })
        .map_err(|error| format!("core {core}: no thread can be started: {error}"))?
        .join()
        .unwrap_or_else(|_| Err(format!("core {core}: the watching thread panicked")))
}

fn spin(core: usize, duration: Duration) -> Gaps {
    let mut sizes = Vec::with_capacity(MAX_KEPT);
    let (mut readings, mut count) = (0, 0);
    let start = Instant::now();
    let mut last = start;
    let watched = loop {
        let now = Instant::now();
        readings += 1;
        let gap = now - last;
        last = now;
        if gap > MIN_GAP {
            count += 1;
            if sizes.len() < MAX_KEPT {
                sizes.push(gap);
            }
        }
        if now - start >= duration {
            break now - start;
        }
    };
    sizes.sort_unstable();
    Gaps { core, watched, readings, count, sizes }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn percentiles_are_ranks() {
        let us = Duration::from_micros;
        let sizes: Vec<_> = (11..=110).map(us).collect();
        let gaps = Gaps { core: 0, watched: us(605_000), readings: 1, count: 100, sizes };
        assert_eq!(
            [gaps.percentile(0.0), gaps.percentile(0.5), gaps.percentile(0.99)],
            [us(11), us(60), us(109)]
        );
        assert_eq!(gaps.max(), us(110));
        assert!((gaps.lost() - 0.01).abs() < 1e-12);
        let none = Gaps { sizes: Vec::new(), ..gaps };
        assert_eq!((none.max(), none.lost()), (Duration::ZERO, 0.0));
    }

    #[test]
    fn watching_an_allowed_core_sees_the_whole_duration() {
        let core = crate::host::allowed_cores().unwrap()[0];
        let gaps = watch(core, Duration::from_millis(20)).unwrap();
        assert!(gaps.watched >= Duration::from_millis(20));
        assert!(gaps.readings > 0 && gaps.sizes.len() as u64 == gaps.count);
        assert!(gaps.sizes.iter().sum::<Duration>() <= gaps.watched);
    }

    #[test]
    fn a_core_that_does_not_exist_is_an_error_that_names_it() {
        assert!(watch(1_000, Duration::ZERO).unwrap_err().contains("1000"));
    }
}
