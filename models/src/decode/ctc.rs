//! Decoding of a CTC head (Graves et al. 2006): repeated symbols are one unless a blank stands between them.

use super::hotwords::{Credit, Hotwords};
use super::prefix::{EMPTY, Prefix, PrefixTree, log_add};
use super::stream::{CtcHead, StreamLimits, StreamStrategy};
use crate::buffer::Buffer;
use crate::fault::Faults;
use crate::hypothesis::{Hypothesis, Token};
use crate::request::Slot;
use std::sync::Arc;
use voxlane_kernels::argmax::argmax;
use voxlane_kernels::softmax::log_sum_exp;
use voxlane_kernels::topk::{Candidate, topk};

/// The most likely symbol of each frame. What was emitted stays: all tokens are stable.
#[derive(Debug)]
pub struct CtcGreedy {
    limits: StreamLimits,
    blank: u32,
    slots: Vec<GreedySlot>,
    logits: Buffer,
}

#[derive(Debug)]
struct GreedySlot {
    hypothesis: Hypothesis,
    /// The symbol of the last frame.
    last: u32,
    frames: usize,
    quiet: usize,
    hotwords: Option<Arc<Hotwords>>,
    credit: Credit,
}

impl<N: CtcHead> StreamStrategy<N> for CtcGreedy {
    const NEEDS_CTC: bool = true;

    fn new(network: &mut N, limits: StreamLimits) -> Self {
        let blank = network.ctc_blank();
        let slot = || GreedySlot {
            hypothesis: Hypothesis::with_capacity(limits.max_tokens),
            last: blank,
            frames: 0,
            quiet: 0,
            hotwords: None,
            credit: Credit::default(),
        };
        let slots = (0..limits.slots).map(|_| slot()).collect();
        CtcGreedy { limits, blank, slots, logits: Buffer::zeros(network.ctc_symbols()) }
    }

    fn frame(&mut self, network: &mut N, slot: Slot, frame: &[f32], faults: &mut Faults) {
        let slot = &mut self.slots[slot];
        let (start, end) = self.limits.times(slot.frames);
        slot.frames += 1;
        slot.quiet += 1;
        network.ctc_logits(frame, &mut self.logits);
        let Some(plain) = argmax(&self.logits).filter(|&best| self.logits[best].is_finite()) else {
            *faults |= Faults::NOT_FINITE;
            return;
        };
        let (mut best, mut most) = (plain as u32, self.logits[plain]);
        if let Some(hotwords) = &slot.hotwords {
            hotwords.for_each_next(slot.credit, |token, gain| {
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
        if !slot.hypothesis.push(Token { id: best, log_prob, start, end }) {
            *faults |= Faults::TOKEN_LIMIT;
            return;
        }
        slot.quiet = 0;
        if let Some(hotwords) = &slot.hotwords {
            slot.credit = hotwords.advance(slot.credit, best).0;
        }
    }

    fn conclude(&mut self, slot: Slot, _is_last: bool) {
        let hypothesis = &mut self.slots[slot].hypothesis;
        hypothesis.set_stable(hypothesis.tokens().len());
    }

    fn hypothesis(&self, slot: Slot) -> &Hypothesis {
        &self.slots[slot].hypothesis
    }

    fn quiet_frames(&self, slot: Slot) -> usize {
        self.slots[slot].quiet
    }

    fn set_hotwords(&mut self, slot: Slot, hotwords: Option<Arc<Hotwords>>) -> Option<Arc<Hotwords>> {
        let slot = &mut self.slots[slot];
        if let Some(old) = &slot.hotwords {
            slot.credit = old.close(slot.credit).0;
        }
        std::mem::replace(&mut slot.hotwords, hotwords)
    }

    fn reset(&mut self, _network: &mut N, slot: Slot) {
        let slot = &mut self.slots[slot];
        slot.hypothesis.clear();
        (slot.last, slot.frames, slot.quiet, slot.credit) = (self.blank, 0, 0, Credit::default());
    }
}

/// Prefix beam search (Graves and Jaitly 2014; Hannun et al. 2014): `BEAM` sequences, each with the probability of all
/// paths that say it, those that end with a blank and those that end with its last symbol apart.
#[derive(Debug)]
pub struct CtcPrefixBeam<const BEAM: usize> {
    limits: StreamLimits,
    blank: u32,
    slots: Vec<BeamSlot>,
    logits: Buffer,
    raised: Buffer,
    extended: Vec<Extended>,
    turned: Vec<Token>,
}

#[derive(Debug)]
struct BeamSlot {
    tree: PrefixTree,
    beam: Vec<Entry>,
    hypothesis: Hypothesis,
    frames: usize,
    hotwords: Option<Arc<Hotwords>>,
}

#[derive(Clone, Copy, Debug)]
struct Entry {
    prefix: Prefix,
    /// Of the paths that end with a blank, and with the last symbol.
    blank: f32,
    symbol: f32,
    last: Option<u32>,
    credit: Credit,
    bonus: f32,
    /// The frame after the last token began.
    spoken: usize,
}

#[derive(Clone, Copy, Debug)]
struct Extended {
    entry: Entry,
    hash: u64,
    /// A token that is not in the tree yet, and its log-probability.
    token: Option<(u32, f32)>,
}

impl Entry {
    fn log_prob(&self) -> f32 {
        log_add(self.blank, self.symbol)
    }

    fn score(&self) -> f32 {
        self.log_prob() + self.bonus
    }
}

impl<const BEAM: usize> CtcPrefixBeam<BEAM> {
    /// The hypothesis of that rank, the most likely one being 0: writes its tokens into `tokens`, the first one first,
    /// and gives the logarithm of its probability, without what hotwords earned. None where there are not so many.
    pub fn n_best(&self, slot: Slot, rank: usize, tokens: &mut Vec<Token>) -> Option<f32> {
        let slot = &self.slots[slot];
        let entry = slot.beam.get(rank)?;
        tokens.clear();
        tokens.extend(slot.tree.backwards(entry.prefix));
        tokens.reverse();
        Some(entry.log_prob())
    }
}

/// Adds a way to a sequence to those known.
fn put(extended: &mut Vec<Extended>, new: Extended) {
    match extended.iter_mut().find(|known| known.hash == new.hash) {
        None => extended.push(new),
        Some(known) => {
            let blank = log_add(known.entry.blank, new.entry.blank);
            let symbol = log_add(known.entry.symbol, new.entry.symbol);
            // What is in the tree already stands for both.
            if new.token.is_none() {
                *known = new;
            }
            (known.entry.blank, known.entry.symbol) = (blank, symbol);
        }
    }
}

impl<N: CtcHead, const BEAM: usize> StreamStrategy<N> for CtcPrefixBeam<BEAM> {
    const NEEDS_CTC: bool = true;

    fn new(network: &mut N, limits: StreamLimits) -> Self {
        const { assert!(BEAM > 0, "at least one hypothesis") };
        let symbols = network.ctc_symbols();
        let slot = || BeamSlot {
            tree: PrefixTree::with_capacity(limits.max_frames * BEAM),
            beam: Vec::with_capacity(BEAM),
            hypothesis: Hypothesis::with_capacity(limits.max_tokens),
            frames: 0,
            hotwords: None,
        };
        let mut strategy = CtcPrefixBeam {
            blank: network.ctc_blank(),
            slots: (0..limits.slots).map(|_| slot()).collect(),
            logits: Buffer::zeros(symbols),
            raised: Buffer::zeros(symbols),
            extended: Vec::with_capacity(BEAM * (BEAM + 1)),
            turned: Vec::with_capacity(limits.max_tokens),
            limits,
        };
        (0..limits.slots).for_each(|slot| strategy.reset(network, slot));
        strategy
    }

    fn frame(&mut self, network: &mut N, slot: Slot, frame: &[f32], faults: &mut Faults) {
        let slot = &mut self.slots[slot];
        let (start, end) = self.limits.times(slot.frames);
        slot.frames += 1;
        network.ctc_logits(frame, &mut self.logits);
        let whole = log_sum_exp(&self.logits);
        if !whole.is_finite() {
            *faults |= Faults::NOT_FINITE;
            return;
        }
        self.logits.iter_mut().for_each(|logit| *logit -= whole);
        let blank = std::mem::replace(&mut self.logits[self.blank as usize], f32::NEG_INFINITY);
        let count = BEAM.min(self.logits.len() - 1);
        self.extended.clear();
        for entry in &slot.beam {
            let total = entry.log_prob();
            let again = entry.last.map_or(f32::NEG_INFINITY, |last| self.logits[last as usize]);
            let same = Entry { blank: total + blank, symbol: entry.symbol + again, ..*entry };
            put(
                &mut self.extended,
                Extended { entry: same, hash: slot.tree.hash(entry.prefix), token: None },
            );
            if slot.tree.length(entry.prefix) == self.limits.max_tokens {
                *faults |= Faults::TOKEN_LIMIT;
                continue;
            }
            let ranked: &[f32] = match slot.hotwords.as_deref() {
                None => &self.logits,
                Some(hotwords) => {
                    self.raised.copy_from_slice(&self.logits);
                    let refund = hotwords.close(entry.credit).1;
                    hotwords.for_each_next(entry.credit, |token, gain| {
                        if let Some(value) = self.raised.get_mut(token as usize) {
                            *value = self.logits[token as usize] + gain - refund;
                        }
                    });
                    &self.raised
                }
            };
            let mut best = [Candidate::default(); BEAM];
            let found = topk(ranked, &mut best).min(count);
            for candidate in &best[..found] {
                let token = candidate.index as u32;
                let own = self.logits[candidate.index];
                // The same symbol again is a new one only after a blank.
                let before = if entry.last == Some(token) { entry.blank } else { total };
                let (credit, gain) = slot
                    .hotwords
                    .as_deref()
                    .map_or((entry.credit, 0.0), |hotwords| hotwords.advance(entry.credit, token));
                let entry = Entry {
                    blank: f32::NEG_INFINITY,
                    symbol: before + own,
                    last: Some(token),
                    credit,
                    bonus: entry.bonus + gain,
                    spoken: slot.frames,
                    ..*entry
                };
                let hash = slot.tree.extended_hash(entry.prefix, token);
                put(&mut self.extended, Extended { entry, hash, token: Some((token, own)) });
            }
        }
        self.extended.sort_unstable_by(|a, b| b.entry.score().total_cmp(&a.entry.score()));
        slot.beam.clear();
        for Extended { mut entry, token, .. } in self.extended.iter().copied().take(BEAM) {
            if let Some((id, log_prob)) = token {
                entry.prefix = slot.tree.extend(entry.prefix, Token { id, log_prob, start, end });
            }
            slot.beam.push(entry);
        }
    }

    fn conclude(&mut self, slot: Slot, is_last: bool) {
        let slot = &mut self.slots[slot];
        if is_last && let Some(hotwords) = slot.hotwords.clone() {
            for entry in &mut slot.beam {
                let (credit, change) = hotwords.close(entry.credit);
                (entry.credit, entry.bonus) = (credit, entry.bonus + change);
            }
            slot.beam.sort_unstable_by(|a, b| b.score().total_cmp(&a.score()));
        }
        let best = slot.beam[0].prefix;
        let shared = slot.beam.iter().fold(best, |shared, entry| slot.tree.common(shared, entry.prefix));
        let stable = slot.tree.length(if is_last { best } else { shared });
        slot.tree.write(best, stable, &mut slot.hypothesis, &mut self.turned);
    }

    fn hypothesis(&self, slot: Slot) -> &Hypothesis {
        &self.slots[slot].hypothesis
    }

    fn quiet_frames(&self, slot: Slot) -> usize {
        let slot = &self.slots[slot];
        slot.frames - slot.beam[0].spoken
    }

    fn set_hotwords(&mut self, slot: Slot, hotwords: Option<Arc<Hotwords>>) -> Option<Arc<Hotwords>> {
        let slot = &mut self.slots[slot];
        if let Some(old) = &slot.hotwords {
            for entry in &mut slot.beam {
                let (credit, change) = old.close(entry.credit);
                (entry.credit, entry.bonus) = (credit, entry.bonus + change);
            }
        }
        std::mem::replace(&mut slot.hotwords, hotwords)
    }

    fn reset(&mut self, _network: &mut N, slot: Slot) {
        let slot = &mut self.slots[slot];
        slot.tree.clear();
        slot.hypothesis.clear();
        slot.frames = 0;
        slot.beam.clear();
        slot.beam.push(Entry {
            prefix: EMPTY,
            blank: 0.0,
            symbol: f32::NEG_INFINITY,
            last: None,
            credit: Credit::default(),
            bonus: 0.0,
            spoken: 0,
        });
    }
}
