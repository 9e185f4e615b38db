//! A segment of a recording, as it is kept and written.

use serde::{Deserialize, Serialize};

/// One segment.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Segment {
    /// Where it begins, in seconds.
    pub start: f64,
    /// Where it ends.
    pub end: f64,
    /// Its text.
    pub text: String,
    /// What the engine finds doubtful about it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub warning: Option<String>,
}
