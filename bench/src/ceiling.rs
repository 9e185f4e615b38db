//! What one core of this machine can do at most: arithmetic and reads.

use crate::stopwatch::Stopwatch;
use crate::timing::seconds_of_best;
use std::hint::black_box;
use voxlane_models::buffer::Plain;

/// Ceilings of one core.
pub struct Ceilings {
    /// f32 multiply-adds, in 1e9 operations a second (a multiply-add counts as two).
    pub f32_gflops: f64,
    /// 8-bit dot products, in 1e9 operations a second.
    pub i8_gops: f64,
}

/// Measures the arithmetic ceilings.
pub fn measure() -> Ceilings {
    let loops = Loops::get();
    Ceilings { f32_gflops: f32_peak(loops) / 1e9, i8_gops: i8_peak(loops) / 1e9 }
}

/// Reads a buffer from its first aligned word on.
pub fn read<T: Plain>(data: &[T]) {
    // SAFETY: a plain number has no padding: its bits are initialized, and any bits make a word.
    let (_, words, _) = unsafe { data.align_to::<u64>() };
    read_words(words);
}

/// Reads all words.
pub fn read_words(words: &[u64]) {
    black_box(Loops::get().sum(black_box(words)));
}

/// Bytes a second that one core reads from a buffer of `bytes`.
pub fn read_bandwidth(bytes: usize) -> f64 {
    let data = vec![1u64; bytes / 8];
    let loops = Loops::get();
    let passes = (64 << 20) / bytes.max(1) + 1;
    let seconds = seconds_of_best(7, || {
        for _ in 0..passes {
            black_box(loops.sum(black_box(&data)));
        }
    });
    (passes * bytes) as f64 / seconds
}

const ROUNDS: usize = 200_000;
const CHAINS: usize = 24;

/// What is measured, by the best instruction set that this machine has.
#[derive(Clone, Copy)]
struct Loops {
    sum: unsafe fn(&[u64]) -> u64,
    multiply_adds: unsafe fn(),
    /// f32 multiply-adds of one instruction.
    f32_lanes: usize,
    dots: unsafe fn(),
    /// 8-bit products of one step of a chain.
    i8_lanes: usize,
}

impl Loops {
    fn get() -> Self {
        if is_x86_feature_detected!("avx512vnni") && is_x86_feature_detected!("avx512f") {
            let (sum, multiply_adds, dots) =
                (avx512::sum as _, avx512::multiply_adds as _, avx512::dots as _);
            return Loops { sum, multiply_adds, f32_lanes: 16, dots, i8_lanes: 64 };
        }
        assert!(
            is_x86_feature_detected!("avx2") && is_x86_feature_detected!("fma"),
            "the ceilings are measured with AVX2 or more"
        );
        let (sum, multiply_adds, dots) = (avx2::sum as _, avx2::multiply_adds as _, avx2::dots as _);
        Loops { sum, multiply_adds, f32_lanes: 8, dots, i8_lanes: 32 }
    }

    fn sum(self, data: &[u64]) -> u64 {
        // SAFETY: `get` gives what the machine has.
        unsafe { (self.sum)(data) }
    }

    fn multiply_adds(self) {
        // SAFETY: as above.
        unsafe { (self.multiply_adds)() }
    }

    fn dots(self) {
        // SAFETY: as above.
        unsafe { (self.dots)() }
    }

    fn f32_operations(self) -> f64 {
        (ROUNDS * CHAINS * self.f32_lanes * 2) as f64
    }

    fn i8_operations(self) -> f64 {
        (ROUNDS * CHAINS * self.i8_lanes * 2) as f64
    }
}

mod avx512 {
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

mod avx2 {
    use super::ROUNDS;
    use std::arch::x86_64::*;
    use std::hint::black_box;

    /// There are sixteen registers, of which three hold factors.
    const CHAINS: usize = 12;
    const PASSES: usize = ROUNDS * super::CHAINS / CHAINS;

    #[target_feature(enable = "avx2")]
    pub fn sum(data: &[u64]) -> u64 {
        let mut sums = [_mm256_setzero_si256(); 8];
        for lines in data.chunks_exact(32) {
            for (i, sum) in sums.iter_mut().enumerate() {
                // SAFETY: a chunk is 32 words, four for each of eight sums.
                let line = unsafe { _mm256_loadu_si256(lines.as_ptr().add(4 * i).cast()) };
                *sum = _mm256_or_si256(*sum, line);
            }
        }
        let all = sums.into_iter().fold(_mm256_setzero_si256(), |all, sum| _mm256_or_si256(all, sum));
        (_mm256_extract_epi64::<0>(all)
            | _mm256_extract_epi64::<1>(all)
            | _mm256_extract_epi64::<2>(all)
            | _mm256_extract_epi64::<3>(all)) as u64
    }

    #[target_feature(enable = "avx2,fma")]
    pub fn multiply_adds() {
        let mut sums = [_mm256_set1_ps(black_box(1.0)); CHAINS];
        let (a, b) = (_mm256_set1_ps(black_box(1.0)), _mm256_set1_ps(black_box(0.0)));
        for _ in 0..PASSES {
            for sum in &mut sums {
                *sum = _mm256_fmadd_ps(a, b, *sum);
            }
        }
        black_box(sums);
    }

    /// Without VNNI, products of bytes and their sum take three instructions.
    #[target_feature(enable = "avx2")]
    pub fn dots() {
        let mut sums = [_mm256_set1_epi32(black_box(1)); CHAINS];
        let (a, ones) = (_mm256_set1_epi8(black_box(1)), _mm256_set1_epi16(black_box(1)));
        for _ in 0..PASSES {
            for sum in &mut sums {
                // The sum is a factor too: else all chains would share one product.
                let pairs = _mm256_madd_epi16(_mm256_maddubs_epi16(a, *sum), ones);
                *sum = _mm256_add_epi32(pairs, *sum);
            }
        }
        black_box(sums);
    }
}

fn f32_peak(loops: Loops) -> f64 {
    loops.f32_operations() / seconds_of_best(9, || loops.multiply_adds())
}

fn i8_peak(loops: Loops) -> f64 {
    loops.i8_operations() / seconds_of_best(9, || loops.dots())
}

/// One look at the rate of f32 multiply-adds, in operations a second, by `watch`.
pub fn f32_rate(watch: Stopwatch) -> f64 {
    let (loops, start) = (Loops::get(), watch.now());
    loops.multiply_adds();
    loops.f32_operations() / (watch.now() - start).as_secs_f64()
}

/// One look at the rate of 8-bit dot products, in operations a second, by `watch`.
pub fn i8_rate(watch: Stopwatch) -> f64 {
    let (loops, start) = (Loops::get(), watch.now());
    loops.dots();
    loops.i8_operations() / (watch.now() - start).as_secs_f64()
}
