//! Lanes of `f64` in plain arrays, and complex numbers of them.

use std::ops::{Add, Mul, Sub};

/// Frames side by side: a register of AVX-512.
pub(super) const LANES: usize = 8;

/// A number in each lane.
#[derive(Clone, Copy, Default)]
pub(super) struct Lanes(pub [f64; LANES]);

impl Lanes {
    #[inline(always)]
    pub(super) fn times(self, other: Lanes) -> Lanes {
        Lanes(std::array::from_fn(|i| self.0[i] * other.0[i]))
    }
}

impl Add for Lanes {
    type Output = Lanes;
    #[inline(always)]
    fn add(self, other: Lanes) -> Lanes {
        Lanes(std::array::from_fn(|i| self.0[i] + other.0[i]))
    }
}

impl Sub for Lanes {
    type Output = Lanes;
    #[inline(always)]
    fn sub(self, other: Lanes) -> Lanes {
        Lanes(std::array::from_fn(|i| self.0[i] - other.0[i]))
    }
}

impl Mul<f64> for Lanes {
    type Output = Lanes;
    #[inline(always)]
    fn mul(self, factor: f64) -> Lanes {
        Lanes(self.0.map(|x| x * factor))
    }
}

/// The natural logarithm of positive normal numbers, to a few units in the last place of the larger of result and one: the
/// series of `2 atanh((m - 1) / (m + 1))` for the mantissa, which is within a factor of the square root of two of one.
#[inline(always)]
pub(super) fn ln(x: Lanes) -> Lanes {
    const ROOT_BITS: u64 = std::f64::consts::FRAC_1_SQRT_2.to_bits();
    const TERMS: usize = 11;
    Lanes(x.0.map(|x| {
        let bits = x.to_bits().wrapping_sub(ROOT_BITS);
        // The upper half of the bits holds the exponent, which so can be converted as 32 bits.
        let exponent = ((bits >> 32) as i32) >> 20;
        let mantissa = f64::from_bits((bits & ((1 << 52) - 1)).wrapping_add(ROOT_BITS));
        let z = (mantissa - 1.0) / (mantissa + 1.0);
        let square = z * z;
        let mut sum = 1.0 / (2 * TERMS + 1) as f64;
        for term in (0..TERMS).rev() {
            sum = sum * square + 1.0 / (2 * term + 1) as f64;
        }
        2.0 * z * sum + f64::from(exponent) * std::f64::consts::LN_2
    }))
}

/// A complex number in each lane.
#[derive(Clone, Copy)]
pub(super) struct Complex {
    pub re: Lanes,
    pub im: Lanes,
}

impl Add for Complex {
    type Output = Complex;
    #[inline(always)]
    fn add(self, other: Complex) -> Complex {
        Complex { re: self.re + other.re, im: self.im + other.im }
    }
}

impl Sub for Complex {
    type Output = Complex;
    #[inline(always)]
    fn sub(self, other: Complex) -> Complex {
        Complex { re: self.re - other.re, im: self.im - other.im }
    }
}

impl Complex {
    #[inline(always)]
    pub(super) fn load(from: &[[f64; LANES]], i: usize) -> Self {
        Complex { re: Lanes(from[2 * i]), im: Lanes(from[2 * i + 1]) }
    }

    #[inline(always)]
    pub(super) fn store(self, to: &mut [[f64; LANES]], i: usize) {
        (to[2 * i], to[2 * i + 1]) = (self.re.0, self.im.0);
    }

    #[inline(always)]
    pub(super) fn times(self, [re, im]: [f64; 2]) -> Self {
        Complex { re: self.re * re - self.im * im, im: self.re * im + self.im * re }
    }

    #[inline(always)]
    fn scale(self, factor: f64) -> Self {
        Complex { re: self.re * factor, im: self.im * factor }
    }

    /// `-i` times it.
    #[inline(always)]
    fn quarter(self) -> Self {
        Complex { re: self.im, im: self.re * -1.0 }
    }

    /// The transform of two, three, four or five points.
    #[inline(always)]
    pub(super) fn butterfly<const R: usize>(x: &mut [Complex; R]) {
        match R {
            2 => (x[0], x[1]) = (x[0] + x[1], x[0] - x[1]),
            3 => {
                let (sin, cos) = (SIN_3, COS_3);
                let sum = x[1] + x[2];
                let (middle, turned) = (x[0] + sum.scale(cos), (x[1] - x[2]).scale(sin).quarter());
                (x[0], x[1], x[2]) = (x[0] + sum, middle + turned, middle - turned);
            }
            4 => {
                let (a, b) = (x[0] + x[2], x[0] - x[2]);
                let (c, d) = (x[1] + x[3], (x[1] - x[3]).quarter());
                (x[0], x[1], x[2], x[3]) = (a + c, b + d, a - c, b - d);
            }
            _ => {
                let (sums, differences) = ([x[1] + x[4], x[2] + x[3]], [x[1] - x[4], x[2] - x[3]]);
                let middle = |a: f64, b: f64| x[0] + sums[0].scale(a) + sums[1].scale(b);
                let turned = |a: f64, b: f64| (differences[0].scale(a) + differences[1].scale(b)).quarter();
                let (middles, turns) = (
                    [middle(COS_5[0], COS_5[1]), middle(COS_5[1], COS_5[0])],
                    [turned(SIN_5[0], SIN_5[1]), turned(SIN_5[1], -SIN_5[0])],
                );
                x[0] = x[0] + sums[0] + sums[1];
                (x[1], x[4]) = (middles[0] + turns[0], middles[0] - turns[0]);
                (x[2], x[3]) = (middles[1] + turns[1], middles[1] - turns[1]);
            }
        }
    }
}

/// cos and sin of a third of a turn.
const COS_3: f64 = -0.5;
const SIN_3: f64 = 0.866_025_403_784_438_6;
/// cos and sin of one and two fifths of a turn.
const COS_5: [f64; 2] = [0.309_016_994_374_947_45, -0.809_016_994_374_947_5];
const SIN_5: [f64; 2] = [0.951_056_516_295_153_5, 0.587_785_252_292_473_1];
