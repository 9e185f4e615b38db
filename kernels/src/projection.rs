//! From a hidden state to the best token by way of a short list.
//!
//! The token is the one with the largest f32 logit, found by reading a fifth of the bytes: all outputs are scored with 6-bit
//! weights, then [`rescore`] computes the exact f32 logits of those that could still be the best. Of equal logits the first
//! index wins; NaN never does.
//!
//! # The proof
//! With `x` the hidden row, `x8` its 8-bit form, `w` an output's weights and `w6` their 6-bit form, by Cauchy and
//! Schwarz
//!
//! `|x·w - x8·w6| <= |x|·|w - w6| + |x - x8|·|w6|`
//!
//! in Euclidean norms. The norms of the weights are kept from packing, those of the row are computed; rounding
//! in f32 is bounded by `2^-23` for each input times `|x|·|w|`. An output whose upper bound is below some
//! other's lower bound cannot be the best. So this is a proof, not an estimate; a bound that is not finite
//! makes the call compute all logits.

use crate::argmax::{argmax, panel_peaks};
use crate::gemm::i8::QuantizedRows;
use crate::gemm::{Epilogue, PANEL, f32 as gemm_f32, i6 as gemm_i6};
use crate::rows::{Rows, RowsMut};
use std::ops::Range;

/// The token with the largest logit.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Best {
    /// Its index.
    pub token: usize,
    /// Its logit.
    pub logit: f32,
}

/// Replaces `best` if one of the logits, of outputs from `first` on, is larger.
fn improve(best: &mut Option<Best>, logits: &[f32], first: usize) {
    if let Some(index) = argmax(logits)
        && best.is_none_or(|best| logits[index] > best.logit)
    {
        *best = Some(Best { token: first + index, logit: logits[index] });
    }
}

/// What [`rescore`] needs of an output matrix.
#[derive(Clone, Copy, Debug)]
pub struct ShortList<'a> {
    exact: gemm_f32::Packed<'a>,
    bounds: &'a [PanelBound],
    excluded: &'a [Range<u32>],
}

/// The largest norms among the outputs of one panel, rounded up.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
#[repr(C)]
pub struct PanelBound {
    /// Euclidean norm of the difference of the exact and the 6-bit weights.
    pub difference: f32,
    /// Euclidean norm of the 6-bit weights.
    pub coarse: f32,
}

/// Number of [`PanelBound`]s of an output matrix.
pub const fn bounds_len(outputs: usize) -> usize {
    outputs.div_ceil(PANEL)
}

/// Computes the bounds of a matrix in its two forms: once, when the weights are packed.
///
/// # Panics
/// If the shapes differ or `bounds` is not [`bounds_len`] long.
pub fn bound(exact: &gemm_f32::Packed<'_>, coarse: &gemm_i6::Packed<'_>, bounds: &mut [PanelBound]) {
    let (outputs, inputs) = (exact.outputs(), exact.inputs());
    assert_eq!((outputs, inputs), (coarse.outputs(), coarse.inputs()), "two forms of one matrix");
    assert_eq!(bounds.len(), bounds_len(outputs), "bounds of {outputs} outputs");
    for (panel, bound) in bounds.iter_mut().enumerate() {
        *bound = PanelBound::default();
        for output in panel * PANEL..outputs.min((panel + 1) * PANEL) {
            let (mut difference, mut norm) = (0.0, 0.0);
            for input in 0..inputs {
                let rounded = f64::from(coarse.weight(output, input));
                difference += (f64::from(exact.weight(output, input)) - rounded).powi(2);
                norm += rounded.powi(2);
            }
            bound.difference = bound.difference.max(up(difference.sqrt()));
            bound.coarse = bound.coarse.max(up(norm.sqrt()));
        }
    }
}

/// An f32 that is certainly not smaller than a computed f64 norm.
fn up(norm: f64) -> f32 {
    ((norm * (1.0 + 1e-9)) as f32).next_up()
}

impl<'a> ShortList<'a> {
    /// The exact matrix, and what [`bound`] computed of it and of its 6-bit form.
    ///
    /// # Panics
    /// If `bounds` is not [`bounds_len`] long.
    pub fn new(exact: gemm_f32::Packed<'a>, bounds: &'a [PanelBound]) -> Self {
        assert_eq!(bounds.len(), bounds_len(exact.outputs()), "one bound for each panel");
        Self { exact, bounds, excluded: &[] }
    }

    /// The same without some outputs: the choice is as if their logits were negative infinity, in the first look at all of
    /// them too. The bounds of the others hold without them, so the result is still a proof. Ranges that reach beyond the
    /// outputs end with them.
    pub fn excluding(self, outputs: &'a [Range<u32>]) -> Self {
        Self { excluded: outputs, ..self }
    }
}

/// What [`rescore`] found, and how much it had to compute for it.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Listed {
    /// The best output, nothing if all logits are NaN.
    pub best: Option<Best>,
    /// Panels of [`PANEL`] outputs whose exact logits were computed, of all [`bounds_len`].
    pub panels: usize,
}

/// The output with the largest logit for one row, to the bit, by way of a short list. `coarse` is the same row, quantized;
/// `scores` is its product with the 6-bit weights, of which those that are computed exactly are replaced; `peaks` is
/// scratch for one value of each panel. Allocates nothing.
///
/// # Panics
/// If a length does not fit the matrix, or `coarse` is not one row.
pub fn rescore(
    hidden: &[f32],
    coarse: &QuantizedRows<'_>,
    w: &ShortList<'_>,
    scores: &mut [f32],
    peaks: &mut [f32],
) -> Listed {
    let (outputs, inputs) = (w.exact.outputs(), w.exact.inputs());
    assert_eq!(hidden.len(), inputs, "a hidden row of {inputs} values");
    assert_eq!(coarse.count(), 1, "one quantized row");
    assert_eq!(scores.len(), outputs, "scores of {outputs} outputs");
    let slack = Slack::new(hidden, coarse);
    exclude(w.excluded, 0, scores);
    panel_peaks(scores, peaks);
    // The lower bound that the best output certainly reaches.
    let mut reached = f32::NEG_INFINITY;
    for (&peak, bound) in peaks.iter().zip(w.bounds) {
        if peak > reached {
            reached = reached.max(peak - slack.of(bound, peak));
        }
    }
    let is_bounded = reached.is_finite() && slack.is_finite();
    let mut listed = Listed { best: None, panels: 0 };
    for (panel, (&peak, bound)) in peaks.iter().zip(w.bounds).enumerate() {
        if !is_bounded || peak + slack.of(bound, peak) >= reached {
            let first = panel * PANEL;
            let logits = &mut scores[first..outputs.min(first + PANEL)];
            let part = w.exact.part(panel, 1);
            gemm_f32::gemm(Rows::one(hidden), &part, &Epilogue::default(), RowsMut::one(logits));
            exclude(w.excluded, first, logits);
            improve(&mut listed.best, logits, first);
            listed.panels += 1;
        }
    }
    listed
}

/// Makes those of `logits`, the first of which is that of output `first`, negative infinity that are within `ranges`.
pub fn exclude(ranges: &[Range<u32>], first: usize, logits: &mut [f32]) {
    for range in ranges {
        let place = |output: u32| (output as usize).saturating_sub(first).min(logits.len());
        let (from, to) = (place(range.start), place(range.end));
        if from < to {
            logits[from..to].fill(f32::NEG_INFINITY);
        }
    }
}

/// Bounds the distance of a row's scores from its exact logits.
struct Slack {
    /// Euclidean norm of the row.
    row: f32,
    /// Euclidean norm of what its quantization changed.
    change: f32,
    /// Relative error of f32 sums over the inputs, and of the bounds' own arithmetic.
    rounding: f32,
    /// What products too small for f32 can lose.
    underflow: f32,
}

impl Slack {
    fn new(hidden: &[f32], coarse: &QuantizedRows<'_>) -> Self {
        let (bytes, scale) = coarse.row(0);
        let (mut row, mut change) = (0.0, 0.0);
        for (&value, &byte) in hidden.iter().zip(bytes) {
            let rounded = (f64::from(byte) - 128.0) * f64::from(scale);
            row += f64::from(value).powi(2);
            change += (f64::from(value) - rounded).powi(2);
        }
        // A sum of n f32 products is within n * 2^-24 of exact, relative to |x|·|w|, to first order; twice
        // that, and sixteen more, covers the higher orders and the few operations below.
        let operations = (hidden.len() + 16) as f32;
        Self {
            row: up(row.sqrt()),
            change: up(change.sqrt()),
            rounding: operations * f32::EPSILON,
            underflow: operations * f32::MIN_POSITIVE,
        }
    }

    fn is_finite(&self) -> bool {
        self.row.is_finite() && self.change.is_finite()
    }

    /// The most that an exact logit of the panel can be away from a score of that size.
    fn of(&self, bound: &PanelBound, score: f32) -> f32 {
        let weights = self.row * bound.difference + self.change * bound.coarse;
        let rounding = self.row * (bound.difference + bound.coarse) + score.abs();
        weights * (1.0 + self.rounding) + rounding * self.rounding + self.underflow
    }
}
