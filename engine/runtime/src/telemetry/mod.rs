//! What a pipeline measures about itself: HDR histograms, owned and filled by their stage, swapped on request, merged and
//! printed elsewhere.

pub mod prometheus;
pub mod recorder;
pub mod report;

pub use recorder::{Measures, QUEUE, SERVICE, STAGE_MEASURES, StageHistograms};
pub use report::{Report, StageReport};
