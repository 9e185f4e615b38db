//! What the beam searches of networks that stream have in common: hypotheses in a tree, hotwords, and what is stable.

use super::hotwords::{Credit, Hotwords};
use super::prefix::{Prefix, PrefixTree};
use super::stream::StreamLimits;
use crate::hypothesis::{Hypothesis, Token};
use std::sync::Arc;

/// One hypothesis; `P` is what a search keeps for it beside what all searches do.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Entry<P> {
    pub own: P,
    pub prefix: Prefix,
    pub credit: Credit,
    /// What hotwords have earned it.
    pub bonus: f32,
    /// The frame after its last token began.
    pub spoken: usize,
}

/// What a search keeps for a hypothesis. The default is for the one that says nothing, before any frame.
pub(super) trait Likelihood: Copy + Default {
    /// The logarithm of the hypothesis' probability, without what hotwords earn.
    fn log_prob(&self) -> f32;
}

impl<P: Likelihood> Entry<P> {
    /// What hypotheses are ranked by.
    pub(super) fn score(&self) -> f32 {
        self.own.log_prob() + self.bonus
    }

    /// The same sequence with what hotwords give and take for `token`.
    pub(super) fn credited(self, hotwords: Option<&Hotwords>, token: u32) -> Self {
        let Some(hotwords) = hotwords else { return self };
        let (credit, gain) = hotwords.advance(self.credit, token);
        Entry { credit, bonus: self.bonus + gain, ..self }
    }
}

/// The hypotheses of one slot, the most likely one first. Never empty.
#[derive(Debug)]
pub(super) struct Beam<P> {
    pub tree: PrefixTree,
    pub entries: Vec<Entry<P>>,
    pub frames: usize,
    pub hypothesis: Hypothesis,
    pub hotwords: Option<Arc<Hotwords>>,
}

impl<P: Likelihood> Beam<P> {
    /// A beam of at most `width` hypotheses, with the one that says nothing.
    pub(super) fn new(limits: &StreamLimits, width: usize) -> Self {
        let mut entries = Vec::with_capacity(width);
        entries.push(Entry::default());
        Beam {
            tree: PrefixTree::with_capacity(limits.max_frames * width),
            entries,
            frames: 0,
            hypothesis: Hypothesis::with_capacity(limits.max_tokens),
            hotwords: None,
        }
    }

    /// Forgets the segment.
    pub(super) fn reset(&mut self) {
        self.tree.clear();
        self.entries.clear();
        self.entries.push(Entry::default());
        self.frames = 0;
        self.hypothesis.clear();
    }

    /// Brings the hypothesis up to date: what all begin with is stable, or all of the best one where `is_last`.
    pub(super) fn conclude(&mut self, is_last: bool, turned: &mut Vec<Token>) {
        if is_last {
            self.close_phrases();
        }
        let best = self.entries[0].prefix;
        let shared = self.entries.iter().fold(best, |shared, entry| self.tree.common(shared, entry.prefix));
        let stable = self.tree.length(if is_last { best } else { shared });
        self.tree.write(best, stable, &mut self.hypothesis, turned);
    }

    /// Takes back what phrases have earned that are not complete.
    fn close_phrases(&mut self) {
        let Some(hotwords) = &self.hotwords else { return };
        for entry in &mut self.entries {
            let (credit, change) = hotwords.close(entry.credit);
            (entry.credit, entry.bonus) = (credit, entry.bonus + change);
        }
        self.entries.sort_unstable_by(|a, b| b.score().total_cmp(&a.score()));
    }

    /// Changes the hotwords and gives back those before.
    pub(super) fn set_hotwords(&mut self, hotwords: Option<Arc<Hotwords>>) -> Option<Arc<Hotwords>> {
        self.close_phrases();
        std::mem::replace(&mut self.hotwords, hotwords)
    }

    /// Frames since the last token of the most likely hypothesis.
    pub(super) fn quiet_frames(&self) -> usize {
        self.frames - self.entries[0].spoken
    }

    /// The hypothesis of that rank, the most likely one being 0: writes its tokens into `tokens`, the first one first,
    /// and gives the logarithm of its probability, without what hotwords earned. None where there are not so many.
    pub(super) fn n_best(&self, rank: usize, tokens: &mut Vec<Token>) -> Option<f32> {
        let entry = self.entries.get(rank)?;
        tokens.clear();
        tokens.extend(self.tree.backwards(entry.prefix));
        tokens.reverse();
        Some(entry.own.log_prob())
    }
}

/// `logits`, those raised that go on with a phrase, by what they would earn.
pub(super) fn raise<'a>(
    logits: &'a [f32],
    hotwords: Option<&Hotwords>,
    credit: Credit,
    raised: &'a mut [f32],
) -> &'a [f32] {
    let Some(hotwords) = hotwords else { return logits };
    raised.copy_from_slice(logits);
    let refund = hotwords.close(credit).1;
    hotwords.for_each_next(credit, |token, gain| {
        if let Some(value) = raised.get_mut(token as usize) {
            *value = logits[token as usize] + gain - refund;
        }
    });
    raised
}
