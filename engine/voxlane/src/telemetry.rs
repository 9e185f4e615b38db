//! What the engine measures about itself: HDR histograms of every stage.

pub use voxlane_runtime::telemetry::recorder::{Measures, QUEUE, SERVICE, STAGE_MEASURES, StageHistograms};
pub use voxlane_runtime::telemetry::report::{QUANTILES, Report, StageReport};

/// What emit measures. The unit is nanoseconds.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[repr(usize)]
pub enum Measure {
    /// From publication by the stage before to the first instruction of this one on the message. Every stage measures it.
    Queue = QUEUE,
    /// Computing for one message or one pass, pauses for other work left out. Every stage measures it.
    Service = SERVICE,
    /// From capture of the last speech of a segment to its final event, with the wait for its end.
    Final,
    /// The same without the wait for its end.
    FinalAfterEndpoint,
    /// From capture of the newest sample that a partial reflects to the partial.
    Partial,
}

impl Measure {
    /// All, in order.
    pub const ALL: Measures = Measures {
        names: &["queue", "service", "final", "final_after_endpoint", "partial"],
        // Most deployments ask for no partials.
        always: 4,
    };
}

impl From<Measure> for usize {
    fn from(measure: Measure) -> usize {
        measure as usize
    }
}
