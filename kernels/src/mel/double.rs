//! Log-mel spectrograms in double precision: for networks that round them to a grid, where a difference that `f32` makes
//! can become a whole step.
//!
//! One lane is one frame; plain arrays of lanes, which the compiler makes vectors of. The transform is the one of
//! [`fft`](crate::fft) in `f64`.

use super::Triangle;
use crate::arch::dispatch::instruction_sets;
use crate::arch::simd::Simd;
use crate::rows::Rows;
use lanes::{Complex, LANES, Lanes, ln};
use std::f64::consts::TAU;

mod lanes;

/// One kind of spectrogram, its tables in slices that the caller owns.
#[derive(Clone, Copy, Debug)]
pub struct Spectrogram<'a> {
    /// The factor of each sample of a frame, which is as long as the transform: an even number whose half has no prime
    /// factor above five.
    pub window: &'a [f64],
    /// [`table_len`] values that [`fill_table`] wrote.
    pub table: &'a [f64],
    /// Where each filter lies.
    pub triangles: &'a [Triangle],
    /// The weights of all filters, one after the other.
    pub weights: &'a [f64],
    /// The least energy: a positive normal number.
    pub floor: f64,
}

/// How long the table for frames of `size` samples is.
pub const fn table_len(size: usize) -> usize {
    2 * size
}

/// Fills the table: cosines and negated sines of all parts of a turn.
///
/// # Panics
/// If the table is not of [`table_len`].
pub fn fill_table(size: usize, table: &mut [f64]) {
    assert_eq!(table.len(), table_len(size), "a table of the size's length");
    for (i, entry) in table.chunks_exact_mut(2).enumerate() {
        let angle = TAU * i as f64 / size as f64;
        entry.copy_from_slice(&[angle.cos(), -angle.sin()]);
    }
}

/// How much scratch memory [`log_mel`] needs for frames of `size` samples.
pub const fn scratch_len(size: usize) -> usize {
    2 * size * LANES
}

instruction_sets! {
    /// `log10(max(energy, floor))` of each filter and frame. Rows of `frames` are as long as the window and may overlap; rows
    /// of `out`, side by side, have one value for each filter. A frame's result does not depend on the others.
    ///
    /// # Panics
    /// If a row does not fit its data, the filters reach beyond the last frequency or the weights, the size is not one
    /// that is stated, or `scratch` is shorter than [`scratch_len`].
    pub fn log_mel(frames: Rows<'_>, spectrogram: &Spectrogram<'_>, scratch: &mut [f64], out: &mut [f64]) = log_mel_rows;
}

#[inline(always)]
fn log_mel_rows<S: Simd>(
    _: S,
    frames: Rows<'_>,
    spectrogram: &Spectrogram<'_>,
    scratch: &mut [f64],
    out: &mut [f64],
) {
    let Spectrogram { window, table, triangles, weights, floor } = *spectrogram;
    let (size, mels) = (window.len(), triangles.len());
    assert!(size >= 2 && size.is_multiple_of(2) && table.len() == table_len(size), "tables of one even size");
    assert!(frames.fits(size), "a frame lies outside its data");
    assert_eq!(out.len(), frames.count * mels, "a row of mels for each frame");
    let (scratch, _) = scratch[..scratch_len(size)].as_chunks_mut::<LANES>();
    let (a, b) = scratch.split_at_mut(size);
    for first in (0..frames.count).step_by(LANES) {
        let count = LANES.min(frames.count - first);
        // Lanes without a frame repeat the last one.
        let rows: [&[f32]; LANES] = std::array::from_fn(|lane| frames.row(first + lane.min(count - 1), size));
        for (i, (to, &factor)) in a.iter_mut().zip(window).enumerate() {
            *to = std::array::from_fn(|lane| f64::from(rows[lane][i]) * factor);
        }
        let spectrum = power(size, table, a, b);
        let mut rest = weights;
        for (m, triangle) in triangles.iter().enumerate() {
            let (own, others) = rest.split_at(triangle.bins);
            rest = others;
            let mut energy = Lanes::default();
            for (bin, &weight) in spectrum[triangle.first_bin..][..triangle.bins].iter().zip(own) {
                energy = energy + Lanes(*bin) * weight;
            }
            let logarithm = ln(Lanes(energy.0.map(|energy| energy.max(floor)))) * std::f64::consts::LOG10_E;
            for (lane, &value) in logarithm.0[..count].iter().enumerate() {
                out[(first + lane) * mels + m] = value;
            }
        }
    }
}

/// The power spectra of the signals in the lanes of `a`, in `a` or `b`.
#[inline(always)]
fn power<'a>(
    size: usize,
    table: &[f64],
    a: &'a mut [[f64; LANES]],
    b: &'a mut [[f64; LANES]],
) -> &'a [[f64; LANES]] {
    let half = size / 2;
    let (mut from, mut to) = (a, b);
    let (mut rest, mut stride) = (half, 1);
    while rest > 1 {
        let radix = [4, 5, 3, 2].into_iter().find(|&radix| rest.is_multiple_of(radix));
        rest /= radix.unwrap_or(rest);
        match radix {
            Some(2) => pass::<2>(from, to, rest, stride, table),
            Some(3) => pass::<3>(from, to, rest, stride, table),
            Some(4) => pass::<4>(from, to, rest, stride, table),
            Some(_) => pass::<5>(from, to, rest, stride, table),
            None => panic!("half of {size} has a prime factor above five"),
        }
        stride *= radix.unwrap_or(1);
        (from, to) = (to, from);
    }
    for k in 0..=half / 2 {
        // At k = 0, both are the first point.
        let (a, b) = (Complex::load(from, k), Complex::load(from, if k == 0 { 0 } else { half - k }));
        let even = Complex { re: (a.re + b.re) * 0.5, im: (a.im - b.im) * 0.5 };
        let odd = Complex { re: (a.im + b.im) * 0.5, im: (b.re - a.re) * 0.5 };
        let odd = odd.times([table[2 * k], table[2 * k + 1]]);
        for (bin, x) in [(k, even + odd), (half - k, even - odd)] {
            to[bin] = (x.re.times(x.re) + x.im.times(x.im)).0;
        }
    }
    to
}

/// One pass: `R` parts of `rest` groups of `stride` points each become interleaved transforms.
#[inline(always)]
fn pass<const R: usize>(
    from: &[[f64; LANES]],
    to: &mut [[f64; LANES]],
    rest: usize,
    stride: usize,
    table: &[f64],
) {
    // Parts of a turn in the table for one part of this pass: j * p stays below the whole turn.
    let part = table.len() / 2 / (rest * R);
    for p in 0..rest {
        let factors: [[f64; 2]; R] = std::array::from_fn(|j| {
            let at = 2 * j * p * part;
            [table[at], table[at + 1]]
        });
        for q in 0..stride {
            let mut points: [Complex; R] =
                std::array::from_fn(|k| Complex::load(from, q + stride * (p + rest * k)));
            Complex::butterfly(&mut points);
            for (j, point) in points.into_iter().enumerate() {
                let point = if j == 0 { point } else { point.times(factors[j]) };
                point.store(to, q + stride * (R * p + j));
            }
        }
    }
}
