//! Prefix beam search of a CTC head (Graves and Jaitly 2014; Hannun et al. 2014).

use super::beam::{Beam, Entry, Likelihood, raise};
use super::hotwords::Hotwords;
use super::prefix::log_add;
use super::stream::{CtcHead, StreamLimits, StreamStrategy};
use crate::buffer::Buffer;
use crate::fault::Faults;
use crate::hypothesis::{Hypothesis, Token};
use crate::request::Slot;
use std::sync::Arc;
use voxlane_kernels::softmax::log_sum_exp;
use voxlane_kernels::topk::{Candidate, topk};

/// `BEAM` sequences, each with the probability of all paths that say it, those that end with a blank and those that end
/// with its last symbol apart.
#[derive(Debug)]
pub struct CtcPrefixBeam<const BEAM: usize> {
    limits: StreamLimits,
    blank: u32,
    slots: Vec<Beam<Paths>>,
    logits: Buffer,
    raised: Buffer,
    extended: Vec<Extended>,
    turned: Vec<Token>,
}

/// The paths that say a sequence.
#[derive(Clone, Copy, Debug)]
struct Paths {
    /// Of those that end with a blank, and with the last symbol.
    blank: f32,
    symbol: f32,
    last: Option<u32>,
}

impl Default for Paths {
    fn default() -> Self {
        Paths { blank: 0.0, symbol: f32::NEG_INFINITY, last: None }
    }
}

impl Likelihood for Paths {
    fn log_prob(&self) -> f32 {
        log_add(self.blank, self.symbol)
    }
}

#[derive(Clone, Copy, Debug)]
struct Extended {
    entry: Entry<Paths>,
    hash: u64,
    /// A token that is not in the tree yet, and its log-probability.
    token: Option<(u32, f32)>,
}

impl<const BEAM: usize> CtcPrefixBeam<BEAM> {
    /// The hypothesis of that rank, the most likely one being 0: writes its tokens into `tokens`, the first one first,
    /// and gives the logarithm of its probability, without what hotwords earned. None where there are not so many.
    pub fn n_best(&self, slot: Slot, rank: usize, tokens: &mut Vec<Token>) -> Option<f32> {
        self.slots[slot].n_best(rank, tokens)
    }
}

/// Adds a way to a sequence to those known.
fn put(extended: &mut Vec<Extended>, new: Extended) {
    match extended.iter_mut().find(|known| known.hash == new.hash) {
        None => extended.push(new),
        Some(known) => {
            let (old, more) = (known.entry.own, new.entry.own);
            let (blank, symbol) = (log_add(old.blank, more.blank), log_add(old.symbol, more.symbol));
            // What is in the tree already stands for both.
            if new.token.is_none() {
                *known = new;
            }
            (known.entry.own.blank, known.entry.own.symbol) = (blank, symbol);
        }
    }
}

impl<N: CtcHead, const BEAM: usize> StreamStrategy<N> for CtcPrefixBeam<BEAM> {
    const NEEDS_CTC: bool = true;

    fn new(network: &mut N, limits: StreamLimits) -> Self {
        const { assert!(BEAM > 0, "at least one hypothesis") };
        let symbols = network.ctc_symbols();
        CtcPrefixBeam {
            blank: network.ctc_blank(),
            slots: (0..limits.slots).map(|_| Beam::new(&limits, BEAM)).collect(),
            logits: Buffer::zeros(symbols),
            raised: Buffer::zeros(symbols),
            extended: Vec::with_capacity(BEAM * (BEAM + 1)),
            turned: Vec::with_capacity(limits.max_tokens),
            limits,
        }
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
        let hotwords = slot.hotwords.as_deref();
        for entry in &slot.entries {
            let paths = entry.own;
            let total = paths.log_prob();
            let again = paths.last.map_or(f32::NEG_INFINITY, |last| self.logits[last as usize]);
            let same = Paths { blank: total + blank, symbol: paths.symbol + again, ..paths };
            let same = Entry { own: same, ..*entry };
            put(
                &mut self.extended,
                Extended { entry: same, hash: slot.tree.hash(entry.prefix), token: None },
            );
            if slot.tree.length(entry.prefix) == self.limits.max_tokens {
                *faults |= Faults::TOKEN_LIMIT;
                continue;
            }
            let ranked = raise(&self.logits, hotwords, entry.credit, &mut self.raised);
            let mut best = [Candidate::default(); BEAM];
            let found = topk(ranked, &mut best).min(count);
            for candidate in &best[..found] {
                let token = candidate.index as u32;
                let log_prob = self.logits[candidate.index];
                // The same symbol again is a new one only after a blank.
                let before = if paths.last == Some(token) { paths.blank } else { total };
                let own = Paths { blank: f32::NEG_INFINITY, symbol: before + log_prob, last: Some(token) };
                let entry = Entry { own, spoken: slot.frames, ..entry.credited(hotwords, token) };
                let hash = slot.tree.extended_hash(entry.prefix, token);
                put(&mut self.extended, Extended { entry, hash, token: Some((token, log_prob)) });
            }
        }
        self.extended.sort_unstable_by(|a, b| b.entry.score().total_cmp(&a.entry.score()));
        slot.entries.clear();
        for Extended { mut entry, token, .. } in self.extended.iter().copied().take(BEAM) {
            if let Some((id, log_prob)) = token {
                entry.prefix = slot.tree.extend(entry.prefix, Token { id, log_prob, start, end });
            }
            slot.entries.push(entry);
        }
    }

    fn conclude(&mut self, slot: Slot, is_last: bool) {
        self.slots[slot].conclude(is_last, &mut self.turned);
    }

    fn hypothesis(&self, slot: Slot) -> &Hypothesis {
        &self.slots[slot].hypothesis
    }

    fn quiet_frames(&self, slot: Slot) -> usize {
        self.slots[slot].quiet_frames()
    }

    fn set_hotwords(&mut self, slot: Slot, hotwords: Option<Arc<Hotwords>>) -> Option<Arc<Hotwords>> {
        self.slots[slot].set_hotwords(hotwords)
    }

    fn reset(&mut self, _network: &mut N, slot: Slot) {
        self.slots[slot].reset();
    }
}
