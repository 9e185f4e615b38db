//! The five stages of a lane. Each owns its state and its ends of the rings; none knows which thread it runs
//! on or who its neighbours are.

mod decoder;
mod emit;
mod encoder;
mod features;
mod ingest;
mod meter;
mod segmenter;
mod told;

pub(crate) use decoder::{Decoder, DecoderPorts};
pub(crate) use emit::{Emit, EmitPorts};
pub(crate) use encoder::Encoder;
pub(crate) use features::Features;
pub(crate) use ingest::{Ingest, IngestPorts};
pub(crate) use meter::Meter;

use voxlane_models::budget::{Budget, Progress};

/// A stage of a lane.
pub(crate) trait Stage {
    /// Does what is at hand within `budget`: many frames in, many out. [`Progress::More`] if it did or has
    /// left anything, [`Progress::Done`] if there was nothing to do. Never blocks, allocates or locks.
    fn step(&mut self, budget: &Budget) -> Progress;

    /// Hands the stage's histograms over if they were asked for: each round, whether or not it has a turn.
    fn report(&mut self);
}
