//! The experiments there are.

use super::context::Context;
use super::outcome::Outcome;
use super::{commands, counters, dispatch, hiccup, kernels, memory, pipeline, rings, speech, warming};
use anyhow::Result;

/// An experiment.
pub struct Experiment {
    /// Its name on the command line.
    pub name: &'static str,
    /// One line.
    pub title: &'static str,
    /// What is measured, and how; stands in the report.
    pub method: &'static str,
    /// Whether it needs a model from the model manager.
    pub needs_model: bool,
    /// Fills in what it measures.
    pub run: fn(&Context, &mut Outcome) -> Result<()>,
}

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
