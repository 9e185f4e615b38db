//! The five stages of a lane, and one beside them that hears whether turns are over. Each owns its state and its ends of
//! the rings; none knows which thread it runs
//! on or who its neighbors are.

mod contexts;
mod decoder;
mod emit;
mod encoder;
mod features;
mod ingest;
mod latest_partial;
mod segmenter;
mod turn;
mod turns;

pub(crate) use decoder::{DecoderPorts, DecoderSizes, DecoderStage};
pub(crate) use emit::{EmitPorts, EmitStage};
pub(crate) use encoder::EncoderStage;
pub(crate) use features::{FeaturesPorts, FeaturesSizes, FeaturesStage};
pub(crate) use ingest::{IngestPorts, IngestStage};
pub(crate) use segmenter::Segmentation;
pub(crate) use turn::{TurnPorts, TurnStage};

use crate::message::SpanMessage;
use crate::protocol::SpanControl;
use voxlane_models::budget::Budget as PassBudget;
use voxlane_runtime::budget::Budget;
use voxlane_runtime::clock::Clock;

/// What is left of a stage's budget, as a network's parts know it.
fn pass_budget(budget: &Budget, clock: &Clock) -> PassBudget {
    PassBudget::of(clock.quanta(), budget.left().unwrap_or_default())
}

/// Whether partials make way for a message: a stream's final, or what may become one.
fn is_urgent(message: &SpanMessage) -> bool {
    matches!(message.header.control, SpanControl::Pass(pass) if pass.kind.is_urgent())
}
