//! Products with 4-bit weights against an f64 oracle on the weights as they were rounded.

use crate::common::{bits, noise};
use proptest::prelude::*;
use voxlane_kernels::gemm::Epilogue;
use voxlane_kernels::gemm::i4::{GROUP, Packed, gemm_with, pack, packed_len, scales_len};
use voxlane_kernels::isa::Isa;
use voxlane_kernels::rows::{Rows, RowsMut};
use voxlane_kernels::table::Table;

fn packed(weights: &[f32], outputs: usize, inputs: usize) -> (Vec<u32>, Vec<f32>) {
    let mut words = vec![7; packed_len(outputs, inputs)];
    let mut scales = vec![f32::NAN; scales_len(outputs, inputs)];
    pack(weights, outputs, inputs, &mut words, &mut scales);
    (words, scales)
}

fn check(isa: Isa, rows: usize, outputs: usize, inputs: usize, part: usize, seed: u64) {
    let table = Table::new(isa).unwrap();
    let (words, scales) = packed(&noise(seed, outputs * inputs), outputs, inputs);
    let w = Packed::new(&words, &scales, outputs, inputs);
    let (a, bias) = (noise(seed + 1, rows * inputs), noise(seed + 2, outputs));
    let epilogue = Epilogue { bias: Some(&bias), ..Epilogue::default() };
    let mut all = vec![0.0; rows * outputs];
    gemm_with(table, Rows::dense(&a, inputs), &w, &epilogue, RowsMut::dense(&mut all, outputs));
    for (i, &got) in all.iter().enumerate() {
        let (r, o) = (i / outputs, i % outputs);
        let products = (0..inputs).map(|k| f64::from(a[r * inputs + k]) * f64::from(w.weight(o, k)));
        let want = products.clone().sum::<f64>() + f64::from(bias[o]);
        let error = 1e-6 + products.map(f64::abs).sum::<f64>() * 1e-5;
        assert!((f64::from(got) - want).abs() <= error, "{}: {got} instead of {want}", isa.name());
    }
    let mut parts = vec![0.0; rows * outputs];
    for first in (0..rows).step_by(part) {
        let count = part.min(rows - first);
        let out = RowsMut::new(&mut parts[first * outputs..], outputs, count);
        gemm_with(table, Rows::new(&a[first * inputs..], inputs, count), &w, &epilogue, out);
    }
    assert_eq!(bits(&all), bits(&parts), "{}: rows in parts of {part}", isa.name());
}

macro_rules! on_each_instruction_set {
    ($($name:ident: $isa:expr;)*) => {
        $(mod $name {
            use super::*;

            proptest! {
                #![proptest_config(ProptestConfig::with_cases(if cfg!(miri) { 3 } else { 48 }))]

                #[test]
                fn agrees_with_the_oracle_in_any_parts(
                    rows in 1usize..15, outputs in 1usize..120, inputs in 1usize..100,
                    part in 1usize..10, seed in 1u64..1000,
                ) {
                    // A machine without this instruction set has no table for it and nothing to test.
                    if $isa.is_available() {
                        check($isa, rows, outputs, inputs, part, seed);
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

proptest! {
    #[test]
    fn weights_are_near(outputs in 1usize..20, inputs in 1usize..100, seed in 1u64..1000) {
        let weights = noise(seed, outputs * inputs);
        let (words, scales) = packed(&weights, outputs, inputs);
        let w = Packed::new(&words, &scales, outputs, inputs);
        for (o, row) in weights.chunks(inputs).enumerate() {
            for (g, group) in row.chunks(GROUP).enumerate() {
                let largest = group.iter().fold(0.0f32, |largest, v| largest.max(v.abs()));
                let squared = |f: &dyn Fn(usize, f32) -> f32| -> f32 {
                    group.iter().enumerate().map(|(i, &v)| (v - f(i, v)).powi(2)).sum()
                };
                // At least as good as plain rounding with seven steps on each side.
                let plain = largest / 7.0;
                let ours = squared(&|i, _| w.weight(o, g * GROUP + i));
                let other = squared(&|_, v| (v / plain).round() * plain);
                prop_assert!(ours <= other * 1.001 + 1e-9, "{ours} {other}");
            }
        }
    }
}

#[test]
fn multiples_of_a_scale_are_exact() {
    let weights: Vec<f32> = (0..GROUP).map(|i| (i as f32 - 8.0).min(7.0) / 4.0).collect();
    let (words, scales) = packed(&weights, 1, GROUP);
    let w = Packed::new(&words, &scales, 1, GROUP);
    assert_eq!((0..GROUP).map(|i| w.weight(0, i)).collect::<Vec<_>>(), weights);
}
