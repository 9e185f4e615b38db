//! Modified beam search of a transducer: at most one symbol a frame.
//!
//! At each frame every hypothesis is extended by the blank and by its most likely symbols; what says the same by two
//! ways is one hypothesis, whose probabilities add up; the most likely stay. What all hypotheses begin with is stable.

use super::beam::{Beam, Entry, Likelihood, raise};
use super::hotwords::Hotwords;
use super::prefix::log_add;
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
    slots: Vec<SlotState>,
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
struct SlotState {
    beam: Beam<Likely>,
    /// Twice as many as hypotheses: a new one is made while its parent's is needed.
    states: Buffer,
    predictions: Buffer,
}

/// What is known of a hypothesis.
#[derive(Clone, Copy, Debug, Default)]
struct Likely {
    log_prob: f32,
    /// The number of its predictor state.
    state: usize,
}

impl Likelihood for Likely {
    fn log_prob(&self) -> f32 {
        self.log_prob
    }
}

/// An entry with one frame more.
#[derive(Clone, Copy, Debug)]
struct Extended {
    entry: Entry<Likely>,
    hash: u64,
    /// The symbol, and its own log-probability; none for the blank.
    symbol: Option<(u32, f32)>,
}

impl<const BEAM: usize> TransducerBeam<BEAM> {
    /// The hypothesis of that rank, the most likely one being 0: writes its tokens into `tokens`, the first one first,
    /// and gives the logarithm of its probability, without what hotwords earned. None where there are not so many.
    pub fn n_best(&self, slot: Slot, rank: usize, tokens: &mut Vec<Token>) -> Option<f32> {
        self.slots[slot].beam.n_best(rank, tokens)
    }

    /// All ways on from the hypotheses of a slot, merged, the best first.
    fn extend<N: Joiner>(&mut self, network: &mut N, slot: Slot, frame: &[f32], faults: &mut Faults) {
        let slot = &self.slots[slot];
        let (beam, hotwords) = (&slot.beam, slot.beam.hotwords.as_deref());
        let (count, width) = (beam.entries.len(), self.prediction_len);
        for (entry, row) in beam.entries.iter().zip(self.predictions.chunks_exact_mut(width)) {
            row.copy_from_slice(&slot.predictions[entry.own.state * width..][..width]);
        }
        let logits = &mut self.logits[..count * self.symbols];
        let predictions = Rows::dense(&self.predictions[..count * width], width);
        network.logits(frame, predictions, RowsMut::dense(logits, self.symbols));
        self.extended.clear();
        for (entry, logits) in beam.entries.iter().zip(logits.chunks_exact_mut(self.symbols)) {
            let whole = log_sum_exp(logits);
            if !whole.is_finite() {
                *faults |= Faults::NOT_FINITE;
                continue;
            }
            let likely = entry.own;
            let own = Likely { log_prob: likely.log_prob + logits[self.blank as usize] - whole, ..likely };
            let hash = beam.tree.hash(entry.prefix);
            self.extended.push(Extended { entry: Entry { own, ..*entry }, hash, symbol: None });
            if beam.tree.length(entry.prefix) == self.limits.max_tokens {
                *faults |= Faults::TOKEN_LIMIT;
                continue;
            }
            logits[self.blank as usize] = f32::NEG_INFINITY;
            let ranked = raise(logits, hotwords, entry.credit, &mut self.raised);
            let mut best = [Candidate::default(); BEAM];
            let found = topk(ranked, &mut best).min(self.symbols - 1);
            for candidate in &best[..found] {
                let token = candidate.index as u32;
                let log_prob = logits[candidate.index] - whole;
                let entry = Entry {
                    own: Likely { log_prob: likely.log_prob + log_prob, ..likely },
                    ..entry.credited(hotwords, token)
                };
                let hash = beam.tree.extended_hash(entry.prefix, token);
                self.extended.push(Extended { entry, hash, symbol: Some((token, log_prob)) });
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
        let [a, b] = [index, other].map(|place| extended[place].entry.own.log_prob);
        let mut kept = if extended[index].symbol.is_none() { extended[index] } else { extended[other] };
        kept.entry.own.log_prob = log_add(a, b);
        extended[index] = kept;
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
            beam: Beam::new(&limits, BEAM),
            states: Buffer::zeros(2 * BEAM * state_len),
            predictions: Buffer::zeros(2 * BEAM * prediction_len),
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
        let SlotState { beam, states, predictions } = &mut self.slots[slot];
        let (start, end) = self.limits.times(beam.frames);
        beam.frames += 1;
        if self.extended.is_empty() {
            // Nothing finite came out: the hypotheses stay as they are.
            return;
        }
        let is_old = |state| beam.entries.iter().any(|entry| entry.own.state == state);
        let old: [bool; MAX_STATES] = std::array::from_fn(is_old);
        let mut free = (0..2 * BEAM).filter(|&state| !old[state]);
        beam.entries.clear();
        for extended in self.extended.iter().take(BEAM) {
            let mut entry = extended.entry;
            if let Some((id, log_prob)) = extended.symbol
                && let Some(state) = free.next()
            {
                entry.prefix = beam.tree.extend(entry.prefix, Token { id, log_prob, start, end });
                let parent = std::mem::replace(&mut entry.own.state, state);
                states.copy_within(parent * len..(parent + 1) * len, state * len);
                entry.spoken = beam.frames;
                let state_row = &mut states[state * len..(state + 1) * len];
                network.advance(id, state_row, &mut predictions[state * width..(state + 1) * width]);
            }
            beam.entries.push(entry);
        }
    }

    fn conclude(&mut self, slot: Slot, is_last: bool) {
        self.slots[slot].beam.conclude(is_last, &mut self.turned);
    }

    fn hypothesis(&self, slot: Slot) -> &Hypothesis {
        &self.slots[slot].beam.hypothesis
    }

    fn quiet_frames(&self, slot: Slot) -> usize {
        self.slots[slot].beam.quiet_frames()
    }

    fn set_hotwords(&mut self, slot: Slot, hotwords: Option<Arc<Hotwords>>) -> Option<Arc<Hotwords>> {
        self.slots[slot].beam.set_hotwords(hotwords)
    }

    fn reset(&mut self, _network: &mut N, slot: Slot) {
        let slot = &mut self.slots[slot];
        slot.beam.reset();
        slot.states[..self.state_len].copy_from_slice(&self.start.0);
        slot.predictions[..self.prediction_len].copy_from_slice(&self.start.1);
    }
}
