//! Hotwords that are taken back while a beam holds hypotheses that they raised.

use std::sync::Arc;
use voxlane_kernels::projection::Best;
use voxlane_kernels::rows::{Rows, RowsMut};
use voxlane_models::decode::{
    CtcHead, CtcPrefixBeam, Hotwords, Joiner, Predictor, StreamLimits, StreamStrategy, TransducerBeam,
};
use voxlane_models::fault::Faults;

/// A network whose frames are its logits: a blank and two symbols.
struct Logits;

impl CtcHead for Logits {
    fn ctc_symbols(&self) -> usize {
        3
    }
    fn ctc_blank(&self) -> u32 {
        0
    }
    fn ctc_logits(&mut self, frame: &[f32], out: &mut [f32]) {
        out.copy_from_slice(frame);
    }
}

impl Predictor for Logits {
    fn state_len(&self) -> usize {
        1
    }
    fn prediction_len(&self) -> usize {
        1
    }
    fn start(&mut self, _: &mut [f32], _: &mut [f32]) {}
    fn advance(&mut self, _: u32, _: &mut [f32], _: &mut [f32]) {}
}

impl Joiner for Logits {
    fn symbols(&self) -> usize {
        3
    }
    fn blank(&self) -> u32 {
        0
    }
    fn best(&mut self, _: &[f32], _: &[f32]) -> Option<Best> {
        None
    }
    fn logits(&mut self, frame: &[f32], predictions: Rows<'_>, mut out: RowsMut<'_>) {
        (0..predictions.count).for_each(|row| out.row(row, 3).copy_from_slice(frame));
    }
}

/// The tokens of the final of one frame, whose blank is more likely than its symbol, after the hotwords that raised the symbol
/// were taken back.
fn final_without_the_hotwords<S: StreamStrategy<Logits>>() -> Vec<u32> {
    let limits = StreamLimits { slots: 1, max_frames: 8, max_tokens: 8, frame_samples: 160 };
    let mut strategy = S::new(&mut Logits, limits);
    strategy.set_hotwords(0, Some(Arc::new(Hotwords::new([(&[1, 2][..], 3.0)], 100.0))));
    let mut faults = Faults::NONE;
    strategy.frame(&mut Logits, 0, &[1.0, 0.0, -10.0], &mut faults);
    strategy.conclude(0, false);
    let raised: Vec<u32> = strategy.hypothesis(0).tokens().iter().map(|token| token.id).collect();
    assert_eq!(raised, [1], "the phrase raises its first token");
    strategy.set_hotwords(0, None);
    strategy.conclude(0, true);
    assert!(faults.is_none());
    strategy.hypothesis(0).tokens().iter().map(|token| token.id).collect()
}

#[test]
fn hotwords_that_are_taken_back_before_the_end_no_longer_decide_it() {
    assert!(final_without_the_hotwords::<CtcPrefixBeam<4>>().is_empty());
    assert!(final_without_the_hotwords::<TransducerBeam<4>>().is_empty());
}
