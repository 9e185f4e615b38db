//! Transposes beside a copy of the same bytes, a naive loop and a blocked one.

use crate::{Contender, compare, noise, tables};
use std::hint::black_box;
use voxlane_kernels::rows::{Rows, RowsMut};

pub fn run() {
    for side in [256, 1024, 4096] {
        let x = noise(side * side);
        let x = &x;
        let buffer = || vec![0.0f32; side * side];
        let (mut a, mut b, mut c) = (buffer(), buffer(), buffer());
        let mut contenders: Vec<Contender<'_>> = vec![
            ("copy", Box::new(move || a.copy_from_slice(black_box(x)))),
            ("naive", Box::new(move || naive(black_box(x), side, &mut b))),
            ("blocked", Box::new(move || blocked(black_box(x), side, &mut c))),
        ];
        for table in tables() {
            let mut out = buffer();
            contenders.push((
                table.isa.name(),
                Box::new(move || {
                    (table.transpose)(Rows::dense(black_box(x), side), side, RowsMut::dense(&mut out, side));
                }),
            ));
        }
        let seconds = compare(&format!("f32 {side} x {side}"), contenders);
        let best = seconds[3..].iter().fold(f64::INFINITY, |a, &b| a.min(b));
        println!(
            "{:<28}  the best is {:.2}x the blocked loop, {:.2} of the copy",
            "",
            seconds[2] / best,
            seconds[0] / best
        );
    }
}

/// Reads rows in order, writes with a stride.
fn naive(x: &[f32], side: usize, out: &mut [f32]) {
    for r in 0..side {
        for c in 0..side {
            out[c * side + r] = x[r * side + c];
        }
    }
}

/// Squares of 32, plain Rust.
fn blocked(x: &[f32], side: usize, out: &mut [f32]) {
    const BLOCK: usize = 32;
    for first_row in (0..side).step_by(BLOCK) {
        for first_column in (0..side).step_by(BLOCK) {
            for c in first_column..first_column + BLOCK {
                for r in first_row..first_row + BLOCK {
                    out[c * side + r] = x[r * side + c];
                }
            }
        }
    }
}
