//! What an experiment is.

use super::context::Context;
use super::outcome::Outcome;
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
