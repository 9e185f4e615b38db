//! The output projection: the last norm, and the most likely token with its probability.

use super::block::Norm;
use super::config::Config;
use super::weights::MoonshineWeights;
use crate::arena::Arena;
use crate::decode::Prediction;
use crate::linear::{Linear, Precision, Then};
use voxlane_kernels::argmax::argmax;
use voxlane_kernels::rows::{Rows, RowsMut};
use voxlane_kernels::softmax::log_sum_exp;

/// Tokens in a part. Its logits stay in the L1 cache between the product, the search for the largest and
/// the sum of exponentials; in f32 its weights take 1.2 MB, about 100 µs from memory.
const PART_TOKENS: usize = 1024;

/// The embedding, transposed into logits, in parts along the vocabulary.
pub(super) struct Output {
    norm: Norm,
    parts: Vec<Linear>,
    width: usize,
}

/// The most likely token among the parts seen so far.
#[derive(Clone, Copy, Debug)]
pub(super) struct Choice {
    token: u32,
    logit: f32,
    log_sum_exp: f32,
}

impl Default for Choice {
    fn default() -> Self {
        Choice { token: 0, logit: f32::NEG_INFINITY, log_sum_exp: f32::NEG_INFINITY }
    }
}

impl Choice {
    /// Takes the logits of the tokens from `first` on into account. Of equal logits the first wins.
    fn add(&mut self, first: usize, logits: &[f32]) {
        if let Some(best) = argmax(logits)
            && logits[best] > self.logit
        {
            (self.token, self.logit) = ((first + best) as u32, logits[best]);
        }
        let part = log_sum_exp(logits);
        // NaN stays NaN: `max` would drop it, the sum does not.
        let most = self.log_sum_exp.max(part);
        self.log_sum_exp = most + ((self.log_sum_exp - most).exp() + (part - most).exp()).ln();
    }

    /// The token and its log-probability; not finite if a logit was not.
    pub(super) fn prediction(&self) -> Prediction {
        Prediction { token: self.token, log_prob: self.logit - self.log_sum_exp }
    }
}

impl Output {
    pub(super) fn new(weights: &MoonshineWeights, config: &Config, precision: Precision) -> Self {
        let width = config.sizes.hidden;
        let parts = weights.embedding.chunks(PART_TOKENS * width);
        Output {
            norm: Norm::new(&weights.decoder_norm, config.layer_norm_epsilon),
            parts: parts.map(|part| Linear::new(part, None, part.len() / width, precision)).collect(),
            width,
        }
    }

    /// How many parts there are.
    pub(super) fn parts(&self) -> usize {
        self.parts.len()
    }

    /// The lengths of scratch memory that one call with `rows` rows takes at most.
    pub(super) fn scratch_lengths(&self, rows: usize) -> Vec<usize> {
        vec![rows * self.width, rows * PART_TOKENS]
    }

    /// Norms the rows of `hidden`, before the first part.
    pub(super) fn norm(&self, hidden: &mut [f32], arena: &Arena) {
        let normed = arena.zeros(hidden.len());
        self.norm.apply(Rows::dense(hidden, self.width), RowsMut::dense(normed, self.width));
        hidden.copy_from_slice(normed);
    }

    /// Takes the logits of part `index` into account: one row of the normed `hidden` for each choice.
    pub(super) fn part(&self, index: usize, hidden: &[f32], choices: &mut [Choice], arena: &Arena) {
        let part = &self.parts[index];
        let logits = arena.zeros(choices.len() * part.outputs());
        let out = RowsMut::dense(logits, part.outputs());
        part.apply(Rows::dense(hidden, self.width), Then::Store, out, arena);
        for (choice, logits) in choices.iter_mut().zip(logits.chunks_exact(part.outputs())) {
            choice.add(index * PART_TOKENS, logits);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn choose(parts: &[&[f32]]) -> Prediction {
        let mut choice = Choice::default();
        let mut first = 0;
        for part in parts {
            choice.add(first, part);
            first += part.len();
        }
        choice.prediction()
    }

    #[test]
    fn parts_give_the_token_and_probability_of_the_whole() {
        let prediction = choose(&[&[0.0, 1.0], &[3.0, 2.0], &[3.0]]);
        let sum: f64 = [0.0, 1.0, 3.0, 2.0, 3.0f64].iter().map(|logit| logit.exp()).sum();
        assert_eq!(prediction.token, 2);
        assert!((f64::from(prediction.log_prob) - (3.0 - sum.ln())).abs() < 1e-6);
    }

    #[test]
    fn a_logit_that_is_not_finite_shows_in_the_probability() {
        for bad in [f32::NAN, f32::INFINITY] {
            assert!(!choose(&[&[0.0, bad], &[1.0, 2.0]]).log_prob.is_finite());
            assert!(!choose(&[&[0.0, 1.0], &[bad, 2.0]]).log_prob.is_finite());
        }
    }
}
