//! Argmax over a vocabulary, the best few, layer norm.

use crate::{Contender, compare, instruction_sets, noise, on};
use argminmax::{ArgMinMax, NaNArgMinMax};
use std::hint::black_box;
use voxlane_kernels::rows::{Rows, RowsMut};
use voxlane_kernels::topk::Candidate;
use voxlane_kernels::{argmax, norm, topk};

pub fn run() {
    let x = noise(51_865);
    let x = &x;
    let mut contenders: Vec<Contender<'_>> = vec![
        (
            "plain",
            Box::new(move || {
                black_box(argmax::plain(black_box(x)));
            }),
        ),
        (
            "argminmax",
            Box::new(move || {
                black_box(NaNArgMinMax::nanargmax(&black_box(&x[..])));
            }),
        ),
        (
            "ignoring NaN",
            Box::new(move || {
                black_box(ArgMinMax::argmax(&black_box(&x[..])));
            }),
        ),
    ];
    for isa in instruction_sets() {
        contenders.push((
            isa.name(),
            on(isa, move || {
                black_box(argmax::argmax(black_box(x)));
            }),
        ));
    }
    compare("argmax of 51865", contenders);

    let mut contenders: Vec<Contender<'_>> = Vec::new();
    for isa in instruction_sets() {
        let mut best = [Candidate::default(); 8];
        contenders.push((
            isa.name(),
            on(isa, move || {
                black_box(topk::topk(black_box(x), &mut best));
            }),
        ));
    }
    compare("the best 8 of 51865", contenders);

    let (row, weight) = (noise(288), noise(288));
    let (row, weight) = (&row, &weight);
    let mut out = vec![0.0; 288];
    let mut contenders: Vec<Contender<'_>> =
        vec![("plain", Box::new(move || plain_norm(black_box(row), weight, black_box(&mut out))))];
    for isa in instruction_sets() {
        let mut out = vec![0.0; 288];
        contenders.push((
            isa.name(),
            on(isa, move || {
                norm::layer_norm(Rows::one(black_box(row)), weight, None, 1e-5, RowsMut::one(&mut out))
            }),
        ));
    }
    compare("layer norm of 288", contenders);
}

fn plain_norm(x: &[f32], weight: &[f32], out: &mut [f32]) {
    let mean = x.iter().sum::<f32>() / x.len() as f32;
    let variance = x.iter().map(|x| (x - mean) * (x - mean)).sum::<f32>() / x.len() as f32;
    let factor = 1.0 / (variance + 1e-5).sqrt();
    for ((out, x), weight) in out.iter_mut().zip(x).zip(weight) {
        *out = (x - mean) * factor * weight;
    }
}
