//! Products with f32 weights against an f64 oracle, on every instruction set of the machine.

use crate::common::{bits, noise};
use crate::support::on;
use proptest::prelude::*;
use voxlane_kernels::gemm::{Activation, Epilogue, f32 as plain};
use voxlane_kernels::isa::Isa;
use voxlane_kernels::rows::{Rows, RowsMut};

/// One product with everything that can vary.
#[derive(Clone, Debug)]
struct Case {
    rows: usize,
    outputs: usize,
    inputs: usize,
    /// Smaller than `inputs`: overlapping rows.
    stride: usize,
    out_gap: usize,
    /// Values skipped at the start of each slice, so that nothing is aligned.
    offset: usize,
    bias: bool,
    accumulate: bool,
    activation: Activation,
    seed: u64,
}

impl Case {
    fn plain(rows: usize, outputs: usize, inputs: usize) -> Self {
        Self {
            rows,
            outputs,
            inputs,
            stride: inputs,
            out_gap: 0,
            offset: 0,
            bias: false,
            accumulate: false,
            activation: Activation::None,
            seed: 1,
        }
    }

    fn a(&self) -> Vec<f32> {
        noise(self.seed, self.offset + self.rows * self.stride + self.inputs)
    }

    fn weights(&self) -> Vec<f32> {
        noise(self.seed + 1, self.outputs * self.inputs)
    }

    fn bias(&self) -> Vec<f32> {
        noise(self.seed + 2, self.outputs)
    }

    fn out_stride(&self) -> usize {
        self.outputs + self.out_gap
    }

    /// What `out` holds before the call.
    fn before(&self) -> Vec<f32> {
        noise(self.seed + 3, self.offset + self.rows * self.out_stride())
    }

    /// Rows `first..first + count` of the product; the other values stay as they were.
    fn run(&self, first: usize, count: usize) -> Vec<f32> {
        let (weights, outputs, inputs) = (self.weights(), self.outputs, self.inputs);
        let (a, bias, mut out) = (self.a(), self.bias(), self.before());
        let epilogue = Epilogue {
            bias: self.bias.then_some(&bias),
            activation: self.activation,
            accumulate: self.accumulate,
        };
        let rows = Rows::new(&a[self.offset + first * self.stride..], self.stride, count);
        let out_stride = self.out_stride();
        let out_rows = RowsMut::new(&mut out[self.offset + first * out_stride..], out_stride, count);
        let mut packed = vec![f32::NAN; self.offset + plain::packed_len(outputs, inputs)];
        plain::pack(&weights, outputs, inputs, &mut packed[self.offset..]);
        let packed = plain::Packed::new(&packed[self.offset..], outputs, inputs);
        plain::gemm(rows, &packed, &epilogue, out_rows);
        out
    }

    /// The f64 value of every output and a bound of the rounding error of an f32 sum.
    fn oracle(&self) -> Vec<(f64, f64)> {
        let (a, weights, bias, before) = (self.a(), self.weights(), self.bias(), self.before());
        let one = |r: usize, o: usize| {
            let (mut sum, mut size) = (0.0, 0.0);
            for k in 0..self.inputs {
                let product =
                    f64::from(a[self.offset + r * self.stride + k]) * f64::from(weights[o * self.inputs + k]);
                sum += product;
                size += product.abs();
            }
            if self.bias {
                sum += f64::from(bias[o]);
            }
            let value = match self.activation {
                Activation::None => sum,
                Activation::Relu => sum.max(0.0),
                Activation::Tanh => sum.tanh(),
                Activation::Silu => sum / (1.0 + (-sum).exp()),
                Activation::Gelu => sum * normal_cdf(sum),
            };
            let residual = f64::from(before[self.offset + r * self.out_stride() + o]);
            let value = if self.accumulate { residual + value } else { value };
            // Every activation's slope is at most 1.13; their own error is a few units in the last place.
            (value, 1e-6 * (1.0 + value.abs()) + size * f64::from(f32::EPSILON) * self.inputs as f64)
        };
        (0..self.rows).flat_map(|r| (0..self.outputs).map(move |o| (r, o))).map(|(r, o)| one(r, o)).collect()
    }

    fn check(&self) {
        let out = self.run(0, self.rows);
        let (before, oracle) = (self.before(), self.oracle());
        for (i, (&got, &old)) in out.iter().zip(&before).enumerate() {
            let place = i.checked_sub(self.offset).map(|i| (i / self.out_stride(), i % self.out_stride()));
            match place {
                Some((r, o)) if o < self.outputs => {
                    let (want, error) = oracle[r * self.outputs + o];
                    assert!(
                        (f64::from(got) - want).abs() <= error,
                        "row {r} output {o}: {got} instead of {want} in {self:?}",
                    );
                }
                _ => assert_eq!(got.to_bits(), old.to_bits(), "wrote outside its rows"),
            }
        }
    }

    /// Any part of the rows gives the same bits as all of them.
    fn check_parts(&self, part: usize) {
        let all = self.run(0, self.rows);
        for first in (0..self.rows).step_by(part) {
            let count = part.min(self.rows - first);
            let some = self.run(first, count);
            for r in first..first + count {
                let row =
                    self.offset + r * self.out_stride()..self.offset + r * self.out_stride() + self.outputs;
                assert_eq!(
                    bits(&all[row.clone()]),
                    bits(&some[row]),
                    "row {r} in parts of {part} of {self:?}"
                );
            }
        }
    }
}

/// Standard normal distribution function, by Simpson's rule on its density: slow and independent of the
/// library's polynomials.
fn normal_cdf(x: f64) -> f64 {
    const STEPS: usize = 200;
    let density = |t: f64| (-0.5 * t * t).exp() / (2.0 * std::f64::consts::PI).sqrt();
    let h = x / STEPS as f64;
    let sum: f64 = (0..=STEPS)
        .map(|i| {
            let weight = if i == 0 || i == STEPS {
                1.0
            } else if i % 2 == 1 {
                4.0
            } else {
                2.0
            };
            weight * density(i as f64 * h)
        })
        .sum();
    0.5 + sum * h / 3.0
}

fn activations() -> impl Strategy<Value = Activation> {
    prop_oneof![
        Just(Activation::None),
        Just(Activation::Gelu),
        Just(Activation::Silu),
        Just(Activation::Tanh),
        Just(Activation::Relu),
    ]
}

prop_compose! {
    fn cases()(
        rows in 0usize..30, outputs in 1usize..120, inputs in 0usize..70, overlap in 0usize..3,
        out_gap in 0usize..5, offset in 0usize..4, bias in any::<bool>(), accumulate in any::<bool>(),
        activation in activations(), seed in 1u64..1000,
    ) -> Case {
        let stride = (inputs + 3) / (1 + overlap);
        Case { rows, outputs, inputs, stride, out_gap, offset, bias, accumulate, activation, seed }
    }
}

macro_rules! on_each_instruction_set {
    ($($name:ident: $isa:expr;)*) => {
        $(mod $name {
            use super::*;

            proptest! {
                #![proptest_config(ProptestConfig::with_cases(if cfg!(miri) { 3 } else { 64 }))]

                #[test]
                fn agrees_with_the_oracle(case in cases()) {
                    on($isa, || case.check());
                }

                #[test]
                fn a_row_does_not_depend_on_the_others(case in cases(), part in 1usize..12) {
                    on($isa, || case.check_parts(part));
                }
            }

            #[cfg_attr(miri, ignore = "takes miri too long")]
            #[test]
            fn layer_shapes() {
                on($isa, || {
                    for (outputs, inputs) in [(288, 288), (864, 288), (288, 1152), (288, 127)] {
                        let case = Case::plain(19, outputs, inputs);
                        case.check();
                        case.check_parts(7);
                        case.check_parts(1);
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

#[test]
#[should_panic(expected = "input row")]
fn rows_outside_their_slice_are_refused() {
    let packed = vec![0.0; plain::packed_len(4, 8)];
    plain::gemm(
        Rows::new(&[0.0; 15], 8, 2),
        &plain::Packed::new(&packed, 4, 8),
        &Epilogue::default(),
        RowsMut::new(&mut [0.0; 8], 4, 2),
    );
}

#[test]
#[should_panic(expected = "output rows")]
fn overlapping_output_rows_are_refused() {
    let packed = vec![0.0; plain::packed_len(4, 8)];
    plain::gemm(
        Rows::new(&[0.0; 16], 8, 2),
        &plain::Packed::new(&packed, 4, 8),
        &Epilogue::default(),
        RowsMut::new(&mut [0.0; 8], 3, 2),
    );
}
