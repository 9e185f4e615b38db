//! Power spectra of real signals, any even size whose half has no prime factor above five.
//!
//! A mixed-radix Stockham transform (Cooley and Tukey 1965; Swarztrauber 1984) of half the size, over the even and
//! odd samples as real and imaginary parts. One vector lane is one signal: no shuffles, any radix, and a signal's
//! result is the same whatever stands beside it.

use crate::arch::dispatch::instruction_sets;
use crate::arch::simd::Simd;
use crate::rows::{Rows, RowsMut};
use std::f64::consts::TAU;

/// The most lanes of any instruction set, for which [`scratch_len`] provides.
const MAX_LANES: usize = 16;

/// The factors of one transform size, in a table that the caller owns.
#[derive(Clone, Copy, Debug)]
pub struct Plan<'a> {
    size: usize,
    table: &'a [f32],
}

impl<'a> Plan<'a> {
    /// How long the table for signals of `size` samples is; nothing if there is no transform of that size.
    pub fn table_len(size: usize) -> Option<usize> {
        if size < 2 || !size.is_multiple_of(2) {
            return None;
        }
        let half = size / 2;
        let (mut rest, mut len) = (half, 2 * (half / 2 + 1));
        while rest > 1 {
            let radix = radix_of(rest)?;
            rest /= radix;
            len += 2 * rest * (radix - 1);
        }
        Some(len)
    }

    /// Computes the table for `size`, in `f64`.
    ///
    /// # Panics
    /// If `table` is not of [`Plan::table_len`].
    pub fn fill(size: usize, table: &mut [f32]) {
        assert_eq!(Self::table_len(size), Some(table.len()), "a table of the size's length");
        let mut entries = table.chunks_exact_mut(2);
        let mut put = |numerator: usize, denominator: usize| {
            if let Some(entry) = entries.next() {
                let angle = TAU * (numerator % denominator) as f64 / denominator as f64;
                entry.copy_from_slice(&[angle.cos() as f32, -angle.sin() as f32]);
            }
        };
        let half = size / 2;
        let mut rest = half;
        while let Some(radix) = radix_of(rest) {
            let len = rest;
            rest /= radix;
            for p in 0..rest {
                for j in 1..radix {
                    put(j * p, len);
                }
            }
        }
        for k in 0..=half / 2 {
            put(k, size);
        }
    }

    /// The plan whose table was filled for `size`.
    ///
    /// # Panics
    /// If `table` is not of [`Plan::table_len`].
    pub fn new(size: usize, table: &'a [f32]) -> Self {
        assert_eq!(Self::table_len(size), Some(table.len()), "a table of the size's length");
        Self { size, table }
    }

    /// Samples of a signal.
    pub fn size(&self) -> usize {
        self.size
    }

    /// Frequencies of a spectrum: `size / 2 + 1`.
    pub fn bins(&self) -> usize {
        self.size / 2 + 1
    }
}

/// The next radix for `rest` points: nothing if there is none left or none that fits.
fn radix_of(rest: usize) -> Option<usize> {
    [4, 5, 3, 2].into_iter().find(|&radix| rest > 1 && rest.is_multiple_of(radix))
}

/// How much scratch memory the transforms of `size` samples need.
pub const fn scratch_len(size: usize) -> usize {
    2 * size * MAX_LANES
}

instruction_sets! {
    /// The power spectrum of each row: `|sum x[n] exp(-2 pi i k n / size)|²` for `k` of 0 to `size / 2`.
    ///
    /// # Panics
    /// If the numbers of rows differ, a row does not fit its data, or `scratch` is shorter than [`scratch_len`].
    pub fn power(x: Rows<'_>, plan: Plan<'_>, scratch: &mut [f32], out: RowsMut<'_>) = power_rows;
}

#[inline(always)]
fn power_rows<S: Simd>(s: S, x: Rows<'_>, plan: Plan<'_>, scratch: &mut [f32], mut out: RowsMut<'_>) {
    assert_eq!(x.count, out.count, "as many rows out as in");
    let (a, b) = scratch[..scratch_len(plan.size)].split_at_mut(plan.size * MAX_LANES);
    for first in (0..x.count).step_by(S::LANES) {
        let count = S::LANES.min(x.count - first);
        gather(s, x.range(first, count), plan.size, None, a);
        let spectrum = if power_of_lanes(s, plan, a, b) { &*a } else { &*b };
        scatter(s, spectrum, plan.bins(), &mut out, first, count);
    }
}

/// Brings up to `LANES` rows into lanes: `to[i * LANES + lane] = window[i] * row[lane][i]`; lanes without a row
/// are zero.
#[inline(always)]
pub(crate) fn gather<S: Simd>(s: S, x: Rows<'_>, width: usize, window: Option<&[f32]>, to: &mut [f32]) {
    assert!(x.count <= S::LANES && x.fits(width) && to.len() >= width * S::LANES, "rows inside their data");
    let whole = if x.count == S::LANES { width - width % S::LANES } else { 0 };
    for i in (0..whole).step_by(S::LANES) {
        s.transpose(&x.data[i..], x.stride, &mut to[i * S::LANES..], S::LANES);
    }
    let rest = &mut to[whole * S::LANES..width * S::LANES];
    if x.count < S::LANES {
        rest.fill(0.0);
    }
    for lane in 0..x.count {
        let row = &x.row(lane, width)[whole..];
        for (lanes, &element) in rest.chunks_exact_mut(S::LANES).zip(row) {
            lanes[lane] = element;
        }
    }
    if let Some(window) = window {
        for (lanes, &factor) in to.chunks_exact_mut(S::LANES).zip(&window[..width]) {
            let scaled = s.mul(s.load(lanes), s.splat(factor));
            s.store(lanes, scaled);
        }
    }
}

/// The reverse: row `first + lane` of `out` gets `from[i * LANES + lane]` for `i` below `width`.
#[inline(always)]
pub(crate) fn scatter<S: Simd>(
    s: S,
    from: &[f32],
    width: usize,
    out: &mut RowsMut<'_>,
    first: usize,
    count: usize,
) {
    assert!(out.fits(width) && first + count <= out.count, "rows inside their data");
    let from = &from[..width * S::LANES];
    let whole = if count == S::LANES { width - width % S::LANES } else { 0 };
    for i in (0..whole).step_by(S::LANES) {
        let to = &mut out.data[first * out.stride + i..];
        s.transpose(&from[i * S::LANES..], S::LANES, to, out.stride);
    }
    for lane in 0..count {
        let row = &mut out.row(first + lane, width)[whole..];
        for (element, lanes) in row.iter_mut().zip(from[whole * S::LANES..].chunks_exact(S::LANES)) {
            *element = lanes[lane];
        }
    }
}

/// A complex number in each lane.
#[derive(Clone, Copy)]
struct Complex<F> {
    re: F,
    im: F,
}

/// The power spectra of the signals in the lanes of `a`, `bins` vectors: in `a` itself if it says so, else in `b`.
#[inline(always)]
pub(crate) fn power_of_lanes<S: Simd>(s: S, plan: Plan<'_>, a: &mut [f32], b: &mut [f32]) -> bool {
    let half = plan.size / 2;
    let mut to_a = false;
    let (mut from, mut to) = (&mut a[..plan.size * S::LANES], &mut b[..plan.size * S::LANES]);
    let (mut rest, mut stride, mut table) = (half, 1, plan.table);
    while let Some(radix) = radix_of(rest) {
        rest /= radix;
        let (factors, others) = table.split_at(2 * rest * (radix - 1));
        match radix {
            2 => pass::<S, 2>(s, from, to, rest, stride, factors),
            3 => pass::<S, 3>(s, from, to, rest, stride, factors),
            4 => pass::<S, 4>(s, from, to, rest, stride, factors),
            _ => pass::<S, 5>(s, from, to, rest, stride, factors),
        }
        (table, stride) = (others, stride * radix);
        (from, to, to_a) = (to, from, !to_a);
    }
    split(s, from, to, half, table);
    to_a
}

#[inline(always)]
fn load<S: Simd>(s: S, x: &[f32], i: usize) -> Complex<S::F> {
    let x = &x[2 * i * S::LANES..][..2 * S::LANES];
    Complex { re: s.load(x), im: s.load(&x[S::LANES..]) }
}

#[inline(always)]
fn store<S: Simd>(s: S, x: &mut [f32], i: usize, value: Complex<S::F>) {
    let x = &mut x[2 * i * S::LANES..][..2 * S::LANES];
    s.store(x, value.re);
    s.store(&mut x[S::LANES..], value.im);
}

#[inline(always)]
fn times<S: Simd>(s: S, a: Complex<S::F>, re: f32, im: f32) -> Complex<S::F> {
    let (re, im) = (s.splat(re), s.splat(im));
    Complex { re: s.sub(s.mul(a.re, re), s.mul(a.im, im)), im: s.mul_add(a.re, im, s.mul(a.im, re)) }
}

/// One pass: `R` parts of `rest` groups of `stride` points each become interleaved transforms.
#[inline(always)]
fn pass<S: Simd, const R: usize>(
    s: S,
    from: &[f32],
    to: &mut [f32],
    rest: usize,
    stride: usize,
    factors: &[f32],
) {
    for (p, factors) in factors.chunks_exact(2 * (R - 1)).enumerate() {
        for q in 0..stride {
            let mut points = [Complex { re: s.splat(0.0), im: s.splat(0.0) }; R];
            for (k, point) in points.iter_mut().enumerate() {
                *point = load(s, from, q + stride * (p + rest * k));
            }
            butterfly(s, &mut points);
            store(s, to, q + stride * R * p, points[0]);
            for (j, (&point, factor)) in points[1..].iter().zip(factors.chunks_exact(2)).enumerate() {
                store(s, to, q + stride * (R * p + j + 1), times(s, point, factor[0], factor[1]));
            }
        }
    }
}

/// The transform of two, three, four or five points.
#[inline(always)]
fn butterfly<S: Simd, const R: usize>(s: S, x: &mut [Complex<S::F>; R]) {
    match R {
        2 => (x[0], x[1]) = (add(s, x[0], x[1]), sub(s, x[0], x[1])),
        3 => {
            let sum = add(s, x[1], x[2]);
            let middle = add_scaled(s, x[0], sum, COS_3);
            let turned = quarter(s, scale(s, sub(s, x[1], x[2]), SIN_3));
            (x[0], x[1], x[2]) = (add(s, x[0], sum), add(s, middle, turned), sub(s, middle, turned));
        }
        4 => {
            let (a, b) = (add(s, x[0], x[2]), sub(s, x[0], x[2]));
            let (c, d) = (add(s, x[1], x[3]), quarter(s, sub(s, x[1], x[3])));
            (x[0], x[1], x[2], x[3]) = (add(s, a, c), add(s, b, d), sub(s, a, c), sub(s, b, d));
        }
        _ => {
            let (sum_1, sum_2) = (add(s, x[1], x[4]), add(s, x[2], x[3]));
            let (difference_1, difference_2) = (sub(s, x[1], x[4]), sub(s, x[2], x[3]));
            let middle_1 = add_scaled(s, add_scaled(s, x[0], sum_1, COS_5[0]), sum_2, COS_5[1]);
            let middle_2 = add_scaled(s, add_scaled(s, x[0], sum_1, COS_5[1]), sum_2, COS_5[0]);
            let turned_1 =
                quarter(s, add_scaled(s, scale(s, difference_1, SIN_5[0]), difference_2, SIN_5[1]));
            let turned_2 =
                quarter(s, add_scaled(s, scale(s, difference_1, SIN_5[1]), difference_2, -SIN_5[0]));
            x[0] = add(s, x[0], add(s, sum_1, sum_2));
            (x[1], x[4]) = (add(s, middle_1, turned_1), sub(s, middle_1, turned_1));
            (x[2], x[3]) = (add(s, middle_2, turned_2), sub(s, middle_2, turned_2));
        }
    }
}

/// cos and sin of a third of a turn.
const COS_3: f32 = -0.5;
const SIN_3: f32 = 0.866_025_4;
/// cos and sin of one and two fifths of a turn.
const COS_5: [f32; 2] = [0.309_017, -0.809_017];
const SIN_5: [f32; 2] = [0.951_056_5, 0.587_785_25];

#[inline(always)]
fn add<S: Simd>(s: S, a: Complex<S::F>, b: Complex<S::F>) -> Complex<S::F> {
    Complex { re: s.add(a.re, b.re), im: s.add(a.im, b.im) }
}

#[inline(always)]
fn sub<S: Simd>(s: S, a: Complex<S::F>, b: Complex<S::F>) -> Complex<S::F> {
    Complex { re: s.sub(a.re, b.re), im: s.sub(a.im, b.im) }
}

#[inline(always)]
fn scale<S: Simd>(s: S, a: Complex<S::F>, factor: f32) -> Complex<S::F> {
    Complex { re: s.mul(a.re, s.splat(factor)), im: s.mul(a.im, s.splat(factor)) }
}

/// `a + factor * b`.
#[inline(always)]
fn add_scaled<S: Simd>(s: S, a: Complex<S::F>, b: Complex<S::F>, factor: f32) -> Complex<S::F> {
    Complex { re: s.mul_add(b.re, s.splat(factor), a.re), im: s.mul_add(b.im, s.splat(factor), a.im) }
}

/// `-i * a`.
#[inline(always)]
fn quarter<S: Simd>(s: S, a: Complex<S::F>) -> Complex<S::F> {
    Complex { re: a.im, im: s.sub(s.splat(0.0), a.re) }
}

/// Takes the spectra of the even samples (real part) and the odd ones (imaginary part) apart and puts them
/// together to the powers of the whole signal.
#[inline(always)]
fn split<S: Simd>(s: S, from: &[f32], to: &mut [f32], half: usize, factors: &[f32]) {
    let one_half = s.splat(0.5);
    for (k, factor) in factors.chunks_exact(2).enumerate() {
        // At k = 0, both are the first point.
        let (a, b) = (load(s, from, k), load(s, from, if k == 0 { 0 } else { half - k }));
        let even = Complex { re: s.mul(one_half, s.add(a.re, b.re)), im: s.mul(one_half, s.sub(a.im, b.im)) };
        let odd = Complex { re: s.mul(one_half, s.add(a.im, b.im)), im: s.mul(one_half, s.sub(b.re, a.re)) };
        let odd = times(s, odd, factor[0], factor[1]);
        for (bin, x) in [(k, add(s, even, odd)), (half - k, sub(s, even, odd))] {
            s.store(&mut to[bin * S::LANES..], s.mul_add(x.re, x.re, s.mul(x.im, x.im)));
        }
    }
}
