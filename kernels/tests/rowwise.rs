//! Normalization, softmax, rotary embedding and argmax against `f64`.

mod support;

use support::{Random, assert_close, on_every_instruction_set, size};
use voxlane_kernels::lstm;
use voxlane_kernels::rope::{self, Rotation};
use voxlane_kernels::rows::{Rows, RowsMut};
use voxlane_kernels::topk::{self, Candidate};
use voxlane_kernels::{argmax, norm, softmax};

const WIDTHS: &[usize] = if cfg!(miri) { &[1, 7, 17] } else { &[1, 2, 7, 15, 16, 17, 63, 288, 417] };

on_every_instruction_set! {
    fn layer_norm() {
        for &width in WIDTHS {
            let mut random = Random(width as u64);
            let x: Vec<f32> = random.vector(3 * (width + 1), 2.0).iter().map(|x| x + 30.0).collect();
            let (weight, bias) = (random.vector(width, 2.0), random.vector(width, 2.0));
            for bias in [None, Some(&bias[..])] {
                let mut out = vec![9.0; 3 * (width + 3)];
                let out_rows = RowsMut::new(&mut out, width + 3, 3);
                norm::layer_norm(Rows::new(&x, width + 1, 3), &weight, bias, 1e-5, out_rows);
                for r in 0..3 {
                    let row: Vec<f64> = x[r * (width + 1)..][..width].iter().map(|&x| f64::from(x)).collect();
                    let mean = row.iter().sum::<f64>() / width as f64;
                    let variance = row.iter().map(|x| (x - mean).powi(2)).sum::<f64>() / width as f64;
                    let expected: Vec<f64> = (0..width)
                        .map(|i| {
                            let y = (row[i] - mean) / (variance + 1e-5).sqrt() * f64::from(weight[i]);
                            y + bias.map_or(0.0, |b| f64::from(b[i]))
                        })
                        .collect();
                    // A mean of 30 costs about five bits.
                    assert_close(&out[r * (width + 3)..][..width], &expected, 2e-5, 1e-5);
                    assert_eq!(out[r * (width + 3) + width..][..3], [9.0; 3]);
                }
            }
        }
    }

    fn moments() {
        for len in [0, 1, 31, 256, 257, size(100_003, 1003)] {
            let x = Random(len as u64).vector(len, 1.0);
            let (sum, squares) = norm::moments(&x);
            let expected: f64 = x.iter().map(|&x| f64::from(x)).sum();
            let expected_squares: f64 = x.iter().map(|&x| f64::from(x).powi(2)).sum();
            assert!((sum - expected).abs() <= 1e-6 * len as f64, "{sum} {expected}");
            assert!((squares - expected_squares).abs() <= 1e-6 * expected_squares);
        }
    }

    fn log_sum_exp() {
        for &width in WIDTHS {
            for offset in [0.0, 300.0, -300.0] {
                let x: Vec<f32> = Random(width as u64).vector(width, 20.0).iter().map(|x| x + offset).collect();
                let peak = f64::from(x.iter().fold(f32::NEG_INFINITY, |a, &b| a.max(b)));
                let total: f64 = x.iter().map(|&x| (f64::from(x) - peak).exp()).sum();
                let got = f64::from(softmax::log_sum_exp(&x));
                assert!((got - peak - total.ln()).abs() <= 1e-6 * (peak + total.ln()).abs().max(1.0));
            }
        }
    }

    fn log_sum_exp_at_the_edges() {
        const LOWEST: f32 = f32::NEG_INFINITY;
        assert_eq!(softmax::log_sum_exp(&[]), LOWEST);
        assert_eq!(softmax::log_sum_exp(&[LOWEST; 20]), LOWEST);
        assert_eq!(softmax::log_sum_exp(&[0.0, f32::INFINITY]), f32::INFINITY);
        assert!(softmax::log_sum_exp(&[LOWEST, f32::NAN]).is_nan());
        assert!(softmax::log_sum_exp(&[1.0, f32::NAN]).is_nan());
    }

    fn rope_turns_pairs() {
        for (heads, head_dim, rotary_dim) in [(8, 36, 32), (1, 2, 2), (3, 5, 4), (2, 64, 64)] {
            let (rows, first, theta) = (5, 3, 10_000.0);
            let pairs = rotary_dim / 2;
            let (mut cos, mut sin) = (vec![0.0; 9 * pairs], vec![0.0; 9 * pairs]);
            rope::fill(&mut cos, &mut sin, rotary_dim, theta);
            let width = heads * head_dim;
            let x = Random(7).vector(rows * (width + 1), 2.0);
            let mut y = x.clone();
            let rotation = Rotation { cos: &cos, sin: &sin, rotary_dim };
            rope::apply_interleaved(RowsMut::new(&mut y, width + 1, rows), first, heads, head_dim, rotation);
            let mut expected: Vec<f64> = x.iter().map(|&x| f64::from(x)).collect();
            for r in 0..rows {
                for h in 0..heads {
                    for p in 0..pairs {
                        let at = r * (width + 1) + h * head_dim + 2 * p;
                        let angle = (first + r) as f64 / theta.powf(2.0 * p as f64 / rotary_dim as f64);
                        let (a, b) = (f64::from(x[at]), f64::from(x[at + 1]));
                        expected[at] = a * angle.cos() - b * angle.sin();
                        expected[at + 1] = b * angle.cos() + a * angle.sin();
                    }
                }
            }
            assert_close(&y, &expected, 1e-6, 0.0);
        }
    }

    fn argmax_is_the_first_largest() {
        const NAN: f32 = f32::NAN;
        const LOWEST: f32 = f32::NEG_INFINITY;
        for (x, expected) in [
            (&[][..], None),
            (&[NAN, NAN], None),
            (&[NAN, LOWEST], Some(1)),
            (&[1.0, NAN, 3.0, 3.0], Some(2)),
            (&[-0.0, 0.0], Some(0)),
            (&[f32::INFINITY, NAN], Some(0)),
        ] {
            assert_eq!(argmax::argmax(x), expected, "{x:?}");
        }
        assert_eq!(argmax::argmax(&[NAN; 600]), None);
        for len in [1, 2, 15, 16, 17, 255, 256, 257, size(51_865, 300)] {
            let mut random = Random(len as u64);
            for round in 0..size(30, 1) {
                // Few distinct values, so that ties are common; NaN and infinities among them.
                let mut x: Vec<f32> = (0..len + 3).map(|_| random.below(9 + round * 100) as f32).collect();
                for _ in 0..len / 10 {
                    x[random.below(len)] = [NAN, LOWEST, -1.0][random.below(3)];
                }
                for start in 0..3 {
                    let x = &x[start..start + len];
                    assert_eq!(argmax::argmax(x), argmax::plain(x), "length {len}");
                }
            }
            // Alone at every place, among negative infinities.
            for place in (0..len).step_by(size(len / 100 + 1, len / 5 + 1)) {
                let mut x = vec![LOWEST; len];
                x[place] = -5.0;
                assert_eq!(argmax::argmax(&x), Some(place));
            }
        }
    }

    fn topk_is_a_stable_sort() {
        for len in [0, 1, 5, 63, 64, 65, size(5000, 300)] {
            for k in [0, 1, 2, 5, 40] {
                let mut random = Random((len * 41 + k) as u64);
                let mut x: Vec<f32> = (0..len).map(|_| random.below(200) as f32 - 100.0).collect();
                for _ in 0..len / 10 {
                    x[random.below(len)] = [f32::NAN, f32::NEG_INFINITY, f32::INFINITY][random.below(3)];
                }
                let mut best = vec![Candidate::default(); k];
                let found = topk::topk(&x, &mut best);
                let mut order: Vec<usize> = (0..len).filter(|&i| !x[i].is_nan()).collect();
                order.sort_by(|&a, &b| x[b].partial_cmp(&x[a]).expect("no NaN"));
                order.truncate(k);
                let expected: Vec<Candidate> = order.iter().map(|&index| Candidate { index, value: x[index] }).collect();
                assert_eq!(best[..found], expected);
            }
        }
    }

    fn lstm_step() {
        let sigmoid = |x: f32| 1.0 / (1.0 + f64::from(-x).exp());
        for width in [1, 16, 37, size(640, 9)] {
            let [i, f, g, o] = [0, 1, 2, 3];
            let mut random = Random(width as u64);
            let gates = random.vector(2 * 4 * width, 4.0);
            let (old, mut hidden) = (random.vector(2 * width, 2.0), vec![0.0; 2 * width]);
            let mut cell = old.clone();
            let (cells, hiddens) = (RowsMut::dense(&mut cell, width), RowsMut::dense(&mut hidden, width));
            lstm::step(Rows::dense(&gates, 4 * width), width, cells, hiddens);
            let gate = |n: usize, place: usize| gates[n / width * 4 * width + place * width + n % width];
            let next: Vec<f64> = (0..2 * width)
                .map(|n| {
                    let update = sigmoid(gate(n, i)) * f64::from(gate(n, g)).tanh();
                    sigmoid(gate(n, f)) * f64::from(old[n]) + update
                })
                .collect();
            assert_close(&cell, &next, 1e-6, 1e-6);
            let expected: Vec<f64> = (0..2 * width).map(|n| sigmoid(gate(n, o)) * next[n].tanh()).collect();
            assert_close(&hidden, &expected, 1e-6, 1e-6);
        }
    }
}
