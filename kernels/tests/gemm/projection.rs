//! The short list of output projections against the plain product, on every instruction set of the machine.

use crate::common::noise;
use crate::integer_products::Weights;
use crate::support::on;
use proptest::prelude::*;
use voxlane_kernels::gemm::i6::Bits6;
use voxlane_kernels::gemm::{Epilogue, f32 as gemm_f32, i6 as gemm_i6, i8 as gemm_i8};
use voxlane_kernels::isa::Isa;
use voxlane_kernels::projection::{Best, Listed, PanelBound, ShortList, bound, bounds_len, rescore};
use voxlane_kernels::rows::{Rows, RowsMut};

struct Matrix {
    outputs: usize,
    inputs: usize,
    exact: Vec<f32>,
    coarse: Weights<Bits6>,
    bounds: Vec<PanelBound>,
}

impl Matrix {
    fn new(weights: &[f32], outputs: usize, inputs: usize) -> Self {
        let mut exact = vec![0.0; gemm_f32::packed_len(outputs, inputs)];
        gemm_f32::pack(weights, outputs, inputs, &mut exact);
        let coarse = Weights::<Bits6>::new(weights, outputs, inputs);
        let mut bounds = vec![PanelBound::default(); bounds_len(outputs)];
        bound(&gemm_f32::Packed::new(&exact, outputs, inputs), &coarse.packed(), &mut bounds);
        Self { outputs, inputs, exact, coarse, bounds }
    }

    fn exact(&self) -> gemm_f32::Packed<'_> {
        gemm_f32::Packed::new(&self.exact, self.outputs, self.inputs)
    }

    fn coarse(&self) -> gemm_i6::Packed<'_> {
        self.coarse.packed()
    }
}

/// The first of the largest values that are not NaN.
fn oracle(logits: &[f32]) -> Option<Best> {
    let mut best: Option<Best> = None;
    for (token, &logit) in logits.iter().enumerate() {
        if !logit.is_nan() && best.is_none_or(|best| logit > best.logit) {
            best = Some(Best { token, logit });
        }
    }
    best
}

/// The short list's choice for one row, and the scores it leaves.
fn choose(
    hidden: &[f32],
    coarse: &gemm_i8::QuantizedRows<'_>,
    matrix: &Matrix,
    list: &ShortList<'_>,
) -> (Listed, Vec<f32>) {
    let mut scores = vec![0.0; matrix.outputs];
    gemm_i6::gemm(coarse, &matrix.coarse(), &Epilogue::default(), RowsMut::one(&mut scores));
    let listed = rescore(hidden, coarse, list, &mut scores, &mut vec![0.0; bounds_len(matrix.outputs)]);
    (listed, scores)
}

fn check(rows: usize, outputs: usize, inputs: usize, hidden: &[f32], weights: &[f32]) {
    let matrix = Matrix::new(weights, outputs, inputs);
    let hidden = Rows::new(hidden, inputs, rows);
    let mut logits = vec![0.0; rows * outputs];
    let out = RowsMut::new(&mut logits, outputs, rows);
    gemm_f32::gemm(hidden, &matrix.exact(), &Epilogue::default(), out);
    let want: Vec<_> = logits.chunks(outputs).map(oracle).collect();

    let (mut data, mut row_scales) = (vec![0; rows * gemm_i8::row_len(inputs)], vec![0.0; rows]);
    let coarse = gemm_i8::quantize_rows(hidden, inputs, &mut data, &mut row_scales);
    for (r, want) in want.iter().enumerate() {
        let list = ShortList::new(matrix.exact(), &matrix.bounds);
        let (listed, scores) = choose(hidden.row(r, inputs), &coarse.range(r, 1), &matrix, &list);
        assert_eq!(listed.best, *want, "short list of row {r}");
        assert!(listed.panels <= bounds_len(outputs));
        if let Some(best) = listed.best {
            assert!(scores[best.token] == best.logit || listed.panels == bounds_len(outputs));
        }
    }

    check_excluding(&matrix, hidden, &coarse, &logits);
}

/// The short list without some outputs is the oracle over logits of which these are negative infinity: without the best, without
/// one that is not, without the last, whose panel may be a short one, without a whole panel and more, and without all but one.
fn check_excluding(matrix: &Matrix, hidden: Rows<'_>, coarse: &gemm_i8::QuantizedRows<'_>, logits: &[f32]) {
    for (r, logits) in logits.chunks(matrix.outputs).enumerate() {
        let best = oracle(logits).map_or(0, |best| best.token);
        let one = |output: usize| std::iter::once(output as u32..output as u32 + 1).collect::<Vec<_>>();
        let (last, all) = (matrix.outputs - 1, matrix.outputs as u32);
        let most = vec![0..best as u32, best as u32 + 1..all + 7];
        let cases = [one(best), one((best + 1) % matrix.outputs), one(last), vec![3..40, 41..42], most];
        for excluded in cases {
            let is_excluded = |output: usize| excluded.iter().any(|range| range.contains(&(output as u32)));
            let rest = |output: usize| if is_excluded(output) { f32::NEG_INFINITY } else { logits[output] };
            let rest: Vec<f32> = (0..matrix.outputs).map(rest).collect();
            let list = ShortList::new(matrix.exact(), &matrix.bounds).excluding(&excluded);
            let (listed, scores) = choose(hidden.row(r, matrix.inputs), &coarse.range(r, 1), matrix, &list);
            assert_eq!(listed.best, oracle(&rest), "short list of row {r} without outputs {excluded:?}");
            for output in (0..matrix.outputs).filter(|&output| is_excluded(output)) {
                assert_eq!(scores[output], f32::NEG_INFINITY, "no share in the probability");
            }
        }
    }
}

macro_rules! on_each_instruction_set {
    ($($name:ident: $isa:expr;)*) => {
        $(mod $name {
            use super::*;

            proptest! {
                #![proptest_config(ProptestConfig::with_cases(if cfg!(miri) { 3 } else { 32 }))]

                #[test]
                fn finds_what_the_plain_product_finds(
                    rows in 1usize..20, outputs in 1usize..2000, inputs in 1usize..40, seed in 1u64..1000,
                    copies in 1usize..50,
                ) {
                    on($isa, || {
                        // Some outputs more than once, so that there are ties.
                        let mut weights = noise(seed, outputs * inputs);
                        for o in (0..outputs).rev().step_by(copies) {
                            weights.copy_within(0..inputs, o * inputs);
                        }
                        check(rows, outputs, inputs, &noise(seed + 1, rows * inputs), &weights);
                    });
                }
            }

            #[test]
            fn rows_that_are_not_finite() {
                on($isa, || {
                    for bad in [f32::NAN, f32::INFINITY, f32::NEG_INFINITY, f32::MAX, 0.0] {
                        let mut hidden = noise(1, 3 * 20);
                        hidden[20..40].fill(bad);
                        check(3, 100, 20, &hidden, &noise(2, 100 * 20));
                    }
                });
            }
        })*
    };
}
on_each_instruction_set! {
    scalar: Isa::Scalar;
    avx2: Isa::Avx2;
    avx512: Isa::Avx512;
    neon: Isa::Neon;
}

#[cfg_attr(miri, ignore = "takes miri too long")]
#[test]
fn the_list_is_short() {
    let (outputs, inputs) = (32_000, 64);
    let weights = noise(3, outputs * inputs);
    let matrix = Matrix::new(&weights, outputs, inputs);
    // A hidden state that points to one output, as a trained network's does.
    let hidden = &weights[777 * inputs..][..inputs];
    let (mut data, mut row_scales) = (vec![0; gemm_i8::row_len(inputs)], vec![0.0]);
    let coarse = gemm_i8::quantize_rows(Rows::one(hidden), inputs, &mut data, &mut row_scales);
    let list = ShortList::new(matrix.exact(), &matrix.bounds);
    let (listed, _) = choose(hidden, &coarse, &matrix, &list);
    assert_eq!(listed.best.map(|best| best.token), Some(777));
    assert_eq!(listed.panels, 1);
}
