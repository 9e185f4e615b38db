//! The experiments there are.

use super::experiment::Experiment;
use super::{commands, counters, dispatch, hiccup, kernels, memory, pipeline, rings, speech, warming};

/// Every experiment, in the order in which they run.
pub const ALL: &[Experiment] = &[
    hiccup::EXPERIMENT,
    rings::EXPERIMENT,
    pipeline::EXPERIMENT,
    warming::PARTS,
    warming::ENGINE,
    dispatch::EXPERIMENT,
    counters::EXPERIMENT,
    kernels::EXPERIMENT,
    speech::EXPERIMENT,
    commands::EXPERIMENT,
    memory::EXPERIMENT,
];
