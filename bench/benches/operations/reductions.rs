//! Argmax over a vocabulary, softmax, layer norm.

use crate::{Contender, compare, noise, tables};
use argminmax::{ArgMinMax, NaNArgMinMax};
use std::hint::black_box;
use voxlane_kernels::argmax;
use voxlane_kernels::norm::Affine;
use voxlane_kernels::rows::{Rows, RowsMut};
use voxlane_kernels::topk::Candidate;

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
    for table in tables() {
        contenders.push((
            table.isa.name(),
            Box::new(move || {
                black_box((table.argmax)(black_box(x)));
            }),
        ));
    }
    compare("argmax of 51865", contenders);

    let mut contenders: Vec<Contender<'_>> = Vec::new();
    for table in tables() {
        let mut best = [Candidate::default(); 8];
        contenders.push((
            table.isa.name(),
            Box::new(move || {
                black_box((table.topk)(black_box(x), &mut best));
            }),
        ));
    }
    compare("the best 8 of 51865", contenders);

    let row = noise(415);
    let mut buffer = row.clone();
    let mut contenders: Vec<Contender<'_>> =
        vec![("plain", Box::new(move || plain_softmax(black_box(&mut buffer))))];
    for table in tables() {
        let mut buffer = row.clone();
        contenders.push((table.isa.name(), Box::new(move || (table.softmax)(black_box(&mut buffer)))));
    }
    compare("softmax of 415", contenders);

    let (row, weight) = (noise(288), noise(288));
    let (row, weight) = (&row, &weight);
    let mut out = vec![0.0; 288];
    let mut contenders: Vec<Contender<'_>> =
        vec![("plain", Box::new(move || plain_norm(black_box(row), weight, black_box(&mut out))))];
    for table in tables() {
        let mut out = vec![0.0; 288];
        let affine = Affine { weight, bias: None };
        contenders.push((
            table.isa.name(),
            Box::new(move || {
                (table.layer_norm)(Rows::one(black_box(row)), affine, 1e-5, RowsMut::one(&mut out))
            }),
        ));
    }
    compare("layer norm of 288", contenders);
}

fn plain_softmax(x: &mut [f32]) {
    let peak = x.iter().fold(f32::NEG_INFINITY, |a, &b| a.max(b));
    let mut total = 0.0;
    for x in x.iter_mut() {
        *x = (*x - peak).exp();
        total += *x;
    }
    for x in x {
        *x /= total;
    }
}

fn plain_norm(x: &[f32], weight: &[f32], out: &mut [f32]) {
    let mean = x.iter().sum::<f32>() / x.len() as f32;
    let variance = x.iter().map(|x| (x - mean) * (x - mean)).sum::<f32>() / x.len() as f32;
    let factor = 1.0 / (variance + 1e-5).sqrt();
    for ((out, x), weight) in out.iter_mut().zip(x).zip(weight) {
        *out = (x - mean) * factor * weight;
    }
}
