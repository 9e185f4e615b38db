//! The output projection: the last norm, and the most likely token with its probability.

use crate::arena::Arena;
use crate::buffer::Buffer;
use crate::decode::{Excluded, Prediction};
use crate::formats::packed::{Packed, PackedError, Reader, Stored, Writer, packed_fields};
use crate::layers::check::ensure;
use crate::layers::linear::Precision;
use crate::layers::matrix::{Matrix, quantize};
use crate::layers::norm::Norm;
use crate::networks::moonshine::config::Config;
use crate::networks::moonshine::weights::MoonshineWeights;
use voxlane_kernels::argmax::argmax;
use voxlane_kernels::gemm::{Epilogue, PANEL};
use voxlane_kernels::projection::{self, PanelBound, ShortList};
use voxlane_kernels::rows::{Rows, RowsMut};
use voxlane_kernels::softmax::log_sum_exp;

/// Bytes of weights in a part of the vocabulary: about 100 µs from memory. Its logits stay in the L1 cache
/// between the product, the search for the largest and the sum of exponentials.
const PART_BYTES: usize = 1 << 20;

/// The embedding, and its transpose as the output projection; stored once.
pub(super) struct Output {
    norm: Norm,
    /// The embedding, exact.
    embedding: Matrix,
    /// The embedding in 6 bits, for a first look at all logits.
    coarse: Option<Coarse>,
}

/// What a short list is made with.
struct Coarse {
    matrix: Matrix,
    bounds: Stored<PanelBound>,
}

packed_fields!(Output { norm, embedding, coarse });

/// What comes out of the rows of a block.
pub(super) struct Block<'a> {
    /// One for each row.
    pub(super) choices: &'a mut [Choice],
    /// Room for the logits of all rows.
    pub(super) logits: &'a mut [f32],
    /// What each row may not choose and what has no share in its probability.
    pub(super) excluded: &'a [Excluded],
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
    fn look(&mut self, first: usize, logits: &[f32]) {
        if let Some(best) = argmax(logits)
            && logits[best] > self.logit
        {
            (self.token, self.logit) = ((first + best) as u32, logits[best]);
        }
    }

    /// Takes their probabilities into account.
    fn weigh(&mut self, logits: &[f32]) {
        let part = log_sum_exp(logits);
        if part == f32::NEG_INFINITY {
            return; // all of them are excluded
        }
        // NaN stays NaN: `max` would drop it, the sum does not.
        let most = self.log_sum_exp.max(part);
        self.log_sum_exp = most + ((self.log_sum_exp - most).exp() + (part - most).exp()).ln();
    }

    /// The token and its log-probability; not finite if a logit was not.
    pub(super) fn prediction(&self) -> Prediction {
        let log_prob = self.logit - self.log_sum_exp;
        // Where an exact logit meets a sum over coarse ones, a probability may come out just above one.
        Prediction { token: self.token, log_prob: if log_prob > 0.0 { 0.0 } else { log_prob } }
    }
}

impl Output {
    pub(super) fn new(weights: &MoonshineWeights, config: &Config, precision: Precision) -> Self {
        let (embedding, vocabulary) = (&weights.embedding, config.sizes.vocabulary);
        let (exact, coarse) = match precision {
            Precision::F32 => (Matrix::new(embedding, vocabulary, precision), None),
            Precision::Int8 => {
                let exact = Matrix::new(embedding, vocabulary, Precision::F32);
                let coarse = Coarse::new(embedding, &exact);
                (exact, Some(coarse))
            }
        };
        Output {
            norm: Norm::scale(&weights.decoder_norm, config.layer_norm_epsilon),
            embedding: exact,
            coarse,
        }
    }

    /// Whether it is the output projection of such a network.
    pub(super) fn check(&self, config: &Config, precision: Precision) -> Result<(), PackedError> {
        let (hidden, shape) = (config.sizes.hidden, (config.sizes.vocabulary, config.sizes.hidden));
        let has_shape = |matrix: &Matrix| (matrix.outputs(), matrix.inputs()) == shape;
        ensure(self.norm.is_scale(hidden), "the norm of the output projection is not sound")?;
        ensure(has_shape(&self.embedding), "the embedding has not the size that the network's sizes give")?;
        let exact = if self.coarse.is_some() { Precision::F32 } else { precision };
        ensure(self.embedding.is_in(exact), "the embedding is not in the network's precision")?;
        ensure(self.coarse.is_some() == (precision == Precision::Int8), "a short list belongs to 8 bits")?;
        let is_sound = |coarse: &Coarse| has_shape(&coarse.matrix) && coarse.matrix.is_six_bits();
        ensure(self.coarse.as_ref().is_none_or(is_sound), "the short list is not of the embedding's size")
    }

    /// The matrix whose products are all computed.
    fn scanned(&self) -> &Matrix {
        self.coarse.as_ref().map_or(&self.embedding, |coarse| &coarse.matrix)
    }

    /// Tokens in a part.
    fn part_tokens(&self) -> usize {
        let matrix = self.scanned();
        (PART_BYTES / matrix.output_bytes()).next_multiple_of(PANEL)
    }

    /// How many parts there are.
    pub(super) fn parts(&self) -> usize {
        self.embedding.outputs().div_ceil(self.part_tokens())
    }

    /// Writes the embedding of `token`.
    pub(super) fn embed(&self, token: u32, row: &mut [f32]) {
        self.embedding.row(token as usize, row);
    }

    /// Room for the logits after each of `rows` tokens.
    pub(super) fn logits(&self, rows: usize) -> Buffer {
        Buffer::zeros(rows * self.embedding.outputs())
    }

    /// The lengths of scratch memory that one call with `rows` rows takes at most.
    pub(super) fn scratch_lengths(&self, rows: usize) -> Vec<usize> {
        let width = self.embedding.inputs();
        let scratch = Matrix::scratch_lengths(width, rows);
        let peaks = projection::bounds_len(self.embedding.outputs());
        [vec![rows * width, peaks], scratch.to_vec(), scratch.to_vec()].concat()
    }

    /// Norms the rows of `hidden`, before the first part.
    pub(super) fn norm(&self, hidden: &mut [f32], arena: &Arena) {
        let (width, normed) = (self.embedding.inputs(), arena.scratch(hidden.len()));
        self.norm.apply(Rows::dense(hidden, width), RowsMut::dense(normed, width));
        hidden.copy_from_slice(normed);
    }

    /// Takes the logits of part `index` into account: one row of the normed `hidden` for each choice. The last
    /// part makes the choices final. `logits` is kept from part to part.
    pub(super) fn part(&self, index: usize, hidden: &[f32], block: Block<'_>, arena: &Arena) {
        let Block { choices, logits, excluded } = block;
        let (width, vocabulary) = (self.embedding.inputs(), self.embedding.outputs());
        let first = index * self.part_tokens();
        let count = self.part_tokens().min(vocabulary - first);
        let out = RowsMut::new(&mut logits[first..], vocabulary, choices.len());
        let rows = self.scanned().prepare(Rows::dense(hidden, width), arena);
        self.scanned().apply_part(first, count, &rows, &Epilogue::default(), out);
        let Some(coarse) = &self.coarse else {
            let rows = logits.chunks_exact_mut(vocabulary).zip(excluded);
            for (choice, (logits, excluded)) in choices.iter_mut().zip(rows) {
                let logits = &mut logits[first..first + count];
                projection::exclude(excluded.ranges(), first, logits);
                choice.look(first, logits);
                choice.weigh(logits);
            }
            return;
        };
        if first + count == vocabulary {
            let peaks = arena.scratch(projection::bounds_len(vocabulary));
            let rows = hidden.chunks_exact(width).zip(logits.chunks_exact_mut(vocabulary)).zip(excluded);
            let all = ShortList::new(self.embedding.f32(), &coarse.bounds);
            for (choice, ((hidden, logits), excluded)) in choices.iter_mut().zip(rows) {
                let list = all.excluding(excluded.ranges());
                let row = quantize(Rows::one(hidden), width, arena);
                if let Some(best) = projection::rescore(hidden, &row, &list, logits, peaks).best {
                    (choice.token, choice.logit) = (best.token as u32, best.logit);
                }
                // With the logits that are now exact, which are nearly all of the probability.
                choice.weigh(logits);
            }
        }
    }
}

impl Coarse {
    fn new(embedding: &[f32], exact: &Matrix) -> Self {
        let matrix = Matrix::six_bits(embedding, exact.outputs());
        let mut bounds = Buffer::zeros(projection::bounds_len(exact.outputs()));
        projection::bound(&exact.f32(), &matrix.i6(), &mut bounds);
        Coarse { matrix, bounds: bounds.into() }
    }
}

impl Packed for Coarse {
    fn save(&self, writer: &mut Writer) {
        self.matrix.save(writer);
        self.bounds.save(writer);
    }

    fn load(reader: &mut Reader<'_>) -> Result<Self, PackedError> {
        let (matrix, bounds) = (Matrix::load(reader)?, Stored::load(reader)?);
        if bounds.len() != projection::bounds_len(matrix.outputs()) {
            return Err(PackedError::Fields(
                "the bounds of the output projection are not as many as its panels",
            ));
        }
        Ok(Coarse { matrix, bounds })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn choose(parts: &[&[f32]]) -> Prediction {
        let mut choice = Choice::default();
        let mut first = 0;
        for part in parts {
            choice.look(first, part);
            choice.weigh(part);
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
    fn parts_that_are_wholly_excluded_have_no_share() {
        let none = f32::NEG_INFINITY;
        for parts in [[&[none, none][..], &[1.0, none]], [&[1.0, none], &[none, none]]] {
            assert_eq!(choose(&parts).log_prob, 0.0);
        }
        assert_eq!(choose(&[&[none, none], &[none, 1.0]]).token, 3);
    }

    #[test]
    fn a_logit_that_is_not_finite_shows_in_the_probability() {
        for bad in [f32::NAN, f32::INFINITY] {
            assert!(!choose(&[&[0.0, bad], &[1.0, 2.0]]).log_prob.is_finite());
            assert!(!choose(&[&[0.0, 1.0], &[bad, 2.0]]).log_prob.is_finite());
        }
    }
}
