//! The wave of a look: zero mean, unit variance.

use voxlane_kernels::convert::i16_to_f32;

/// Added to the variance.
const EPSILON: f32 = 1e-7;
/// The most values that are added up without halving.
const LEAF: usize = 128;
/// Sums of a leaf that run beside each other.
const CHAINS: usize = 8;

/// Writes the newest samples to the end of `wave`, zeros before them.
///
/// # Panics
/// If there are more samples than the wave is long.
pub(super) fn place(samples: &[i16], wave: &mut [f32]) {
    let (before, now) = wave.split_at_mut(wave.len() - samples.len());
    before.fill(0.0);
    i16_to_f32(samples, now);
}

/// The mean.
pub(super) fn mean(wave: &[f32]) -> f32 {
    sum(wave, &|x| x) / wave.len() as f32
}

/// What values are divided by after the mean was taken away.
pub(super) fn deviation(wave: &[f32], mean: f32) -> f32 {
    let square = |x: f32| {
        let distance = x - mean;
        distance * distance
    };
    (sum(wave, &square) / wave.len() as f32 + EPSILON).sqrt()
}

/// Takes the mean away and divides.
pub(super) fn normalize(wave: &mut [f32], mean: f32, deviation: f32) {
    wave.iter_mut().for_each(|x| *x = (*x - mean) / deviation);
}

/// The sum, added pairwise: halves down to short runs, in the order in which numpy adds `f32` up.
fn sum(x: &[f32], of: &impl Fn(f32) -> f32) -> f32 {
    if x.len() <= LEAF {
        let (groups, rest) = x.as_chunks::<CHAINS>();
        let mut sums = [0.0; CHAINS];
        if let Some((first, groups)) = groups.split_first() {
            sums = first.map(of);
            for group in groups {
                for (sum, &x) in sums.iter_mut().zip(group) {
                    *sum += of(x);
                }
            }
        }
        let [a, b, c, d, e, f, g, h] = sums;
        return rest.iter().fold(((a + b) + (c + d)) + ((e + f) + (g + h)), |sum, &x| sum + of(x));
    }
    let half = x.len() / 2 / CHAINS * CHAINS;
    sum(&x[..half], of) + sum(&x[half..], of)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_wave_has_zeros_in_front_and_is_normalized() {
        let mut wave = [9.0; 1000];
        let samples: Vec<i16> = (0..700).map(|i| (i * 97 % 801 - 300) as i16).collect();
        place(&samples, &mut wave);
        assert!(wave[..300].iter().all(|&x| x == 0.0) && wave[300] == f32::from(samples[0]) / 32768.0);
        let mean = mean(&wave);
        let deviation = deviation(&wave, mean);
        normalize(&mut wave, mean, deviation);
        let total: f64 = wave.iter().map(|&x| f64::from(x)).sum();
        let squares: f64 = wave.iter().map(|&x| f64::from(x * x)).sum();
        assert!(total.abs() < 1e-2 && (squares / 1000.0 - 1.0).abs() < 1e-2, "{total} {squares}");
    }
}
