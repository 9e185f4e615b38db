//! The strategies by their names in configurations.

use serde::{Deserialize, Serialize};
use std::fmt;

/// A decode strategy; [this module](super) has each.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum DecodeKind {
    /// The most likely token each time. What was said stays.
    #[default]
    Greedy,
    /// Of a transducer, the four most likely hypotheses side by side.
    Beam,
    /// The most likely token of each frame by the CTC head.
    CtcGreedy,
    /// By the CTC head, the four most likely prefixes side by side.
    CtcBeam,
}

impl fmt::Display for DecodeKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            DecodeKind::Greedy => "greedy",
            DecodeKind::Beam => "beam",
            DecodeKind::CtcGreedy => "ctc-greedy",
            DecodeKind::CtcBeam => "ctc-beam",
        })
    }
}
