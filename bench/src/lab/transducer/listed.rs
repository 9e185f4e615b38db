//! A transducer's network without arithmetic, which shows what the calls of the loop over its frames cost.

use super::by_enum::ByEnum;
use super::by_trait::ByTrait;
use super::{NAMES, SLOT};
use crate::lab::timing::Contender;
use std::hint::black_box;
use voxlane_kernels::projection::Best;
use voxlane_kernels::rows::{Rows, RowsMut};
use voxlane_models::decode::{Joiner, Predictor, StreamLimits, StreamStrategy, TransducerGreedy};
use voxlane_models::fault::Faults;

/// Each frame says which symbol it wants.
struct Listed;

/// Frames of a pass over [`Listed`].
pub const LISTED_FRAMES: usize = 64;
const BLANK: u32 = 9;
const LIMITS: StreamLimits = StreamLimits { slots: 1, max_frames: 100, max_tokens: 100, frame_samples: 640 };

impl Predictor for Listed {
    fn state_len(&self) -> usize {
        1
    }

    fn prediction_len(&self) -> usize {
        1
    }

    fn start(&mut self, _state: &mut [f32], prediction: &mut [f32]) {
        prediction[0] = 0.0;
    }

    fn advance(&mut self, _symbol: u32, _state: &mut [f32], prediction: &mut [f32]) {
        prediction[0] += 1.0;
    }
}

impl Joiner for Listed {
    fn symbols(&self) -> usize {
        BLANK as usize + 1
    }

    fn blank(&self) -> u32 {
        BLANK
    }

    fn best(&mut self, frame: &[f32], prediction: &[f32]) -> Option<Best> {
        // The frame's symbol until it has been said.
        let token = if frame[1] <= prediction[0] { BLANK as usize } else { frame[0] as usize };
        Some(Best { token, logit: 0.0 })
    }

    fn logits(&mut self, _frame: &[f32], _predictions: Rows<'_>, out: RowsMut<'_>) {
        out.data.fill(0.0);
    }
}

/// Every eighth frame says a symbol.
fn listed_frames() -> Vec<[f32; 2]> {
    (0..LISTED_FRAMES).map(|i| [(i % 7) as f32, i.div_ceil(8) as f32]).collect()
}

fn listed<S: StreamStrategy<Listed>>(name: &'static str) -> Contender<'static> {
    let (mut network, frames) = (Listed, listed_frames());
    let mut strategy = S::new(&mut network, LIMITS);
    (
        name,
        Box::new(move || {
            black_box(run_listed(&mut strategy, &mut network, black_box(&frames)));
        }),
    )
}

#[inline(never)]
fn run_listed<S: StreamStrategy<Listed>>(
    strategy: &mut S,
    network: &mut Listed,
    frames: &[[f32; 2]],
) -> Faults {
    let mut faults = Faults::NONE;
    strategy.reset(network, SLOT);
    frames.iter().for_each(|frame| strategy.frame(network, SLOT, frame, &mut faults));
    faults
}

/// The loops over a network without arithmetic, by [`NAMES`].
pub fn without_arithmetic() -> Vec<Contender<'static>> {
    vec![listed::<TransducerGreedy>(NAMES[0]), listed::<ByTrait>(NAMES[1]), listed::<ByEnum>(NAMES[2])]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn all_say_the_same_however_they_are_called() {
        fn said<S: StreamStrategy<Listed>>() -> Vec<u32> {
            let mut strategy = S::new(&mut Listed, LIMITS);
            assert!(run_listed(&mut strategy, &mut Listed, &listed_frames()).is_none());
            super::super::ids(strategy.hypothesis(SLOT))
        }
        let typed = said::<TransducerGreedy>();
        assert_eq!(typed.len(), LISTED_FRAMES / 8);
        assert_eq!((said::<ByTrait>(), said::<ByEnum>()), (typed.clone(), typed));
    }
}
