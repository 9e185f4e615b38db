//! Turns: how likely a speaker has finished, from how the last seconds sound.
//!
//! [`SmartTurn`] is Smart Turn 3.2 (Daily; Pipecat), a network of bytes. A [`TurnDetector`] looks at a turn's last eight
//! seconds and gives a probability that the turn is complete; what follows from it is for the caller's rules to say.
//!
//! The probability is a function of the samples alone, never of budgets or of earlier looks. Where the processor has
//! fused products, every byte between the layers is the one that onnxruntime computes on x86.

mod attention;
mod blocks;
mod detector;
mod network;
mod wave;

pub use crate::networks::smart_turn::TURN_SAMPLES;
pub use detector::TurnDetector;
pub use network::{SmartTurn, SmartTurnError};
