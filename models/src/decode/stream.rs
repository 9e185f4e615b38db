//! Decoding of networks that stream: frame after frame, each looked at once.
//!
//! The parts of such a network are three small traits, its strategies are generic over them, so that the loop over
//! frames is compiled for the network and its strategy.

use super::hotwords::Hotwords;
use crate::fault::Faults;
use crate::hypothesis::Hypothesis;
use crate::request::Slot;
use std::sync::Arc;
use voxlane_kernels::projection::Best;
use voxlane_kernels::rows::{Rows, RowsMut};

/// Symbols so far → a row that the joiner adds to each frame.
pub trait Predictor {
    /// Values of a state.
    fn state_len(&self) -> usize;

    /// Values of a prediction.
    fn prediction_len(&self) -> usize;

    /// The state before any symbol, and the first prediction.
    fn start(&mut self, state: &mut [f32], prediction: &mut [f32]);

    /// The state after one symbol more, and the prediction. Does not allocate.
    fn advance(&mut self, symbol: u32, state: &mut [f32], prediction: &mut [f32]);
}

/// A frame and a prediction → how likely each symbol is.
pub trait Joiner {
    /// Symbols, the blank included.
    fn symbols(&self) -> usize;

    /// The symbol that says nothing.
    fn blank(&self) -> u32;

    /// The symbol with the largest logit; none where all are NaN. Does not allocate.
    fn best(&mut self, frame: &[f32], prediction: &[f32]) -> Option<Best>;

    /// The logits of all symbols, one row for each prediction. Does not allocate.
    fn logits(&mut self, frame: &[f32], predictions: Rows<'_>, out: RowsMut<'_>);
}

/// A frame → how likely each symbol is, whatever came before.
pub trait CtcHead {
    /// Symbols, the blank included; none where the network has no such head.
    fn ctc_symbols(&self) -> usize;

    /// The symbol that says nothing.
    fn ctc_blank(&self) -> u32;

    /// The logits of a frame. Does not allocate.
    fn ctc_logits(&mut self, frame: &[f32], out: &mut [f32]);
}

/// What a strategy needs to know besides the network.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct StreamLimits {
    /// Streams.
    pub slots: usize,
    /// The most frames of a segment.
    pub max_frames: usize,
    /// The most tokens of a segment.
    pub max_tokens: usize,
    /// Samples from one frame to the next.
    pub frame_samples: usize,
}

impl StreamLimits {
    /// Where frame `frame` begins and ends, in samples.
    pub(super) fn times(&self, frame: usize) -> (u32, u32) {
        let at = |frame: usize| u32::try_from(frame * self.frame_samples).unwrap_or(u32::MAX);
        (at(frame), at(frame + 1))
    }
}

/// How the frames of a network `N` become tokens. Nothing allocates after `new`.
///
/// What holds for all of them: a frame is looked at once and in order; a slot's result depends on its own frames and
/// hotwords alone.
pub trait StreamStrategy<N>: Send + 'static {
    /// Whether it wants a [`CtcHead`] that has symbols.
    const NEEDS_CTC: bool;

    /// A strategy for `limits.slots` streams.
    fn new(network: &mut N, limits: StreamLimits) -> Self;

    /// Takes the next frame of the slot's segment.
    fn frame(&mut self, network: &mut N, slot: Slot, frame: &[f32], faults: &mut Faults);

    /// Brings the hypothesis up to date with the frames; `is_last` says that no more will come.
    fn conclude(&mut self, slot: Slot, is_last: bool);

    /// What the slot's segment says, as of the last `conclude`.
    fn hypothesis(&self, slot: Slot) -> &Hypothesis;

    /// Frames since the last token of the most likely hypothesis; all frames where there is none.
    fn quiet_frames(&self, slot: Slot) -> usize;

    /// Changes what the slot listens for, from the next frame on, and gives back what it listened for; they stay when
    /// the slot is reset. Does not allocate or free.
    fn set_hotwords(&mut self, slot: Slot, hotwords: Option<Arc<Hotwords>>) -> Option<Arc<Hotwords>>;

    /// Forgets the slot's segment.
    fn reset(&mut self, network: &mut N, slot: Slot);
}
