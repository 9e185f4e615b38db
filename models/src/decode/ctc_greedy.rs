//! Greedy decoding of a CTC head (Graves et al. 2006): repeated symbols are one unless a blank stands between them.

use super::greedy_slot::GreedySlot;
use super::hotwords::Hotwords;
use super::stream::{CtcHead, StreamLimits, StreamStrategy};
use crate::buffer::Buffer;
use crate::fault::Faults;
use crate::hypothesis::{Hypothesis, Token};
use crate::request::Slot;
use std::sync::Arc;
use voxlane_kernels::argmax::argmax;
use voxlane_kernels::softmax::log_sum_exp;

/// The most likely symbol of each frame. What was emitted stays: all tokens are stable.
#[derive(Debug)]
pub struct CtcGreedy {
    limits: StreamLimits,
    blank: u32,
    slots: Vec<SlotState>,
    logits: Buffer,
}

#[derive(Debug)]
struct SlotState {
    said: GreedySlot,
    /// The symbol of the last frame.
    last: u32,
}

impl<N: CtcHead> StreamStrategy<N> for CtcGreedy {
    const NEEDS_CTC: bool = true;

    fn new(network: &mut N, limits: StreamLimits) -> Self {
        let blank = network.ctc_blank();
        let slot = || SlotState { said: GreedySlot::new(&limits), last: blank };
        let slots = (0..limits.slots).map(|_| slot()).collect();
        CtcGreedy { limits, blank, slots, logits: Buffer::zeros(network.ctc_symbols()) }
    }

    fn frame(&mut self, network: &mut N, slot: Slot, frame: &[f32], faults: &mut Faults) {
        let slot = &mut self.slots[slot];
        let (start, end) = slot.said.next_frame(&self.limits);
        network.ctc_logits(frame, &mut self.logits);
        let Some(plain) = argmax(&self.logits).filter(|&best| self.logits[best].is_finite()) else {
            *faults |= Faults::NOT_FINITE;
            return;
        };
        let (mut best, mut most) = (plain as u32, self.logits[plain]);
        if let Some(hotwords) = &slot.said.hotwords {
            hotwords.for_each_next(slot.said.credit, |token, gain| {
                if let Some(&logit) = self.logits.get(token as usize)
                    && token != slot.last
                    && logit + gain > most
                {
                    (best, most) = (token, logit + gain);
                }
            });
        }
        let is_new = best != self.blank && best != slot.last;
        slot.last = best;
        if !is_new {
            return;
        }
        let log_prob = (self.logits[best as usize] - log_sum_exp(&self.logits)).min(0.0);
        slot.said.emit(Token { id: best, log_prob, start, end }, faults);
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

    fn reset(&mut self, _network: &mut N, slot: Slot) {
        let slot = &mut self.slots[slot];
        slot.said.reset();
        slot.last = self.blank;
    }
}
