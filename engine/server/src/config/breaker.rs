//! The circuit breaker's settings.

use documented::DocumentedFields;
use serde::{Deserialize, Serialize};

/// The circuit breaker's settings: when no new streams are let in because finals come too late.
#[derive(Clone, Copy, Debug, PartialEq, Deserialize, Serialize, DocumentedFields)]
#[serde(deny_unknown_fields, default)]
pub struct BreakerConfig {
    /// Whether there is one. Default true.
    pub enabled: bool,
    /// Time that 99 % of finals may wait for the lane, in milliseconds: their latency without computing and without the
    /// endpoint's wait. Default 1000.
    pub budget_ms: f64,
    /// Time over which finals are looked at, in seconds. Default 30.
    pub window_s: u64,
    /// Finals that must have come in that time to judge by. Default 50.
    pub samples: usize,
    /// Time without new streams before some are tried, in seconds. Default 5.
    pub open_s: u64,
    /// Streams that are then let in, and finals that must come in time before all are. Default 3.
    pub probes: usize,
}

impl Default for BreakerConfig {
    fn default() -> Self {
        BreakerConfig { enabled: true, budget_ms: 1000.0, window_s: 30, samples: 50, open_s: 5, probes: 3 }
    }
}
