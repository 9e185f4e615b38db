//! What the engine measures about itself: HDR histograms of every stage.

pub use voxlane_runtime::telemetry::recorder::{Measures, QUEUE, SERVICE, STAGE_MEASURES, StageHistograms};
pub use voxlane_runtime::telemetry::report::{QUANTILES, Report, StageReport};

/// The measures of the stage `emit`, in nanoseconds.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[repr(usize)]
pub enum Measure {
    /// The time from publication by the stage before to the first instruction of this one on the message. Every stage has it.
    Queue = QUEUE,
    /// The time spent computing for one message or one pass, pauses for other work left out. Every stage has it.
    Service = SERVICE,
    /// The time from capture of the last speech of a segment to its final event, with the wait for its end.
    Final,
    /// The same without the wait for its end.
    FinalAfterEndpoint,
    /// The time from capture of the newest sample that a partial reflects to the partial.
    Partial,
}

impl Measure {
    /// All measures, in order.
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
