//! Products of 8-bit and of 6-bit weights against exact integer sums, on every instruction set of the machine.

use crate::common::{bits, noise};
use crate::support::on;
use proptest::prelude::*;
use voxlane_kernels::gemm::i6::{self, Bits6};
use voxlane_kernels::gemm::i8::{self, Bits8, QuantizedRows, quantize_rows, row_len};
use voxlane_kernels::gemm::integer::{Layout, Packed, PackedMut, pack, scales_len};
use voxlane_kernels::gemm::{Epilogue, PANEL};
use voxlane_kernels::isa::{self, Isa};
use voxlane_kernels::rows::{Rows, RowsMut};

/// Weights of so many bits, and their product.
pub trait Bits: Layout<Unit: From<bool>> {
    fn gemm(a: &QuantizedRows<'_>, w: &Packed<'_, Self>, epilogue: &Epilogue<'_>, out: RowsMut<'_>);
}

impl Bits for Bits8 {
    fn gemm(a: &QuantizedRows<'_>, w: &Packed<'_, Self>, epilogue: &Epilogue<'_>, out: RowsMut<'_>) {
        i8::gemm(a, w, epilogue, out);
    }
}

impl Bits for Bits6 {
    fn gemm(a: &QuantizedRows<'_>, w: &Packed<'_, Self>, epilogue: &Epilogue<'_>, out: RowsMut<'_>) {
        i6::gemm(a, w, epilogue, out);
    }
}

pub struct Weights<L: Bits> {
    panels: Vec<L::Unit>,
    scales: Vec<f32>,
    corrections: Vec<i32>,
    outputs: usize,
    inputs: usize,
}

impl<L: Bits> Weights<L> {
    pub fn new(values: &[f32], outputs: usize, inputs: usize) -> Self {
        // What was there before must not matter.
        let mut panels = vec![L::Unit::from(true); L::packed_len(outputs, inputs)];
        let mut scales = vec![f32::NAN; scales_len(outputs)];
        let mut corrections = vec![7; scales_len(outputs)];
        let (panels_mut, scales_mut) = (&mut panels[..], &mut scales[..]);
        let mut packed = PackedMut { panels: panels_mut, scales: scales_mut, corrections: &mut corrections };
        pack::<L>(values, outputs, inputs, &mut packed);
        Self { panels, scales, corrections, outputs, inputs }
    }

    pub fn packed(&self) -> Packed<'_, L> {
        Packed::new(&self.panels, &self.scales, &self.corrections, self.outputs, self.inputs)
    }
}

struct Inputs {
    data: Vec<u8>,
    scales: Vec<f32>,
}

impl Inputs {
    fn new(rows: usize, inputs: usize) -> Self {
        Self { data: vec![3; rows * row_len(inputs)], scales: vec![f32::NAN; rows] }
    }

    fn quantize(&mut self, x: Rows<'_>, inputs: usize) -> QuantizedRows<'_> {
        quantize_rows(x, inputs, &mut self.data, &mut self.scales)
    }
}

#[derive(Clone, Debug)]
struct Case {
    rows: usize,
    outputs: usize,
    inputs: usize,
    bias: bool,
    accumulate: bool,
    /// Weights and inputs at the ends of their range, where 16-bit sums would saturate.
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

    /// In 8 bits and in 6.
    fn check(&self, part: usize) {
        self.check_bits::<Bits8>(part);
        self.check_bits::<Bits6>(part);
    }

    /// `part` rows at a time, and the outputs in two parts: always the exact sums.
    fn check_bits<L: Bits>(&self, part: usize) {
        let &Case { rows, outputs, inputs, .. } = self;
        let weights = Weights::<L>::new(&self.values(1, outputs * inputs), outputs, inputs);
        let x = self.values(2, rows * inputs);
        let mut quantized = Inputs::new(rows, inputs);
        let a = quantized.quantize(Rows::new(&x, inputs, rows), inputs);
        let (bias, before) = (noise(self.seed + 3, outputs), noise(self.seed + 4, rows * outputs));
        let epilogue =
            Epilogue { bias: self.bias.then_some(&bias), accumulate: self.accumulate, ..Epilogue::default() };

        let mut out = before.clone();
        for first in (0..rows).step_by(part) {
            let count = part.min(rows - first);
            L::gemm(
                &a.range(first, count),
                &weights.packed(),
                &epilogue,
                RowsMut::new(&mut out[first * outputs..], outputs, count),
            );
        }

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
                let value = if self.bias { value + bias[o] } else { value };
                if self.accumulate { before[i] + value } else { value }
            })
            .collect();
        assert_eq!(bits(&out), bits(&want), "{self:?}");

        if !self.bias && rows > 0 && outputs > PANEL {
            out.copy_from_slice(&before);
            for (first, panels) in [(0, 1), (1, usize::MAX / PANEL)] {
                let out = RowsMut::new(&mut out[first * PANEL..], outputs, rows);
                let weights = weights.packed().part(first, panels);
                L::gemm(&a, &weights, &epilogue, out);
            }
            assert_eq!(bits(&out), bits(&want), "parts of {self:?}");
        }
    }
}

prop_compose! {
    fn cases()(
        rows in 0usize..20, outputs in 1usize..70, inputs in 1usize..90, bias in any::<bool>(),
        accumulate in any::<bool>(), extreme in any::<bool>(), seed in 1u64..1000,
    ) -> Case {
        Case { rows, outputs, inputs, bias, accumulate, extreme, seed }
    }
}

macro_rules! on_each_instruction_set {
    ($($name:ident: $isa:expr;)*) => {
        $(mod $name {
            use super::*;

            proptest! {
                #![proptest_config(ProptestConfig::with_cases(if cfg!(miri) { 3 } else { 64 }))]

                #[test]
                fn sums_are_exact_in_any_parts(case in cases(), part in 1usize..20) {
                    on($isa, || case.check(part));
                }

                #[test]
                fn rows_are_rounded_to_the_nearest(
                    rows in 0usize..5, inputs in 1usize..100, overlap in 1usize..4, seed in 1u64..1000,
                    magnitude in -20i32..20,
                ) {
                    on($isa, || quantized_values(rows, inputs, inputs.div_ceil(overlap), seed, magnitude));
                }
            }

            #[cfg_attr(miri, ignore = "takes miri too long")]
            #[test]
            fn layer_shapes() {
                on($isa, || {
                    for (outputs, inputs) in [(288, 288), (288, 1152), (288, 127), (100, 16), (100, 4)] {
                        let case = Case {
                            rows: 19, outputs, inputs, bias: true, accumulate: true, extreme: false, seed: 5,
                        };
                        case.check(19);
                        case.check(1);
                    }
                });
            }

            /// One that does not fit into the second-level cache takes another path for very few rows.
            #[cfg_attr(miri, ignore = "takes miri too long")]
            #[test]
            fn a_large_matrix() {
                on($isa, || {
                    let case = Case {
                        rows: 3, outputs: 1100, inputs: 1001, bias: false, accumulate: false, extreme: true, seed: 5,
                    };
                    case.check(3);
                    case.check(2);
                    case.check(1);
                });
            }

            #[test]
            fn rows_that_are_not_finite_give_nan() {
                on($isa, || {
                    not_finite::<Bits8>();
                    not_finite::<Bits6>();
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

fn quantized_values(rows: usize, inputs: usize, stride: usize, seed: u64, magnitude: i32) {
    let mut x = noise(seed, rows * stride + inputs);
    x.iter_mut().for_each(|v| *v *= 2.0f32.powi(magnitude));
    let (mut here, mut oracle) = (Inputs::new(rows, inputs), Inputs::new(rows, inputs));
    let a = here.quantize(Rows::new(&x, stride, rows), inputs);
    for r in 0..rows {
        let (row, scale) = a.row(r);
        for (k, &stored) in row.iter().enumerate() {
            let value = x[r * stride + k];
            let error = ((f32::from(stored) - 128.0) * scale - value).abs();
            assert!(error <= scale * 0.500_01, "{value} became {stored} with scale {scale}");
        }
    }
    // Without another to compare with where one instruction set is built in.
    if isa::select(Isa::Scalar).is_ok() {
        let scalar = oracle.quantize(Rows::new(&x, stride, rows), inputs);
        for r in 0..rows {
            assert_eq!(a.row(r), scalar.row(r), "differs from plain Rust");
        }
    }
}

fn not_finite<L: Bits>() {
    let inputs = 21;
    let weights = Weights::<L>::new(&noise(1, 40 * inputs), 40, inputs);
    for bad in [f32::NAN, f32::INFINITY, f32::NEG_INFINITY] {
        let mut x = noise(2, 3 * inputs);
        x[inputs + 20] = bad;
        let mut quantized = Inputs::new(3, inputs);
        let a = quantized.quantize(Rows::dense(&x, inputs), inputs);
        let mut out = vec![0.0; 3 * 40];
        L::gemm(&a, &weights.packed(), &Epilogue::default(), RowsMut::dense(&mut out, 40));
        assert!(out[40..80].iter().all(|v| v.is_nan()));
        assert!(out[..40].iter().chain(&out[80..]).all(|v| v.is_finite()));
    }
}

fn zeros_stay_zeros<L: Bits>() {
    let weights = Weights::<L>::new(&[0.0; 5 * 9], 5, 9);
    let mut quantized = Inputs::new(2, 9);
    let x = [0.0; 18];
    let a = quantized.quantize(Rows::dense(&x, 9), 9);
    let mut out = [1.0; 10];
    L::gemm(&a, &weights.packed(), &Epilogue::default(), RowsMut::dense(&mut out, 5));
    assert_eq!(out, [0.0; 10]);
}

fn weights_are_rounded_to_the_nearest<L: Bits>() {
    let (outputs, inputs) = (35, 41);
    let mut values = noise(1, outputs * inputs);
    values[..inputs].fill(0.0);
    values[inputs..2 * inputs].iter_mut().for_each(|v| *v *= f32::MIN_POSITIVE);
    let weights = Weights::<L>::new(&values, outputs, inputs);
    let half_a_step = 0.500_01 * L::OPERAND as f32;
    for (i, &value) in values.iter().enumerate() {
        let (output, input) = (i / inputs, i % inputs);
        let error = (weights.packed().weight(output, input) - value).abs();
        assert!(
            error <= weights.scales[output] * half_a_step + f32::MIN_POSITIVE,
            "{value} is off by {error}"
        );
    }
}

macro_rules! in_each_width {
    ($($name:ident: $bits:ty;)*) => {
        $(mod $name {
            use super::*;

            #[test]
            fn zeros_stay_zeros() {
                super::zeros_stay_zeros::<$bits>();
            }

            #[test]
            fn weights_are_rounded_to_the_nearest() {
                super::weights_are_rounded_to_the_nearest::<$bits>();
            }

            #[test]
            #[should_panic(expected = "a weight of output 0 is not finite")]
            fn a_weight_that_is_not_finite_is_refused() {
                Weights::<$bits>::new(&[1.0, f32::NAN], 1, 2);
            }
        })*
    };
}
in_each_width! {
    bits8: Bits8;
    bits6: Bits6;
}
