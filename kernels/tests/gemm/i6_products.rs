//! 6-bit products against exact integer sums, on every instruction set of the machine.

use crate::common::{bits, noise};
use proptest::prelude::*;
use voxlane_kernels::gemm::Epilogue;
use voxlane_kernels::gemm::i6::{Packed, PackedMut, gemm_with, pack, packed_len};
use voxlane_kernels::gemm::i8::{quantize_rows_with, row_len, scales_len};
use voxlane_kernels::isa::Isa;
use voxlane_kernels::rows::{Rows, RowsMut};
use voxlane_kernels::table::Table;

struct Weights {
    panels: Vec<u8>,
    scales: Vec<f32>,
    corrections: Vec<i32>,
    outputs: usize,
    inputs: usize,
}

impl Weights {
    fn new(values: &[f32], outputs: usize, inputs: usize) -> Self {
        let mut panels = vec![1; packed_len(outputs, inputs)];
        let mut scales = vec![f32::NAN; scales_len(outputs)];
        let mut corrections = vec![7; scales_len(outputs)];
        let (panels_mut, scales_mut) = (&mut panels[..], &mut scales[..]);
        let mut packed = PackedMut { panels: panels_mut, scales: scales_mut, corrections: &mut corrections };
        pack(values, outputs, inputs, &mut packed);
        Self { panels, scales, corrections, outputs, inputs }
    }

    fn packed(&self) -> Packed<'_> {
        Packed::new(&self.panels, &self.scales, &self.corrections, self.outputs, self.inputs)
    }
}

#[derive(Clone, Debug)]
struct Case {
    rows: usize,
    outputs: usize,
    inputs: usize,
    bias: bool,
    /// Weights and inputs at the ends of their range.
    extreme: bool,
    seed: u64,
}

impl Case {
    fn values(&self, seed: u64, len: usize) -> Vec<f32> {
        let mut values = noise(self.seed + seed, len);
        if self.extreme {
            values.iter_mut().for_each(|v| *v = if *v < -0.9 { -1.0 } else { 1.0 });
        }
        values
    }

    /// All rows at once, `part` at a time, and the outputs in two parts: always the exact sums.
    fn check(&self, isa: Isa, part: usize) {
        let &Case { rows, outputs, inputs, .. } = self;
        let table = Table::new(isa).unwrap();
        let weights = Weights::new(&self.values(1, outputs * inputs), outputs, inputs);
        let x = self.values(2, rows * inputs);
        let (mut data, mut scales) = (vec![3; rows * row_len(inputs)], vec![f32::NAN; rows]);
        let a = quantize_rows_with(table, Rows::new(&x, inputs, rows), inputs, &mut data, &mut scales);
        let bias = noise(self.seed + 3, outputs);
        let epilogue = Epilogue { bias: self.bias.then_some(&bias), ..Epilogue::default() };

        let want: Vec<f32> = (0..rows * outputs)
            .map(|i| {
                let (r, o) = (i / outputs, i % outputs);
                let (row, scale) = a.row(r);
                let weight = |k: usize| (weights.packed().weight(o, k) / weights.scales[o]).round() as i32;
                let sum: i32 = (0..inputs)
                    .filter(|_| weights.scales[o] > 0.0)
                    .map(|k| (i32::from(row[k]) - 128) * weight(k))
                    .sum();
                let value = sum as f32 * (scale * weights.scales[o]);
                if self.bias { value + bias[o] } else { value }
            })
            .collect();

        let mut out = vec![f32::NAN; rows * outputs];
        for first in (0..rows).step_by(part) {
            let count = part.min(rows - first);
            let out = RowsMut::new(&mut out[first * outputs..], outputs, count);
            gemm_with(table, &a.range(first, count), &weights.packed(), &epilogue, out);
        }
        assert_eq!(bits(&out), bits(&want), "{}: {self:?}", isa.name());

        if !self.bias && outputs > 16 {
            out.fill(f32::NAN);
            let (first, second) = (weights.packed().part(0, 1), weights.packed().part(1, usize::MAX / 16));
            gemm_with(table, &a, &first, &epilogue, RowsMut::new(&mut out, outputs, rows));
            if rows > 0 {
                gemm_with(table, &a, &second, &epilogue, RowsMut::new(&mut out[16..], outputs, rows));
            }
            assert_eq!(bits(&out), bits(&want), "{}: parts of {self:?}", isa.name());
        }
    }
}

prop_compose! {
    fn cases()(
        rows in 0usize..20, outputs in 1usize..70, inputs in 1usize..90, bias in any::<bool>(),
        extreme in any::<bool>(), seed in 1u64..1000,
    ) -> Case {
        Case { rows, outputs, inputs, bias, extreme, seed }
    }
}

macro_rules! on_each_instruction_set {
    ($($name:ident: $isa:expr;)*) => {
        $(mod $name {
            use super::*;

            proptest! {
                #![proptest_config(ProptestConfig::with_cases(64))]

                #[test]
                fn sums_are_exact_in_any_parts(case in cases(), part in 1usize..20) {
                    // A machine without this instruction set has no table for it and nothing to test.
                    if $isa.is_available() {
                        case.check($isa, part);
                    }
                }
            }

            #[test]
            fn whole_groups_and_more_rows_than_a_tile() {
                if $isa.is_available() {
                    for inputs in [288, 16, 4, 20] {
                        let case = Case { rows: 19, outputs: 100, inputs, bias: false, extreme: true, seed: 5 };
                        case.check($isa, 19);
                        case.check($isa, 1);
                    }
                }
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

#[test]
fn weights_are_rounded_to_the_nearest() {
    let (outputs, inputs) = (35, 41);
    let mut values = noise(1, outputs * inputs);
    values[..inputs].fill(0.0);
    values[inputs..2 * inputs].iter_mut().for_each(|v| *v *= f32::MIN_POSITIVE);
    let weights = Weights::new(&values, outputs, inputs);
    for (i, &value) in values.iter().enumerate() {
        let (output, input) = (i / inputs, i % inputs);
        let error = (weights.packed().weight(output, input) - value).abs();
        // A scale is a quarter of the distance between two weights.
        assert!(error <= weights.scales[output] * 2.000_1 + f32::MIN_POSITIVE, "{value} is off by {error}");
    }
}

#[test]
#[should_panic(expected = "not finite")]
fn a_weight_that_is_not_finite_is_refused() {
    Weights::new(&[1.0, f32::NAN], 1, 2);
}
