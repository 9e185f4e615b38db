//! What the greedy strategies of networks that stream keep for each slot.

use super::hotwords::{Credit, Hotwords};
use super::stream::StreamLimits;
use crate::fault::Faults;
use crate::hypothesis::{Hypothesis, Token};
use std::sync::Arc;

/// A hypothesis to which tokens are only added: all of them are stable.
#[derive(Debug)]
pub(super) struct GreedySlot {
    pub hypothesis: Hypothesis,
    /// Frames so far.
    frames: usize,
    /// Frames since the last token.
    pub quiet: usize,
    pub hotwords: Option<Arc<Hotwords>>,
    pub credit: Credit,
}

impl GreedySlot {
    pub(super) fn new(limits: &StreamLimits) -> Self {
        GreedySlot {
            hypothesis: Hypothesis::with_capacity(limits.max_tokens),
            frames: 0,
            quiet: 0,
            hotwords: None,
            credit: Credit::default(),
        }
    }

    /// Counts a frame; where it begins and ends, in samples.
    pub(super) fn next_frame(&mut self, limits: &StreamLimits) -> (u32, u32) {
        let times = limits.times(self.frames);
        self.frames += 1;
        self.quiet += 1;
        times
    }

    /// Adds a token; false, and a fault, where there is no room.
    pub(super) fn emit(&mut self, token: Token, faults: &mut Faults) -> bool {
        if !self.hypothesis.push(token) {
            *faults |= Faults::TOKEN_LIMIT;
            return false;
        }
        self.quiet = 0;
        if let Some(hotwords) = &self.hotwords {
            self.credit = hotwords.advance(self.credit, token.id).0;
        }
        true
    }

    /// Says that all tokens stay.
    pub(super) fn conclude(&mut self) {
        self.hypothesis.set_stable(self.hypothesis.tokens().len());
    }

    /// Changes the hotwords and gives back those before.
    pub(super) fn set_hotwords(&mut self, hotwords: Option<Arc<Hotwords>>) -> Option<Arc<Hotwords>> {
        if let Some(old) = &self.hotwords {
            self.credit = old.close(self.credit).0;
        }
        std::mem::replace(&mut self.hotwords, hotwords)
    }

    /// Forgets the segment.
    pub(super) fn reset(&mut self) {
        self.hypothesis.clear();
        (self.frames, self.quiet, self.credit) = (0, 0, Credit::default());
    }
}
