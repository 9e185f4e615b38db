//! What the engine measures about itself: HDR histograms, owned and filled by their stage, swapped on
//! request, merged and printed elsewhere.

pub mod recorder;
pub mod report;

pub use recorder::{Measure, StageHistograms};
pub use report::{Report, StageReport};
