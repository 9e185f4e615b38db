//! Conversions and activation functions on one row of an MLP, or on 20 ms of audio.

use crate::{Contender, compare, instruction_sets, noise, on};
use std::hint::black_box;
use voxlane_kernels::{activation, convert};

/// Name, the C library's way, and ours.
type Function = (&'static str, fn(f32) -> f32, fn(&mut [f32]));

pub fn run() {
    conversion();
    let x = noise(1152);
    let functions: [Function; 3] = [
        ("tanh", f32::tanh, activation::tanh),
        ("silu", |x| x / (1.0 + (-x).exp()), activation::silu),
        (
            "gelu (rival: tanh form)",
            |x| 0.5 * x * (1.0 + (0.797_884_6 * (x + 0.044_715 * x * x * x)).tanh()),
            activation::gelu,
        ),
    ];
    for (name, plain, ours) in functions {
        let mut contenders: Vec<Contender<'_>> = Vec::new();
        let mut buffer = x.clone();
        contenders.push((
            "C library",
            Box::new(move || black_box(&mut buffer).iter_mut().for_each(|x| *x = plain(*x))),
        ));
        for isa in instruction_sets() {
            let mut buffer = x.clone();
            contenders.push((isa.name(), on(isa, move || ours(black_box(&mut buffer)))));
        }
        compare(name, contenders);
    }
}

fn conversion() {
    let x: Vec<i16> = noise(320).iter().map(|x| (x * 32767.0) as i16).collect();
    let mut contenders: Vec<Contender<'_>> = Vec::new();
    #[cfg(target_arch = "x86_64")]
    if is_x86_feature_detected!("avx512f") {
        let mut out = vec![0.0; x.len()];
        let x = &x;
        // SAFETY: just checked.
        contenders
            .push(("intrinsics", Box::new(move || unsafe { by_hand(black_box(x), black_box(&mut out)) })));
    }
    for isa in instruction_sets() {
        let mut out = vec![0.0; x.len()];
        let x = &x;
        contenders
            .push((isa.name(), on(isa, move || convert::i16_to_f32(black_box(x), black_box(&mut out)))));
    }
    compare("i16 to f32, 320 samples", contenders);
}

/// Written out in AVX-512.
#[cfg(target_arch = "x86_64")]
#[target_feature(enable = "avx512f")]
fn by_hand(x: &[i16], out: &mut [f32]) {
    use std::arch::x86_64::*;
    let scale = _mm512_set1_ps(1.0 / 32768.0);
    for (x, out) in x.chunks_exact(16).zip(out.chunks_exact_mut(16)) {
        // SAFETY: chunks of sixteen.
        unsafe {
            let wide = _mm512_cvtepi16_epi32(_mm256_loadu_si256(x.as_ptr().cast()));
            _mm512_storeu_ps(out.as_mut_ptr(), _mm512_mul_ps(_mm512_cvtepi32_ps(wide), scale));
        }
    }
}
