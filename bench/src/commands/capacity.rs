//! How many streams one core sustains in real time, found by doubling.

use crate::live::feed::{self, Run};
use anyhow::Result;
use voxlane::Engine;

/// What so many streams at the same time saw.
#[derive(Clone, Debug, Default)]
pub struct Load {
    /// Streams.
    pub streams: usize,
    /// From when the newest audio of a partial was due to its hand-over, and from a final's endpoint, in
    /// milliseconds, sorted: waiting and computing, without anything that has to be waited for.
    pub delays: Vec<f64>,
    /// Blocks of audio that a stream did not take when they were due.
    pub held_back: u64,
    /// How late the feeder was, in milliseconds, sorted.
    pub lag: Vec<f64>,
}

impl Load {
    fn of(runs: &[Run]) -> Self {
        let sorted = |mut values: Vec<f64>| {
            values.sort_by(f64::total_cmp);
            values
        };
        let said = || runs.iter().flat_map(|run| &run.said);
        let delay = |said: &feed::Said| if said.is_final { said.after_endpoint_ms } else { said.total_ms };
        Load {
            streams: runs.len(),
            delays: sorted(said().filter_map(delay).collect()),
            held_back: runs.iter().map(|run| run.held_back).sum(),
            lag: sorted(runs.iter().flat_map(|run| &run.lag).map(|seconds| seconds * 1e3).collect()),
        }
    }

    /// Whether all audio was taken when due, and no more than one in a hundred results came later than this.
    pub fn sustains(&self, ms: f64) -> bool {
        self.held_back == 0 && !self.delays.is_empty() && rank(&self.delays, 0.99) <= ms
    }
}

/// The value at a share of sorted values; not a number without any.
pub fn rank(sorted: &[f64], share: f64) -> f64 {
    let place = (share * sorted.len() as f64).ceil() as usize;
    sorted.get(place.max(1) - 1).copied().unwrap_or(f64::NAN)
}

/// Feeds as many streams as the engine has slots, each beginning somewhere else in `samples`.
///
/// # Errors
/// If a stream fails.
pub fn load(engine: &Engine, samples: &[i16]) -> Result<Load> {
    let count = engine.slots();
    let rotated = |stream: usize| {
        let mut own = samples.to_vec();
        own.rotate_left(samples.len() * stream / count);
        own
    };
    let all: Vec<Vec<i16>> = (0..count).map(rotated).collect();
    let views: Vec<&[i16]> = all.iter().map(Vec::as_slice).collect();
    Ok(Load::of(&feed::run(engine, &views)?))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_late_result_in_a_hundred_is_allowed_and_no_audio_may_be_held_back() {
        let delays = |late: usize| {
            let on_time = std::iter::repeat_n(2.0, 200 - late);
            on_time.chain(std::iter::repeat_n(50.0, late)).collect()
        };
        let load = |late, held_back| Load { delays: delays(late), held_back, ..Load::default() };
        assert!(load(2, 0).sustains(20.0));
        assert!(!load(3, 0).sustains(20.0) && load(3, 0).sustains(120.0));
        assert!(!load(0, 1).sustains(20.0) && !Load::default().sustains(20.0));
    }
}
