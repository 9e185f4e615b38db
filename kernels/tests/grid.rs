//! Operations on static grids against plain loops, on every instruction set of the machine.

mod support;

use support::{Random, on_every_instruction_set, size};
use voxlane_kernels::gemm::given::{IntegerWeights, pack_integers};
use voxlane_kernels::gemm::i8::{Packed, PackedMut, QuantizedRows, gemm, packed_len, row_len, scales_len};
use voxlane_kernels::gemm::{Epilogue, PANEL};
use voxlane_kernels::grid::{
    Function, Grid, KeysAndValues, Scores, Settle, excess, exponentials, put_panel, requantize,
    requantize_transposed, restore, round, settle, settle_transposed, softmax_panels,
};
use voxlane_kernels::norm::layer_norm_in_eights;
use voxlane_kernels::rows::{Rows, RowsMut};

const FROM: Grid = Grid { scale: 0.031, zero_point: 131 };
const TO: Grid = Grid { scale: 0.024, zero_point: 7 };

/// The byte of a value, and the distance of its steps from the middle between two bytes.
fn byte(steps: f64, zero_point: u8) -> (u8, f64) {
    let zero = f64::from(zero_point);
    let held = steps.clamp(-zero, 255.0 - zero);
    ((held.round_ties_even() + zero) as u8, ((held - held.floor()) - 0.5).abs())
}

/// Asserts that the bytes are those of the steps, but for such as `f32` may round either way.
#[track_caller]
fn assert_bytes(got: &[u8], steps: &[f64], zero_point: u8) {
    assert_eq!(got.len(), steps.len());
    for (i, (&got, &steps)) in got.iter().zip(steps).enumerate() {
        let (expected, from_middle) = byte(steps, zero_point);
        let is_close = from_middle < 2e-4 && got.abs_diff(expected) <= 1;
        assert!(got == expected || is_close, "byte {i}: {got} instead of {expected} for {steps} steps");
    }
}

fn value(steps: f32, grid: Grid) -> f64 {
    grid.value(byte(f64::from(steps), grid.zero_point).0).into()
}

fn apply(function: Function, x: f64) -> f64 {
    match function {
        Function::None => x,
        Function::Times(factor) => x * f64::from(factor),
        // To 1e-7: Abramowitz and Stegun 7.1.26 would not do.
        Function::Gelu => x * 0.5 * (1.0 + erf(x / 2f64.sqrt())),
        Function::Tanh => x.tanh(),
    }
}

/// The series of the error function.
fn erf(x: f64) -> f64 {
    if x.abs() > 5.0 {
        return x.signum();
    }
    let (mut term, mut sum) = (x, x);
    for n in 1..200 {
        term *= -x * x / f64::from(n);
        sum += term / f64::from(2 * n + 1);
    }
    sum * 2.0 / std::f64::consts::PI.sqrt()
}

const FUNCTIONS: [Function; 4] = [Function::None, Function::Times(0.353), Function::Gelu, Function::Tanh];

on_every_instruction_set! {
    fn values_and_steps_are_rounded_to_the_nearest_byte() {
        let mut random = Random(1);
        for len in [0, 1, 15, 16, 17, 100] {
            let x = random.vector(len, 8.0);
            let mut out = vec![9; len];
            round(&x, TO, &mut out);
            let steps: Vec<f64> = x.iter().map(|&x| f64::from(x) / f64::from(TO.scale)).collect();
            assert_bytes(&out, &steps, TO.zero_point);
            let steps = random.vector(len, 200.0);
            settle(&steps, FROM.zero_point, &mut out);
            assert_bytes(&out, &steps.iter().map(|&x| x.into()).collect::<Vec<_>>(), FROM.zero_point);
        }
        // Ties go to the even distance from the zero, whether that is odd or even; what is beyond the ends is held there.
        let mut out = [0; 6];
        settle(&[0.5, 1.5, -0.5, -1.5, 1e30, -1e30], 7, &mut out);
        assert_eq!(out, [7, 9, 7, 5, 255, 0]);
    }

    fn rows_go_from_one_grid_to_the_next() {
        let mut random = Random(2);
        for (rows, width) in [(1, 1), (3, 16), (2, 37), (5, 48)] {
            let (steps, bias) = (random.vector(rows * width, 160.0), random.vector(width, 2.0));
            for function in FUNCTIONS {
                for bias in [None, Some(&bias[..])] {
                    let mut out = vec![0; rows * width];
                    requantize(Rows::dense(&steps, width), FROM, bias, function, TO, &mut out);
                    let values: Vec<f64> = (0..rows * width)
                        .map(|i| value(steps[i], FROM) + bias.map_or(0.0, |bias| bias[i % width].into()))
                        .map(|x| apply(function, x))
                        .collect();
                    let in_steps: Vec<f64> = values.iter().map(|x| x / f64::from(TO.scale)).collect();
                    assert_bytes(&out, &in_steps, TO.zero_point);
                    let mut sums = vec![1.0; rows * width];
                    let to = RowsMut::dense(&mut sums, width);
                    restore(Rows::dense(&steps, width), FROM, bias, function, width, to);
                    let expected: Vec<f64> = values.iter().map(|x| 1.0 + x).collect();
                    support::assert_close(&sums, &expected, 2e-6, 1e-6);
                }
            }
            let mut out = vec![0; rows * width];
            requantize_transposed(Rows::dense(&steps, width), FROM, &bias, TO, &mut out, rows);
            for (r, c) in (0..rows).flat_map(|r| (0..width).map(move |c| (r, c))) {
                let x = value(steps[r * width + c], FROM) + f64::from(bias[c]);
                assert_bytes(&out[c * rows + r..][..1], &[x / f64::from(TO.scale)], TO.zero_point);
            }
            let terms = random.vector(rows, 50.0);
            let to = Settle { terms: &terms, multiplier: 0.37, zero_point: 90 };
            settle_transposed(Rows::dense(&steps, width), &to, width, &mut out, rows);
            for (r, c) in (0..rows).flat_map(|r| (0..width).map(move |c| (r, c))) {
                let x = f64::from(steps[r * width + c]) + f64::from(terms[r]);
                assert_bytes(&out[c * rows + r..][..1], &[x * 0.37], 90);
            }
        }
    }

    fn products_of_given_integers_are_exact() {
        let mut random = Random(3);
        for (rows, outputs, inputs) in [(1, 1, 4), (5, 20, 30), (size(19, 3), 50, 64)] {
            let weights: Vec<i8> = (0..outputs * inputs).map(|_| random.next() as i8).collect();
            let bias: Vec<i32> = (0..outputs).map(|_| random.below(100_000) as i32 - 50_000).collect();
            let stride = 4;
            let data: Vec<u8> =
                (0..rows * stride + row_len(inputs)).map(|_| random.next() as u8).collect();
            let (scales, ones) = (vec![0.5; outputs], vec![1.0; rows]);
            for zero_point in [0, 7, 128, 255] {
                let mut panels = vec![1; packed_len(outputs, inputs)];
                let (mut packed_scales, mut corrections) = (vec![1.0; scales_len(outputs)], vec![1; scales_len(outputs)]);
                let mut starts = vec![1; scales_len(outputs)];
                let mut packed = PackedMut {
                    panels: &mut panels, scales: &mut packed_scales, corrections: &mut corrections,
                };
                let given = IntegerWeights { weights: &weights, scales: &scales, bias: Some(&bias), zero_point };
                pack_integers(given, inputs, &mut packed, &mut starts);
                let packed = Packed::new(&panels, &packed_scales, &corrections, outputs, inputs).with_starts(&starts);
                let a = QuantizedRows::new(&data, &ones, inputs, stride);
                let mut out = vec![0.0; rows * outputs];
                gemm(&a, &packed, &Epilogue::default(), RowsMut::dense(&mut out, outputs));
                for (i, &out) in out.iter().enumerate() {
                    let (row, _) = a.row(i / outputs);
                    let weights = &weights[i % outputs * inputs..][..inputs];
                    let products = row.iter().zip(weights).map(|(&x, &w)| (i32::from(x) - i32::from(zero_point)) * i32::from(w));
                    assert_eq!(out, (bias[i % outputs] + products.sum::<i32>()) as f32 * 0.5);
                }
            }
        }
    }

    fn attention_is_softmax_of_products_times_values() {
        let mut random = Random(4);
        let (keys, columns, width) = (12, 2 * PANEL, 8);
        let mut bytes = |len: usize| -> Vec<u8> { (0..len).map(|_| random.next() as u8).collect() };
        let (q, k, v) = (bytes(columns * width), bytes(keys * width), bytes(width * keys));
        let (q_zero, k_zero, v_zero, score) = (141, 120, 77, Grid { scale: 0.2, zero_point: 114 });
        let (multiplier, weight_scale, steps) = (0.003, 0.003_92, 255.0);
        let ones = vec![1.0; columns.max(keys)];

        // Products of queries and keys.
        let mut panels = vec![0; columns * width];
        let (mut corrections, mut starts) = (vec![0; columns], vec![0; columns]);
        for panel in 0..columns / PANEL {
            let first = panel * PANEL;
            let mut of = KeysAndValues {
                corrections: &mut corrections[first..][..PANEL],
                starts: &mut starts[first..][..PANEL],
                zero_point: k_zero,
            };
            put_panel(&q[first * width..], width, &mut panels[first * width..][..PANEL * width], &mut of);
        }
        let packed = Packed::new(&panels, &ones[..columns], &corrections, columns, width).with_starts(&starts);
        let mut products = vec![0.0; keys * columns];
        let rows = QuantizedRows::new(&k, &ones[..keys], width, width);
        gemm(&rows, &packed, &Epilogue::default(), RowsMut::dense(&mut products, columns));
        let terms: Vec<f32> =
            k.chunks(width).map(|row| ((128 - q_zero) * excess(row, k_zero)) as f32).collect();
        let mut scores = vec![vec![0u8; keys]; columns];
        for (c, scores) in scores.iter_mut().enumerate() {
            for (r, score_byte) in scores.iter_mut().enumerate() {
                let exact: i32 = (0..width)
                    .map(|i| (i32::from(q[c * width + i]) - q_zero) * (i32::from(k[r * width + i]) - i32::from(k_zero)))
                    .sum();
                assert_eq!(products[r * columns + c] + terms[r], exact as f32);
                *score_byte = byte((exact as f32 * multiplier).into(), score.zero_point).0;
            }
        }

        // Their softmax, in the order of the keys.
        let table = exponentials(score.scale, keys);
        let softmax = Scores { terms: &terms, multiplier, zero_point: score.zero_point, exponentials: &table, steps };
        let mut weights = vec![0; keys * columns];
        let mut of = KeysAndValues { corrections: &mut corrections, starts: &mut starts, zero_point: v_zero };
        softmax_panels(&mut products, columns, &softmax, &mut weights, &mut of);
        let weight = |c: usize, r: usize| {
            let line = (c / PANEL * keys / 4 + r / 4) * PANEL * 4;
            i32::from(weights[line + c % PANEL * 4 + r % 4]) + 128
        };
        for (c, scores) in scores.iter().enumerate() {
            let largest = *scores.iter().max().unwrap();
            let of = |score: u8| table[usize::from(255 - (largest - score))];
            let total = scores.iter().fold(0.0f32, |sum, &score| sum + of(score));
            for (r, &score) in scores.iter().enumerate() {
                let expected = (of(score) * steps / total).round_ties_even().min(255.0);
                assert_eq!(weight(c, r) as f32, expected, "query {c}, key {r}");
            }
        }

        // Times values.
        let packed = Packed::new(&weights, &ones[..columns], &corrections, columns, keys).with_starts(&starts);
        let mut sums = vec![0.0; width * columns];
        let rows = QuantizedRows::new(&v, &ones[..width], keys, keys);
        gemm(&rows, &packed, &Epilogue::default(), RowsMut::dense(&mut sums, columns));
        let terms: Vec<f32> = v.chunks(keys).map(|row| (128 * excess(row, v_zero)) as f32).collect();
        for (c, d) in (0..columns).flat_map(|c| (0..width).map(move |d| (c, d))) {
            let exact: i32 = (0..keys).map(|r| weight(c, r) * (i32::from(v[d * keys + r]) - i32::from(v_zero))).sum();
            assert_eq!(sums[d * columns + c] + terms[d], exact as f32);
        }
        assert!(weight_scale * steps <= 1.0);
    }

    fn a_norm_in_eights_is_a_norm() {
        let mut random = Random(5);
        for width in [8, 30, 384] {
            let (x, weight, bias) = (random.vector(3 * width, 4.0), random.vector(width, 2.0), random.vector(width, 1.0));
            let mut out = vec![0.0; 3 * width];
            layer_norm_in_eights(Rows::dense(&x, width), &weight, &bias, 1e-5, RowsMut::dense(&mut out, width));
            for (row, out) in x.chunks(width).zip(out.chunks(width)) {
                let mean = row.iter().map(|&x| f64::from(x)).sum::<f64>() / width as f64;
                let variance = row.iter().map(|&x| (f64::from(x) - mean).powi(2)).sum::<f64>() / width as f64;
                let expected: Vec<f64> = (0..width)
                    .map(|i| (f64::from(row[i]) - mean) / (variance + 1e-5).sqrt() * f64::from(weight[i]) + f64::from(bias[i]))
                    .collect();
                support::assert_close(out, &expected, 2e-6, 2e-6);
            }
        }
    }
}
