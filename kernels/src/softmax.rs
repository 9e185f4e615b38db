//! Softmax and log-sum-exp of one row.

use crate::arch::dispatch::instruction_sets;
use crate::arch::simd::Simd;
use crate::math;

instruction_sets! {
    /// `ln(sum(exp(x)))`, computed without overflow. Negative infinity for an empty row or one of negative
    /// infinities; infinity if the row holds it; NaN if the row holds that.
    pub fn log_sum_exp(x: &[f32]) -> f32 = log_sum_exp_row;
}

/// The largest element; negative infinity if there is none. A NaN may be missed.
#[inline(always)]
fn largest<S: Simd>(s: S, x: &[f32]) -> f32 {
    let whole = x.len() - x.len() % S::LANES;
    let lowest = s.splat(f32::NEG_INFINITY);
    let mut best = lowest;
    for i in (0..whole).step_by(S::LANES) {
        best = s.max(s.load(&x[i..]), best);
    }
    let tail = &x[whole..];
    best = s.max(s.select(s.first(tail.len()), s.load_partial(tail), lowest), best);
    s.max_lane(best)
}

/// Softmax in place: `exp(x - max) / sum(exp(x - max))`. Elements of negative infinity become zero; an empty
/// row stays empty. A row with a NaN or an infinity, or of negative infinities only, becomes NaN.
#[inline(always)]
pub(crate) fn softmax_row<S: Simd>(s: S, x: &mut [f32]) {
    let whole = x.len() - x.len() % S::LANES;
    let peak = s.splat(largest(s, x));
    let mut total = s.splat(0.0);
    for i in (0..whole).step_by(S::LANES) {
        let e = math::exp(s, s.sub(s.load(&x[i..]), peak));
        total = s.add(total, e);
        s.store(&mut x[i..], e);
    }
    let tail = &mut x[whole..];
    let e = math::exp(s, s.sub(s.load_partial(tail), peak));
    total = s.add(total, s.select(s.first(tail.len()), e, s.splat(0.0)));
    s.store_partial(tail, e);

    let factor = s.splat(1.0 / s.sum(total));
    for i in (0..whole).step_by(S::LANES) {
        let scaled = s.mul(s.load(&x[i..]), factor);
        s.store(&mut x[i..], scaled);
    }
    let tail = &mut x[whole..];
    let scaled = s.mul(s.load_partial(tail), factor);
    s.store_partial(tail, scaled);
}

#[inline(always)]
fn log_sum_exp_row<S: Simd>(s: S, x: &[f32]) -> f32 {
    let peak = largest(s, x);
    if peak.is_infinite() {
        return if x.iter().any(|v| v.is_nan()) { f32::NAN } else { peak };
    }
    let whole = x.len() - x.len() % S::LANES;
    let offset = s.splat(peak);
    let mut total = s.splat(0.0);
    for i in (0..whole).step_by(S::LANES) {
        total = s.add(total, math::exp(s, s.sub(s.load(&x[i..]), offset)));
    }
    let tail = &x[whole..];
    let e = math::exp(s, s.sub(s.load_partial(tail), offset));
    total = s.add(total, s.select(s.first(tail.len()), e, s.splat(0.0)));
    peak + s.sum(total).ln()
}

#[cfg(test)]
mod tests {
    use super::*;

    instruction_sets! {
        fn softmax(x: &mut [f32]) = softmax_row;
    }

    #[test]
    fn shares_of_exponentials() {
        for width in [1, 7, 15, 16, 17, 63, 417] {
            for offset in [0.0, 300.0, -300.0] {
                let x: Vec<f32> = (0..width).map(|i| ((i * 7919) % 41) as f32 - 20.0 + offset).collect();
                let total: f64 = x.iter().map(|&x| f64::from(x - 20.0 - offset).exp()).sum();
                let mut y = x.clone();
                softmax(&mut y);
                for (&x, &y) in x.iter().zip(&y) {
                    let expected = f64::from(x - 20.0 - offset).exp() / total;
                    assert!((f64::from(y) - expected).abs() <= 1e-38 + 2e-6 * expected, "{y} {expected}");
                }
            }
        }
    }

    #[test]
    fn edges() {
        const LOWEST: f32 = f32::NEG_INFINITY;
        softmax(&mut []);
        let mut x = [LOWEST, 0.0, LOWEST];
        softmax(&mut x);
        assert_eq!(x, [0.0, 1.0, 0.0]);
        for spoiled in [[LOWEST; 3], [0.0, f32::NAN, 1.0]] {
            let mut x = spoiled;
            softmax(&mut x);
            assert!(x.iter().all(|x| x.is_nan()), "{x:?}");
        }
    }
}
