//! Activation functions against `f64`, swept densely over the whole range.

mod support;

use support::{on_every_instruction_set, size};
use voxlane_kernels::activation;

type Activation = fn(&mut [f32]);

/// erf(x) by its series for small arguments and its continued fraction elsewhere, to about 1e-15.
fn erfc(x: f64) -> f64 {
    let a = x.abs();
    if a < 2.5 {
        let (mut term, mut sum) = (a, a);
        for n in 1..120 {
            term *= -a * a / f64::from(n);
            sum += term / f64::from(2 * n + 1);
        }
        return 1.0 - std::f64::consts::FRAC_2_SQRT_PI * sum * x.signum();
    }
    let mut fraction = 0.0;
    for n in (1..80).rev() {
        fraction = f64::from(n) / 2.0 / (a + fraction);
    }
    let tail = (-a * a).exp() / (a + fraction) / std::f64::consts::PI.sqrt();
    if x > 0.0 { tail } else { 2.0 - tail }
}

fn gelu(x: f64) -> f64 {
    0.5 * x * erfc(-x * std::f64::consts::FRAC_1_SQRT_2)
}

fn sigmoid(x: f64) -> f64 {
    1.0 / (1.0 + (-x).exp())
}

/// Every `f32` of both signs from tiny to beyond `limit`, thinned by taking every `step`th bit pattern.
fn sweep(limit: f32) -> Vec<f32> {
    let step = size(4801, 8_000_009);
    let positive = (1e-30f32.to_bits()..limit.to_bits()).step_by(step).map(f32::from_bits);
    positive.flat_map(|x| [x, -x]).collect()
}

/// Asserts that `function` stays within its bounds on the sweep; prints the largest errors it saw.
fn check(
    name: &str,
    function: fn(&mut [f32]),
    oracle: fn(f64) -> f64,
    limit: f32,
    bound: impl Fn(f64, f64) -> f64,
) {
    let x = sweep(limit);
    let mut y = x.clone();
    function(&mut y);
    let mut worst = (0.0, 0.0, 0.0f32);
    for (&x, &y) in x.iter().zip(&y) {
        let expected = oracle(f64::from(x));
        let error = (f64::from(y) - expected).abs();
        let share = error / bound(f64::from(x), expected);
        if share > worst.0 {
            worst = (share, error, x);
        }
    }
    assert!(worst.0 <= 1.0, "{name}: {:.3} of its bound, error {:e} at {}", worst.0, worst.1, worst.2);
}

const SMALLEST: f64 = f32::MIN_POSITIVE as f64;

on_every_instruction_set! {
    fn functions_stay_within_their_stated_errors() {
        check("tanh", activation::tanh, f64::tanh, 1e30, |_, y| 4e-7 * y.abs());
        check("sigmoid", activation::sigmoid, sigmoid, 85.0, |_, y| 3.5e-7 * y);
        check("silu", activation::silu, |x| x * sigmoid(x), 80.0, |_, y| 4e-7 * y.abs() + SMALLEST);
        check("gelu", activation::gelu, gelu, 1e30, |x, y| if x >= -0.5 { 4e-7 * y.abs() } else { 1e-6 });
        check("relu", activation::relu, |x| x.max(0.0), 1e30, |_, y| 1e-300 + 1e-30 * y);
    }

    fn limits_and_nan() {
        for (function, at_negative, at_positive) in [
            (activation::tanh as Activation, -1.0, 1.0),
            (activation::sigmoid, 0.0, 1.0),
            (activation::relu, 0.0, f32::INFINITY),
            (activation::silu, 0.0, f32::INFINITY),
            (activation::gelu, 0.0, f32::INFINITY),
        ] {
            let mut x = [f32::NEG_INFINITY, f32::INFINITY, f32::NAN, 0.0];
            function(&mut x);
            assert!((x[0] - at_negative).abs() < 1e-6, "{x:?}");
            assert_eq!(x[1], at_positive);
            assert!(x[2].is_nan());
            assert!((x[3] - if at_positive == 1.0 && at_negative == 0.0 { 0.5 } else { 0.0 }).abs() < 1e-7);
        }
    }

    fn every_length_and_offset_gives_the_same_elements() {
        let x = support::Random(1).vector(80, 4.0);
        for function in [activation::tanh as Activation, activation::sigmoid, activation::relu, activation::silu, activation::gelu] {
            let mut whole = x.clone();
            function(&mut whole);
            for start in 0..size(4, 2) {
                for len in (0..70).step_by(size(1, 11)) {
                    let mut part = x.clone();
                    function(&mut part[start..start + len]);
                    assert_eq!(part[start..start + len], whole[start..start + len]);
                    assert_eq!((&part[..start], &part[start + len..]), (&x[..start], &x[start + len..]));
                }
            }
        }
    }

    fn gate_and_affine_are_made_of_the_plain_functions() {
        use voxlane_kernels::rows::{Rows, RowsMut};
        for width in [1, 5, 16, 31, 67] {
            let mut random = support::Random(width as u64);
            let (x, gate) = (random.vector(width, 5.0), random.vector(width, 5.0));
            let mut out = vec![0.0; width];
            activation::silu_gate(&x, &gate, &mut out);
            let mut expected = gate.clone();
            activation::silu(&mut expected);
            expected.iter_mut().zip(&x).for_each(|(e, x)| *e *= x);
            assert_eq!(out, expected);

            let (scale, shift) = (random.vector(width, 2.0), random.vector(width, 2.0));
            let rows = random.vector(3 * (width + 2), 3.0);
            let mut out = vec![7.0; 3 * (width + 1)];
            activation::gelu_affine(Rows::new(&rows, width + 2, 3), &scale, &shift, RowsMut::new(&mut out, width + 1, 3));
            for r in 0..3 {
                let row = &rows[r * (width + 2)..][..width];
                let expected: Vec<f64> = (0..width)
                    .map(|i| gelu(f64::from(row[i]) * f64::from(scale[i]) + f64::from(shift[i])))
                    .collect();
                support::assert_close(&out[r * (width + 1)..][..width], &expected, 1e-6, 1e-6);
                assert_eq!(out[r * (width + 1) + width], 7.0);
            }
        }
    }
}
