//! Interleaved timing: every contender runs once a round, so that all see the same machine.

use std::time::Instant;

/// The shortest of `runs` runs, in seconds.
pub fn seconds_of_best(runs: usize, mut f: impl FnMut()) -> f64 {
    (0..runs).map(|_| seconds(&mut f)).fold(f64::INFINITY, f64::min)
}

/// The median seconds of each contender's calls, measured in interleaved rounds that take about
/// `budget` seconds together.
pub fn medians(contenders: &mut [&mut dyn FnMut()], budget: f64) -> Vec<f64> {
    let first: Vec<f64> = contenders.iter_mut().map(|f| seconds(&mut **f).max(seconds(&mut **f))).collect();
    // A sample is at least 20 µs long, so that the clock's own cost does not count.
    let repeats: Vec<usize> = first.iter().map(|s| (20e-6 / s.max(1e-9)).ceil().max(1.0) as usize).collect();
    let round: f64 = first.iter().zip(&repeats).map(|(s, &n)| s * n as f64).sum();
    let rounds = ((budget / round) as usize).clamp(11, 2000);
    let mut samples = vec![Vec::with_capacity(rounds); contenders.len()];
    for _ in 0..rounds {
        for ((f, samples), &n) in contenders.iter_mut().zip(&mut samples).zip(&repeats) {
            let total = seconds(|| (0..n).for_each(|_| f()));
            samples.push(total / n as f64);
        }
    }
    samples.into_iter().map(median).collect()
}

fn seconds(mut f: impl FnMut()) -> f64 {
    let start = Instant::now();
    f();
    start.elapsed().as_secs_f64()
}

fn median(mut samples: Vec<f64>) -> f64 {
    samples.sort_by(f64::total_cmp);
    samples[samples.len() / 2]
}
