//! The memory that an engine takes beside its weights: computed before it is taken, and refused where it cannot be had.

use crate::config::Config;
pub use crate::sizes::LaneMemory;
use crate::sizes::Sizes;
use std::fmt;
use std::sync::Arc;
use thiserror::Error;
use voxlane_models::model::Model;

/// The memory that an engine's lanes take beside the weights.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct MemoryPlan {
    /// The memory of each lane, in the order of the configuration.
    pub lanes: Vec<LaneMemory>,
}

impl MemoryPlan {
    pub(crate) fn new<M: Model>(config: &Config, models: &[Arc<M>]) -> Self {
        let lanes = config.lanes.iter().zip(models);
        let memory = |(lane, model): (_, &Arc<M>)| Sizes::new(config, lane, &**model).memory(&**model);
        MemoryPlan { lanes: lanes.map(memory).collect() }
    }

    /// Returns the sum over all lanes, in bytes.
    pub fn total(&self) -> u64 {
        self.lanes.iter().map(LaneMemory::total).sum()
    }

    /// Refuses what exceeds `limit` bytes, naming the lane and the fields.
    pub(crate) fn check(&self, config: &Config, limit: u64) -> Result<(), Shortage> {
        let mut needed = 0;
        for (number, (memory, lane)) in self.lanes.iter().zip(&config.lanes).enumerate() {
            needed += memory.total();
            if needed > limit {
                let (slots, audio_ms, events) = (lane.slots, lane.audio_ms, lane.events);
                let fields = format!(
                    "slots = {slots}, audio_ms = {audio_ms} ({}), events = {events} ({})",
                    Bytes(memory.audio),
                    Bytes(memory.events)
                );
                return Err(Shortage { lane: number, fields, needed, limit });
            }
        }
        Ok(())
    }
}

/// A lack of memory: lanes need more than there is.
#[derive(Clone, Debug, Error, PartialEq, Eq)]
#[error(
    "lane {lane}: {fields}: needs {} of memory with the lanes before it (expected at most {}, what this process may have)",
    Bytes(*needed),
    Bytes(*limit)
)]
pub struct Shortage {
    /// The lane at which it is too much.
    pub lane: usize,
    /// The fields that decide how much it takes, with their values.
    pub fields: String,
    /// The bytes of all lanes up to it.
    pub needed: u64,
    /// The bytes that there are.
    pub limit: u64,
}

/// Logs that memory was to be locked and could not be.
pub(crate) fn say_unlocked(what: &str, bytes: u64) {
    if bytes > 0 {
        let bytes = Bytes(bytes);
        tracing::warn!(
            "memory.lock: {bytes} of {what} could not be locked (`ulimit -l` or CAP_IPC_LOCK allows more)"
        );
    }
}

/// A number of bytes, written for people.
///
/// ```
/// use voxlane::memory::Bytes;
///
/// assert_eq!(Bytes(3_400_000).to_string(), "3.4 MB");
/// ```
#[derive(Clone, Copy, Debug)]
pub struct Bytes(pub u64);

impl fmt::Display for Bytes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (value, unit) = match self.0 {
            0..10_000 => return write!(f, "{} B", self.0),
            10_000..1_000_000 => (self.0 as f64 / 1e3, "kB"),
            1_000_000..1_000_000_000 => (self.0 as f64 / 1e6, "MB"),
            _ => (self.0 as f64 / 1e9, "GB"),
        };
        write!(f, "{value:.1} {unit}")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn too_much_is_refused_with_the_lane_and_its_fields() {
        let config = Config { lanes: vec![Default::default(); 2], ..Config::default() };
        let lane = LaneMemory { audio: 6_000_000, events: 1000, history: 1000, network: None };
        let plan = MemoryPlan { lanes: vec![lane; 2] };
        assert_eq!(plan.total(), 12_004_000);
        assert!(plan.check(&config, 13_000_000).is_ok());
        let error = plan.check(&config, 12_000_000).unwrap_err().to_string();
        let expected =
            "lane 1: slots = 4, audio_ms = 2000 (6.0 MB), events = 256 (1000 B): needs 12.0 MB of memory";
        assert!(error.starts_with(expected), "{error}");
    }
}
