//! Normalization, softmax, rotary embedding and argmax against `f64`.

mod support;

use support::{Random, assert_close, on_every_instruction_set, size};
use voxlane_kernels::norm::Affine;
use voxlane_kernels::rope::{self, Rotation};
use voxlane_kernels::rows::{Rows, RowsMut};

const WIDTHS: [usize; 9] = [1, 2, 7, 15, 16, 17, 63, 288, 417];

on_every_instruction_set! {
    fn layer_norm(table: &Table) {
        for width in WIDTHS {
            let mut random = Random(width as u64);
            let x: Vec<f32> = random.vector(3 * (width + 1), 2.0).iter().map(|x| x + 30.0).collect();
            let (weight, bias) = (random.vector(width, 2.0), random.vector(width, 2.0));
            for bias in [None, Some(&bias[..])] {
                let mut out = vec![9.0; 3 * (width + 3)];
                let affine = Affine { weight: &weight, bias };
                (table.layer_norm)(Rows::new(&x, width + 1, 3), affine, 1e-5, RowsMut::new(&mut out, width + 3, 3));
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

    fn moments(table: &Table) {
        for len in [0, 1, 31, 256, 257, size(100_003, 1003)] {
            let x = Random(len as u64).vector(len, 1.0);
            let (sum, squares) = (table.moments)(&x);
            let expected: f64 = x.iter().map(|&x| f64::from(x)).sum();
            let expected_squares: f64 = x.iter().map(|&x| f64::from(x).powi(2)).sum();
            assert!((sum - expected).abs() <= 1e-6 * len as f64, "{sum} {expected}");
            assert!((squares - expected_squares).abs() <= 1e-6 * expected_squares);
        }
    }

    fn softmax_and_log_sum_exp(table: &Table) {
        for width in WIDTHS {
            for offset in [0.0, 300.0, -300.0] {
                let x: Vec<f32> = Random(width as u64).vector(width, 20.0).iter().map(|x| x + offset).collect();
                let mut y = x.clone();
                (table.softmax)(&mut y);
                let peak = f64::from(x.iter().fold(f32::NEG_INFINITY, |a, &b| a.max(b)));
                let total: f64 = x.iter().map(|&x| (f64::from(x) - peak).exp()).sum();
                let expected: Vec<f64> = x.iter().map(|&x| (f64::from(x) - peak).exp() / total).collect();
                assert_close(&y, &expected, 1e-38, 2e-6);
                let got = f64::from((table.log_sum_exp)(&x));
                assert!((got - peak - total.ln()).abs() <= 1e-6 * (peak + total.ln()).abs().max(1.0));
            }
        }
    }

    fn softmax_at_the_edges(table: &Table) {
        const LOWEST: f32 = f32::NEG_INFINITY;
        (table.softmax)(&mut []);
        assert_eq!((table.log_sum_exp)(&[]), LOWEST);
        assert_eq!((table.log_sum_exp)(&[LOWEST; 20]), LOWEST);
        assert_eq!((table.log_sum_exp)(&[0.0, f32::INFINITY]), f32::INFINITY);
        assert!((table.log_sum_exp)(&[LOWEST, f32::NAN]).is_nan());
        assert!((table.log_sum_exp)(&[1.0, f32::NAN]).is_nan());
        let mut x = [LOWEST, 0.0, LOWEST];
        (table.softmax)(&mut x);
        assert_eq!(x, [0.0, 1.0, 0.0]);
        for spoiled in [[LOWEST; 3], [0.0, f32::NAN, 1.0]] {
            let mut x = spoiled;
            (table.softmax)(&mut x);
            assert!(x.iter().all(|x| x.is_nan()), "{x:?}");
        }
    }

    fn rope_turns_pairs(table: &Table) {
        for (heads, head_dim, rotary_dim) in [(8, 36, 32), (1, 2, 2), (3, 5, 4), (2, 64, 64)] {
            let (rows, first, theta) = (5, 3, 10_000.0);
            let pairs = rotary_dim / 2;
            let (mut cos, mut sin) = (vec![0.0; 9 * pairs], vec![0.0; 9 * pairs]);
            rope::fill(&mut cos, &mut sin, rotary_dim, theta);
            let width = heads * head_dim;
            let x = Random(7).vector(rows * (width + 1), 2.0);
            let mut y = x.clone();
            let rotation = Rotation { cos: &cos, sin: &sin, rotary_dim };
            (table.rope_interleaved)(RowsMut::new(&mut y, width + 1, rows), first, heads, head_dim, rotation);
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
}
