//! What one core of this machine can do at most: arithmetic and reads.

use crate::stopwatch::Stopwatch;
use crate::timing::seconds_of_best;
use std::hint::black_box;
use voxlane_models::buffer::Plain;

/// Ceilings of one core.
pub struct Ceilings {
    /// f32 multiply-adds, in 1e9 operations a second (a multiply-add counts as two).
    pub f32_gflops: f64,
    /// bf16 dot products, in 1e9 operations a second; nothing on a machine without.
    pub bf16_gflops: Option<f64>,
    /// 8-bit dot products, in 1e9 operations a second.
    pub i8_gops: f64,
}

/// Measures the arithmetic ceilings.
pub fn measure() -> Ceilings {
    Ceilings {
        f32_gflops: f32_peak() / 1e9,
        bf16_gflops: bf16_peak().map(|peak| peak / 1e9),
        i8_gops: i8_peak() / 1e9,
    }
}

/// Reads a buffer from its first aligned word on.
pub fn read<T: Plain>(data: &[T]) {
    // SAFETY: a plain number has no padding: its bits are initialized, and any bits make a word.
    let (_, words, _) = unsafe { data.align_to::<u64>() };
    read_words(words);
}

/// Reads all words.
pub fn read_words(words: &[u64]) {
    black_box(sum(black_box(words)));
}

/// Bytes a second that one core reads from a buffer of `bytes`.
pub fn read_bandwidth(bytes: usize) -> f64 {
    let data = vec![1u64; bytes / 8];
    let passes = (64 << 20) / bytes.max(1) + 1;
    let seconds = seconds_of_best(7, || {
        for _ in 0..passes {
            black_box(sum(black_box(&data)));
        }
    });
    (passes * bytes) as f64 / seconds
}

const ROUNDS: usize = 200_000;
const CHAINS: usize = 24;

mod loops {
    use super::{CHAINS, ROUNDS};
    use std::arch::x86_64::*;
    use std::hint::black_box;

    #[target_feature(enable = "avx512f")]
    pub fn sum(data: &[u64]) -> u64 {
        let mut sums = [_mm512_setzero_si512(); 8];
        for lines in data.chunks_exact(64) {
            for (i, sum) in sums.iter_mut().enumerate() {
                // SAFETY: a chunk is 64 words, eight for each of eight sums.
                let line = unsafe { _mm512_loadu_si512(lines.as_ptr().add(8 * i).cast()) };
                *sum = _mm512_or_si512(*sum, line);
            }
        }
        sums.into_iter().fold(0, |total, sum| total | _mm512_reduce_or_epi64(sum) as u64)
    }

    #[target_feature(enable = "avx512f")]
    pub fn multiply_adds() {
        let mut sums = [_mm512_set1_ps(black_box(1.0)); CHAINS];
        let (a, b) = (_mm512_set1_ps(black_box(1.0)), _mm512_set1_ps(black_box(0.0)));
        for _ in 0..ROUNDS {
            for sum in &mut sums {
                *sum = _mm512_fmadd_ps(a, b, *sum);
            }
        }
        black_box(sums);
    }

    #[target_feature(enable = "avx512f,avx512bf16")]
    pub fn bf16_dots() {
        let mut sums = [_mm512_set1_ps(black_box(1.0)); CHAINS];
        let a = _mm512_cvtne2ps_pbh(_mm512_set1_ps(black_box(1.0)), _mm512_set1_ps(black_box(1.0)));
        let b = _mm512_cvtne2ps_pbh(_mm512_set1_ps(black_box(0.0)), _mm512_set1_ps(black_box(0.0)));
        for _ in 0..ROUNDS {
            for sum in &mut sums {
                *sum = _mm512_dpbf16_ps(*sum, a, b);
            }
        }
        black_box(sums);
    }

    #[target_feature(enable = "avx512f,avx512vnni")]
    pub fn dots() {
        let mut sums = [_mm512_set1_epi32(black_box(1)); CHAINS];
        let (a, b) = (_mm512_set1_epi32(black_box(1)), _mm512_set1_epi32(black_box(0)));
        for _ in 0..ROUNDS {
            for sum in &mut sums {
                *sum = _mm512_dpbusd_epi32(*sum, a, b);
            }
        }
        black_box(sums);
    }
}

fn sum(data: &[u64]) -> u64 {
    assert!(is_x86_feature_detected!("avx512f"), "the ceilings are measured with AVX-512");
    // SAFETY: just checked.
    unsafe { loops::sum(data) }
}

fn f32_peak() -> f64 {
    assert!(is_x86_feature_detected!("avx512f"), "the ceilings are measured with AVX-512");
    // SAFETY: just checked.
    (ROUNDS * CHAINS * 16 * 2) as f64 / seconds_of_best(9, || unsafe { loops::multiply_adds() })
}

fn bf16_peak() -> Option<f64> {
    is_x86_feature_detected!("avx512bf16").then(|| {
        // SAFETY: just checked.
        (ROUNDS * CHAINS * 32 * 2) as f64 / seconds_of_best(9, || unsafe { loops::bf16_dots() })
    })
}

fn i8_peak() -> f64 {
    assert!(is_x86_feature_detected!("avx512vnni"), "the ceilings are measured with AVX-512 VNNI");
    // SAFETY: just checked.
    (ROUNDS * CHAINS * 64 * 2) as f64 / seconds_of_best(9, || unsafe { loops::dots() })
}

/// One look at the rate of f32 multiply-adds, in operations a second, by `watch`.
pub fn f32_rate(watch: Stopwatch) -> f64 {
    assert!(is_x86_feature_detected!("avx512f"), "the ceilings are measured with AVX-512");
    let start = watch.now();
    // SAFETY: just checked.
    unsafe { loops::multiply_adds() };
    (ROUNDS * CHAINS * 16 * 2) as f64 / (watch.now() - start).as_secs_f64()
}

/// One look at the rate of 8-bit dot products, in operations a second, by `watch`.
pub fn i8_rate(watch: Stopwatch) -> f64 {
    assert!(is_x86_feature_detected!("avx512vnni"), "the ceilings are measured with AVX-512 VNNI");
    let start = watch.now();
    // SAFETY: just checked.
    unsafe { loops::dots() };
    (ROUNDS * CHAINS * 64 * 2) as f64 / (watch.now() - start).as_secs_f64()
}
