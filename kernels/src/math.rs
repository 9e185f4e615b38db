//! Elementary functions on vectors: polynomials and rational functions with a stated, tested largest error.
//!
//! The coefficients minimize the largest relative error over the stated interval (Lawson's iteration in
//! 50-digit arithmetic); the bounds below include the rounding of `f32` arithmetic and hold for every
//! instruction set. The tests sweep the whole range densely against `f64`.
//!
//! | function | bound |
//! |---|---|
//! | [`exp`], [`exp2`] | 2.5e-7 relative, down to results of 1.2e-38; saturates at 2^127.5 |
//! | [`ln`] | 3e-7 relative to the larger of result and 1/2 |
//! | [`Tanh`] | 4e-7 relative |
//! | [`Sigmoid`] | 3.5e-7 relative for results of at least 1.2e-38 |
//! | [`Silu`] | 4e-7 relative for results of at least 1.2e-38 |
//! | [`Gelu`] | 4e-7 relative for x >= -0.5, 1e-6 absolute below |

use crate::arch::simd::Simd;

/// The largest exponent that [`exp2`] computes: beyond it the result stays 2^127.49.
const EXPONENT_MAX: f32 = 127.49;
/// Below this exponent a result is zero, subnormals included.
const EXPONENT_MIN: f32 = -153.0;

/// A function of one variable.
pub(crate) trait Unary: Copy {
    /// Its value on each lane.
    fn apply<S: Simd>(self, s: S, x: S::F) -> S::F;
}

/// `2^x`; NaN stays NaN.
#[inline(always)]
pub(crate) fn exp2<S: Simd>(s: S, x: S::F) -> S::F {
    // 1.9e-9 on [-1/2, 1/2].
    const COEFFICIENTS: [f32; 7] = [
        1.0,
        std::f32::consts::LN_2,
        0.240_226_47,
        0.055_503_287,
        0.009_618_489,
        0.001_339_993_1,
        0.000_153_458_02,
    ];
    // The bound comes first: where x is NaN, the second operand is the result.
    let x = s.min(s.splat(EXPONENT_MAX), s.max(s.splat(EXPONENT_MIN), x));
    let n = s.round(x);
    s.scale_by_power(s.polynomial(s.sub(x, n), COEFFICIENTS), n)
}

/// `e^x`; NaN stays NaN.
#[inline(always)]
pub(crate) fn exp<S: Simd>(s: S, x: S::F) -> S::F {
    const LN_2: f32 = std::f32::consts::LN_2;
    // ln 2 in two parts; the first has few enough bits that its product with an exponent is exact.
    const LN_2_HIGH: f32 = 0.693_359_4;
    const LN_2_LOW: f32 = -2.121_944_4e-4;
    // Those of exp2 in powers of ln 2: 1.9e-9 on [-ln(2)/2, ln(2)/2].
    const COEFFICIENTS: [f32; 7] =
        [1.0, 1.0, 0.499_999_9, 0.166_664_2, 0.041_668_226, 0.008_374_816, 0.001_383_683_7];
    let x = s.min(s.splat(EXPONENT_MAX * LN_2), s.max(s.splat(EXPONENT_MIN * LN_2), x));
    let n = s.round(s.mul(x, s.splat(std::f32::consts::LOG2_E)));
    let r = s.mul_add(n, s.splat(-LN_2_LOW), s.mul_add(n, s.splat(-LN_2_HIGH), x));
    s.scale_by_power(s.polynomial(r, COEFFICIENTS), n)
}

/// The natural logarithm of positive normal numbers; NaN and infinity become NaN.
#[inline(always)]
pub(crate) fn ln<S: Simd>(s: S, x: S::F) -> S::F {
    // ln(1 + f) / f, 4.1e-9 on the mantissas less one.
    const COEFFICIENTS: [f32; 10] = [
        1.0,
        -0.499_999_88,
        0.333_333_26,
        -0.250_015_87,
        0.200_019_67,
        -0.166_090_11,
        0.141_818_58,
        -0.132_434_95,
        0.129_045_38,
        -0.076_208_91,
    ];
    let (mantissa, exponent) = s.split_exponent(x);
    let f = s.sub(mantissa, s.splat(1.0));
    let small = s.mul(f, s.polynomial(f, COEFFICIENTS));
    let y = s.mul_add(exponent, s.splat(std::f32::consts::LN_2), small);
    // Adds nothing to numbers, and NaN where x is not one.
    s.add(y, s.sub(x, x))
}

/// `x` kept within `-limit ..= limit`; NaN stays NaN.
#[inline(always)]
fn clamp<S: Simd>(s: S, x: S::F, limit: f32) -> S::F {
    s.min(s.splat(limit), s.max(s.splat(-limit), x))
}

/// The quotient of two polynomials.
#[inline(always)]
fn rational<S: Simd, const P: usize, const Q: usize>(s: S, x: S::F, p: [f32; P], q: [f32; Q]) -> S::F {
    s.div(s.polynomial(x, p), s.polynomial(x, q))
}

/// Hyperbolic tangent.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Tanh;

impl Unary for Tanh {
    #[inline(always)]
    fn apply<S: Simd>(self, s: S, x: S::F) -> S::F {
        // tanh(x) / x in x², 2.1e-8 on |x| <= 9.02; beyond, tanh is 1 to f32's precision.
        const P: [f32; 5] = [1.0, 0.133_797_43, 0.003_494_062_5, 2.058_388e-5, 1.331_951_4e-8];
        const Q: [f32; 5] = [1.0, 0.467_130_58, 0.025_871_183, 3.283_136e-4, 7.762_224e-7];
        let x = clamp(s, x, 9.02);
        clamp(s, s.mul(x, rational(s, s.mul(x, x), P, Q)), 1.0)
    }
}

/// `1 / (1 + exp(-x))`.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Sigmoid;

impl Unary for Sigmoid {
    #[inline(always)]
    fn apply<S: Simd>(self, s: S, x: S::F) -> S::F {
        let one = s.splat(1.0);
        s.div(one, s.add(one, exp(s, s.sub(s.splat(0.0), x))))
    }
}

/// `x * sigmoid(x)`.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Silu;

impl Unary for Silu {
    #[inline(always)]
    fn apply<S: Simd>(self, s: S, x: S::F) -> S::F {
        // Bounded below, so that negative infinity gives a tiny number and not infinity times zero.
        let x = s.max(s.splat(-EXPONENT_MAX), x);
        s.div(x, s.add(s.splat(1.0), exp(s, s.sub(s.splat(0.0), x))))
    }
}

/// `x / 2 * (1 + erf(x / sqrt(2)))`.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Gelu;

impl Unary for Gelu {
    #[inline(always)]
    fn apply<S: Simd>(self, s: S, x: S::F) -> S::F {
        // erf(x / sqrt(2)) / x in x², 2.2e-8 on |x| <= 5.6; beyond, erf is 1 to f32's precision.
        const LIMIT: f32 = 5.6;
        const P: [f32; 6] =
            [0.797_884_5, 0.067_856_68, 0.009_354_554, 3.378_348_7e-4, 1.257_856_2e-5, 4.459_098e-8];
        const Q: [f32; 6] = [1.0, 0.251_712_07, 0.028_677_082, 0.001_885_428_8, 7.333_815e-5, 1.179_563e-6];
        // Bounding x from below also bounds what the rounding of `1 + erf` is multiplied by.
        let x = s.max(s.splat(-LIMIT), x);
        let inner = s.min(s.splat(LIMIT), x);
        let erf = s.mul(inner, rational(s, s.mul(inner, inner), P, Q));
        let half = s.mul(x, s.splat(0.5));
        s.mul_add(half, erf, half)
    }
}

/// `max(x, 0)`.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Relu;

impl Unary for Relu {
    #[inline(always)]
    fn apply<S: Simd>(self, s: S, x: S::F) -> S::F {
        s.max(s.splat(0.0), x)
    }
}

/// `x / by` where `inverse` is `1 / by`, rounded as the quotient is: the product with the inverse, corrected by its own
/// remainder (Markstein 1990), which takes a third of a division's time. Where products are not fused, a division.
#[inline(always)]
pub(crate) fn quotient<S: Simd>(s: S, x: S::F, by: S::F, inverse: S::F) -> S::F {
    if !S::FUSES {
        return s.div(x, by);
    }
    let near = s.mul(x, inverse);
    let rest = s.mul_add(s.sub(s.splat(0.0), near), by, x);
    s.mul_add(rest, inverse, near)
}

/// The error function in two pieces (N. Juffa's, as onnxruntime evaluates them): a polynomial below 0.921875, and
/// `1 - exp(polynomial)` above.
#[inline(always)]
fn erf<S: Simd>(s: S, x: S::F) -> S::F {
    const SPLIT: f32 = 0.921_875;
    const LIMIT: f32 = 3.925;
    const SMALL: [f32; 6] =
        [0.128_379_15, -0.376_124_86, 0.112_818_025, -0.026_766_734, 0.004_993_396, -0.000_599_104_97];
    const LARGE: [f32; 7] = [
        0.128_717_51,
        0.634_846_7,
        0.106_777_85,
        -0.024_254_56,
        0.003_883_934_3,
        -0.000_383_208_68,
        1.729_489_3e-5,
    ];
    const EXP: [f32; 7] = [1.0, 1.0, 0.499_999_85, 0.166_664_47, 0.041_668_95, 0.008_375_5, 0.001_383_198_1];
    const LN_2_HIGH: f32 = 0.693_145_75;
    const LN_2_LOW: f32 = 1.428_606_8e-6;
    let zero = s.splat(0.0);
    let size = s.min(s.splat(LIMIT), s.max(x, s.sub(zero, x)));
    let small = s.mul_add(s.polynomial(s.mul(size, size), SMALL), size, size);
    let power = s.sub(zero, s.mul_add(s.polynomial(size, LARGE), size, size));
    let whole = s.round(s.mul(s.splat(std::f32::consts::LOG2_E), power));
    let rest = s.mul_add(whole, s.splat(-LN_2_HIGH), power);
    let rest = s.mul_add(whole, s.splat(-LN_2_LOW), rest);
    let large = s.sub(s.splat(1.0), s.scale_by_power(s.polynomial(rest, EXP), whole));
    let erf = s.select(s.greater(s.splat(SPLIT), size), small, large);
    s.select(s.greater(zero, x), s.sub(zero, erf), erf)
}

/// `x * (0.5 * (erf(x / sqrt(2)) + 1))`, rounded after each step, as a graph of single operations rounds it.
#[derive(Clone, Copy, Debug)]
pub(crate) struct GeluInSteps;

impl Unary for GeluInSteps {
    #[inline(always)]
    fn apply<S: Simd>(self, s: S, x: S::F) -> S::F {
        const ROOT: f32 = std::f32::consts::SQRT_2;
        let scaled = quotient(s, x, s.splat(ROOT), s.splat(1.0 / ROOT));
        let gate = s.mul(s.splat(0.5), s.add(erf(s, scaled), s.splat(1.0)));
        s.mul(x, gate)
    }
}

/// Hyperbolic tangent by the rational function of Eigen, which onnxruntime evaluates too.
#[derive(Clone, Copy, Debug)]
pub(crate) struct TanhInSteps;

impl Unary for TanhInSteps {
    #[inline(always)]
    fn apply<S: Simd>(self, s: S, x: S::F) -> S::F {
        const P: [f32; 7] = [
            0.004_893_524_6,
            0.000_637_261_95,
            1.485_722_35e-5,
            5.122_297_3e-8,
            -8.604_672e-11,
            2.000_188e-13,
            -2.760_768_4e-16,
        ];
        const Q: [f32; 4] = [0.004_893_525, 0.002_268_434_7, 0.000_118_534_71, 1.198_258_4e-6];
        let x = clamp(s, x, 9.0);
        let square = s.mul(x, x);
        s.div(s.mul(s.polynomial(square, P), x), s.polynomial(square, Q))
    }
}
