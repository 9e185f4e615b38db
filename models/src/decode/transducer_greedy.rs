//! Greedy decoding of a transducer (Graves 2012, arXiv 1211.3711): at every frame the most likely symbol, until that
//! is the blank or the frame has given its share.
//!
//! Where a frame says nothing, which is the common case, it costs one product of the joiner and its argmax: the
//! prediction is made once, when a token is emitted. What was emitted stays: all tokens are stable.

use super::greedy_slot::GreedySlot;
use super::hotwords::{Credit, Hotwords};
use super::stream::{Joiner, Predictor, StreamLimits, StreamStrategy};
use crate::buffer::Buffer;
use crate::fault::Faults;
use crate::hypothesis::{Hypothesis, Token};
use crate::request::Slot;
use std::sync::Arc;
use voxlane_kernels::argmax::argmax;
use voxlane_kernels::rows::{Rows, RowsMut};
use voxlane_kernels::softmax::log_sum_exp;

/// See the module. A frame gives at most `MAX_SYMBOLS` tokens.
///
/// With hotwords the tokens that go on with a phrase are raised by what they earn. As a greedy hypothesis is never
/// taken back, a phrase that is left gives back only its part of the cap.
#[derive(Debug)]
pub struct TransducerGreedy<const MAX_SYMBOLS: usize = 4> {
    limits: StreamLimits,
    blank: u32,
    slots: Vec<SlotState>,
    logits: Buffer,
}

#[derive(Debug)]
struct SlotState {
    said: GreedySlot,
    state: Buffer,
    prediction: Buffer,
}

impl<N: Predictor + Joiner, const MAX_SYMBOLS: usize> StreamStrategy<N> for TransducerGreedy<MAX_SYMBOLS> {
    const NEEDS_CTC: bool = false;

    fn new(network: &mut N, limits: StreamLimits) -> Self {
        let mut slot = || {
            let mut state = SlotState {
                said: GreedySlot::new(&limits),
                state: Buffer::zeros(network.state_len()),
                prediction: Buffer::zeros(network.prediction_len()),
            };
            network.start(&mut state.state, &mut state.prediction);
            state
        };
        let slots = (0..limits.slots).map(|_| slot()).collect();
        TransducerGreedy { limits, blank: network.blank(), slots, logits: Buffer::zeros(network.symbols()) }
    }

    #[inline]
    fn frame(&mut self, network: &mut N, slot: Slot, frame: &[f32], faults: &mut Faults) {
        let slot = &mut self.slots[slot];
        let (start, end) = slot.said.next_frame(&self.limits);
        for _ in 0..MAX_SYMBOLS {
            let best = match slot.said.hotwords.as_deref() {
                None => network.best(frame, &slot.prediction).map(|best| (best.token as u32, best.logit)),
                Some(hotwords) => {
                    let logits = &mut self.logits;
                    let prediction = Rows::one(&slot.prediction);
                    network.logits(frame, prediction, RowsMut::one(logits));
                    best_raised(logits, hotwords, slot.said.credit)
                }
            };
            let Some((token, logit)) = best.filter(|(_, logit)| logit.is_finite()) else {
                *faults |= Faults::NOT_FINITE;
                return;
            };
            if token == self.blank {
                return;
            }
            if slot.said.hotwords.is_none() {
                network.logits(frame, Rows::one(&slot.prediction), RowsMut::one(&mut self.logits));
            }
            let log_prob = (logit - log_sum_exp(&self.logits)).min(0.0);
            if !slot.said.emit(Token { id: token, log_prob, start, end }, faults) {
                return;
            }
            network.advance(token, &mut slot.state, &mut slot.prediction);
        }
    }

    fn conclude(&mut self, slot: Slot, _is_last: bool) {
        self.slots[slot].said.conclude();
    }

    fn hypothesis(&self, slot: Slot) -> &Hypothesis {
        &self.slots[slot].said.hypothesis
    }

    fn quiet_frames(&self, slot: Slot) -> usize {
        self.slots[slot].said.quiet
    }

    fn set_hotwords(&mut self, slot: Slot, hotwords: Option<Arc<Hotwords>>) -> Option<Arc<Hotwords>> {
        self.slots[slot].said.set_hotwords(hotwords)
    }

    fn reset(&mut self, network: &mut N, slot: Slot) {
        let slot = &mut self.slots[slot];
        slot.said.reset();
        network.start(&mut slot.state, &mut slot.prediction);
    }
}

/// The symbol that is most likely when those that go on with a phrase are raised, and its own logit.
fn best_raised(logits: &[f32], hotwords: &Hotwords, credit: Credit) -> Option<(u32, f32)> {
    let plain = argmax(logits)?;
    let mut best = (plain as u32, logits[plain], logits[plain]);
    hotwords.for_each_next(credit, |token, gain| {
        if let Some(&logit) = logits.get(token as usize)
            && logit + gain > best.2
        {
            best = (token, logit, logit + gain);
        }
    });
    Some((best.0, best.1))
}
