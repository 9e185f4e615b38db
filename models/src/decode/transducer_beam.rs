//! Modified beam search of a transducer: at most one symbol a frame.
//!
//! At each frame every hypothesis is extended by the blank and by its most likely symbols; what says the same by two
//! ways is one hypothesis, whose probabilities add up; the most likely stay. What all hypotheses begin with is stable.

use super::hotwords::{Credit, Hotwords};
use super::prefix::{EMPTY, Prefix, PrefixTree, log_add};
use super::stream::{Joiner, Predictor, StreamLimits, StreamStrategy};
use crate::buffer::Buffer;
use crate::fault::Faults;
use crate::hypothesis::{Hypothesis, Token};
use crate::request::Slot;
use std::sync::Arc;
use voxlane_kernels::rows::{Rows, RowsMut};
use voxlane_kernels::softmax::log_sum_exp;
use voxlane_kernels::topk::{Candidate, topk};

/// Predictor states of a slot.
const MAX_STATES: usize = 64;

/// See the module: `BEAM` hypotheses, 1 to 32.
#[derive(Debug)]
pub struct TransducerBeam<const BEAM: usize> {
    limits: StreamLimits,
    blank: u32,
    state_len: usize,
    prediction_len: usize,
    symbols: usize,
    slots: Vec<SlotState<BEAM>>,
    /// State and prediction before any symbol.
    start: (Buffer, Buffer),
    /// Of one frame: predictions and logits, a row for each hypothesis.
    predictions: Buffer,
    logits: Buffer,
    raised: Buffer,
    extended: Vec<Extended>,
    turned: Vec<Token>,
}

#[derive(Debug)]
struct SlotState<const BEAM: usize> {
    tree: PrefixTree,
    beam: Vec<Entry>,
    /// Twice as many as hypotheses: a new one is made while its parent's is needed.
    states: Buffer,
    predictions: Buffer,
    hypothesis: Hypothesis,
    frames: usize,
    quiet: usize,
    hotwords: Option<Arc<Hotwords>>,
}

/// One hypothesis.
#[derive(Clone, Copy, Debug)]
struct Entry {
    prefix: Prefix,
    /// Of its tokens, without what hotwords earn.
    log_prob: f32,
    credit: Credit,
    /// What the hotwords have earned it.
    bonus: f32,
    /// The number of its predictor state.
    state: usize,
    /// The frame after its last token.
    spoken: usize,
}

/// An entry with one frame more.
#[derive(Clone, Copy, Debug)]
struct Extended {
    entry: Entry,
    hash: u64,
    /// The symbol, and its own log-probability; none for the blank.
    symbol: Option<(u32, f32)>,
}

impl Entry {
    fn score(&self) -> f32 {
        self.log_prob + self.bonus
    }
}

impl<const BEAM: usize> TransducerBeam<BEAM> {
    /// The hypothesis of that rank, the most likely one being 0: writes its tokens into `tokens`, the first one first,
    /// and gives the logarithm of its probability, without what hotwords earned. None where there are not so many.
    pub fn n_best(&self, slot: Slot, rank: usize, tokens: &mut Vec<Token>) -> Option<f32> {
        let slot = &self.slots[slot];
        let entry = slot.beam.get(rank)?;
        tokens.clear();
        tokens.extend(slot.tree.backwards(entry.prefix));
        tokens.reverse();
        Some(entry.log_prob)
    }

    /// All ways on from the hypotheses of a slot, merged, the best first.
    fn extend<N: Joiner>(&mut self, network: &mut N, slot: Slot, frame: &[f32], faults: &mut Faults) {
        let slot = &self.slots[slot];
        let (count, width) = (slot.beam.len(), self.prediction_len);
        for (entry, row) in slot.beam.iter().zip(self.predictions.chunks_exact_mut(width)) {
            row.copy_from_slice(&slot.predictions[entry.state * width..][..width]);
        }
        let logits = &mut self.logits[..count * self.symbols];
        let predictions = Rows::dense(&self.predictions[..count * width], width);
        network.logits(frame, predictions, RowsMut::dense(logits, self.symbols));
        self.extended.clear();
        for (entry, logits) in slot.beam.iter().zip(logits.chunks_exact_mut(self.symbols)) {
            let whole = log_sum_exp(logits);
            if !whole.is_finite() {
                *faults |= Faults::NOT_FINITE;
                continue;
            }
            let log_prob = entry.log_prob + logits[self.blank as usize] - whole;
            let hash = slot.tree.hash(entry.prefix);
            self.extended.push(Extended { entry: Entry { log_prob, ..*entry }, hash, symbol: None });
            if slot.tree.length(entry.prefix) == self.limits.max_tokens {
                *faults |= Faults::TOKEN_LIMIT;
                continue;
            }
            logits[self.blank as usize] = f32::NEG_INFINITY;
            let ranked: &[f32] = match slot.hotwords.as_deref() {
                None => logits,
                Some(hotwords) => {
                    self.raised.copy_from_slice(logits);
                    let refund = hotwords.close(entry.credit).1;
                    hotwords.for_each_next(entry.credit, |token, gain| {
                        if let Some(value) = self.raised.get_mut(token as usize) {
                            *value = logits[token as usize] + gain - refund;
                        }
                    });
                    &self.raised
                }
            };
            let mut best = [Candidate::default(); BEAM];
            let found = topk(ranked, &mut best).min(self.symbols - 1);
            for candidate in &best[..found] {
                let token = candidate.index as u32;
                let own = logits[candidate.index] - whole;
                let (credit, gain) = slot
                    .hotwords
                    .as_deref()
                    .map_or((entry.credit, 0.0), |hotwords| hotwords.advance(entry.credit, token));
                let entry =
                    Entry { log_prob: entry.log_prob + own, credit, bonus: entry.bonus + gain, ..*entry };
                let hash = slot.tree.extended_hash(entry.prefix, token);
                self.extended.push(Extended { entry, hash, symbol: Some((token, own)) });
            }
        }
        merge(&mut self.extended);
    }
}

/// Joins those of one hash and sorts by score. What needs no new state stands for the joined ones.
fn merge(extended: &mut Vec<Extended>) {
    let mut index = 0;
    while index < extended.len() {
        let Some(other) =
            (index + 1..extended.len()).find(|&other| extended[other].hash == extended[index].hash)
        else {
            index += 1;
            continue;
        };
        let log_prob = log_add(extended[index].entry.log_prob, extended[other].entry.log_prob);
        let kept = if extended[index].symbol.is_none() { extended[index] } else { extended[other] };
        extended[index] = Extended { entry: Entry { log_prob, ..kept.entry }, ..kept };
        extended.remove(other);
    }
    extended.sort_unstable_by(|a, b| b.entry.score().total_cmp(&a.entry.score()));
}

impl<N: Predictor + Joiner, const BEAM: usize> StreamStrategy<N> for TransducerBeam<BEAM> {
    const NEEDS_CTC: bool = false;

    fn new(network: &mut N, limits: StreamLimits) -> Self {
        const { assert!(BEAM > 0 && 2 * BEAM <= MAX_STATES, "1 to 32 hypotheses") };
        let (state_len, prediction_len, symbols) =
            (network.state_len(), network.prediction_len(), network.symbols());
        let mut start = (Buffer::zeros(state_len), Buffer::zeros(prediction_len));
        network.start(&mut start.0, &mut start.1);
        let slot = || SlotState {
            tree: PrefixTree::with_capacity(limits.max_frames * BEAM),
            beam: Vec::with_capacity(BEAM),
            states: Buffer::zeros(2 * BEAM * state_len),
            predictions: Buffer::zeros(2 * BEAM * prediction_len),
            hypothesis: Hypothesis::with_capacity(limits.max_tokens),
            frames: 0,
            quiet: 0,
            hotwords: None,
        };
        let mut strategy = TransducerBeam {
            blank: network.blank(),
            state_len,
            prediction_len,
            symbols,
            slots: (0..limits.slots).map(|_| slot()).collect(),
            start,
            predictions: Buffer::zeros(BEAM * prediction_len),
            logits: Buffer::zeros(BEAM * symbols),
            raised: Buffer::zeros(symbols),
            extended: Vec::with_capacity(BEAM * (BEAM + 1)),
            turned: Vec::with_capacity(limits.max_tokens),
            limits,
        };
        (0..limits.slots).for_each(|slot| strategy.reset(network, slot));
        strategy
    }

    fn frame(&mut self, network: &mut N, slot: Slot, frame: &[f32], faults: &mut Faults) {
        self.extend(network, slot, frame, faults);
        let (len, width) = (self.state_len, self.prediction_len);
        let slot = &mut self.slots[slot];
        let place = slot.frames;
        slot.frames += 1;
        if self.extended.is_empty() {
            // Nothing finite came out: the hypotheses stay as they are.
            slot.quiet += 1;
            return;
        }
        let (start, end) = self.limits.times(place);
        let is_old = |state: usize, beam: &[Entry]| beam.iter().any(|entry| entry.state == state);
        let old: [bool; MAX_STATES] = std::array::from_fn(|state| is_old(state, &slot.beam));
        let mut free = (0..2 * BEAM).filter(|&state| !old[state]);
        slot.beam.clear();
        for extended in self.extended.iter().take(BEAM) {
            let mut entry = extended.entry;
            if let Some((id, log_prob)) = extended.symbol
                && let Some(state) = free.next()
            {
                entry.prefix = slot.tree.extend(entry.prefix, Token { id, log_prob, start, end });
                slot.states.copy_within(entry.state * len..(entry.state + 1) * len, state * len);
                entry.state = state;
                entry.spoken = slot.frames;
                let state_row = &mut slot.states[state * len..(state + 1) * len];
                network.advance(id, state_row, &mut slot.predictions[state * width..(state + 1) * width]);
            }
            slot.beam.push(entry);
        }
        slot.quiet = slot.frames - slot.beam[0].spoken;
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
        let best = slot.beam[0];
        slot.quiet = slot.frames - best.spoken;
        let shared =
            slot.beam.iter().fold(best.prefix, |shared, entry| slot.tree.common(shared, entry.prefix));
        let stable = slot.tree.length(if is_last { best.prefix } else { shared });
        slot.tree.write(best.prefix, stable, &mut slot.hypothesis, &mut self.turned);
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
        (slot.frames, slot.quiet) = (0, 0);
        slot.states[..self.state_len].copy_from_slice(&self.start.0);
        slot.predictions[..self.prediction_len].copy_from_slice(&self.start.1);
        slot.beam.clear();
        slot.beam.push(Entry {
            prefix: EMPTY,
            log_prob: 0.0,
            credit: Credit::default(),
            bonus: 0.0,
            state: 0,
            spoken: 0,
        });
    }
}
