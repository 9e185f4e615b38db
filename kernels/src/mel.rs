//! Log-mel spectrograms: window, power spectrum, triangular filters and logarithm in one call.

use crate::arch::dispatch::instruction_sets;
use crate::arch::simd::Simd;
use crate::fft::{self, Plan};
use crate::math;
use crate::rows::{Rows, RowsMut};

pub mod double;
mod filters;

pub use filters::{FilterBank, MelScale, Triangle};

/// What is done with each filter's energy: `scale * ln(max(energy, floor) + offset)`.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Compression {
    /// The least energy. With the offset it must be a positive normal number.
    pub floor: f32,
    /// Added to the energy.
    pub offset: f32,
    /// Multiplies the logarithm: 1 for the natural one, `1 / ln(10)` for the decimal one.
    pub scale: f32,
}

/// One kind of log-mel spectrogram, its tables in slices that the caller owns.
#[derive(Clone, Copy, Debug)]
pub struct Spectrogram<'a> {
    /// The factor of each sample of a frame. Frames shorter than the transform are centered in it.
    pub window: &'a [f32],
    /// The transform.
    pub plan: Plan<'a>,
    /// Where each filter lies; made by [`FilterBank::fill`].
    pub triangles: &'a [Triangle],
    /// The weights of all filters, one after the other.
    pub weights: &'a [f32],
    /// The last step.
    pub compression: Compression,
}

/// How much scratch memory [`log_mel`] needs for a transform of `size` samples and `mels` filters.
pub fn scratch_len(size: usize, mels: usize) -> usize {
    fft::scratch_len(size.max(mels))
}

instruction_sets! {
    /// The log-mel spectrum of each frame: rows of `frames` are as long as the window (and may overlap: their stride is
    /// the hop), rows of `out` have one element for each filter. A frame's result does not depend on the others.
    ///
    /// # Panics
    /// If the numbers of rows differ, a row does not fit its data, the window is longer than the transform, the filters
    /// reach beyond its last frequency or `weights`, or `scratch` is shorter than [`scratch_len`].
    pub fn log_mel(frames: Rows<'_>, spectrogram: &Spectrogram<'_>, scratch: &mut [f32], out: RowsMut<'_>) = log_mel_rows;
}

#[inline(always)]
fn log_mel_rows<S: Simd>(
    s: S,
    frames: Rows<'_>,
    spectrogram: &Spectrogram<'_>,
    scratch: &mut [f32],
    mut out: RowsMut<'_>,
) {
    let Spectrogram { window, plan, triangles, .. } = *spectrogram;
    let size = plan.size();
    assert_eq!(frames.count, out.count, "as many rows out as frames");
    assert!(window.len() <= size, "a window no longer than the transform");
    let scratch = &mut scratch[..scratch_len(size, triangles.len())];
    let (a, b) = scratch.split_at_mut(scratch.len() / 2);
    let before = (size - window.len()) / 2 * S::LANES;
    let (start, end) = (before, before + window.len() * S::LANES);

    for first in (0..frames.count).step_by(S::LANES) {
        let count = S::LANES.min(frames.count - first);
        a[..start].fill(0.0);
        a[end..size * S::LANES].fill(0.0);
        fft::gather(s, frames.range(first, count), window.len(), Some(window), &mut a[start..end]);
        let in_a = fft::power_of_lanes(s, plan, a, b);
        let (spectrum, mels) = if in_a { (&*a, &mut *b) } else { (&*b, &mut *a) };
        filter(s, spectrogram, &spectrum[..plan.bins() * S::LANES], mels);
        fft::scatter(s, mels, triangles.len(), &mut out, first, count);
    }
}

/// The logarithm of each filter's energy, one vector each.
#[inline(always)]
fn filter<S: Simd>(s: S, spectrogram: &Spectrogram<'_>, spectrum: &[f32], mels: &mut [f32]) {
    let Compression { floor, offset, scale } = spectrogram.compression;
    let (floor, offset, scale) = (s.splat(floor), s.splat(offset), s.splat(scale));
    let mut weights = spectrogram.weights;
    for (triangle, mel) in spectrogram.triangles.iter().zip(mels.chunks_exact_mut(S::LANES)) {
        let (own, others) = weights.split_at(triangle.bins);
        weights = others;
        let bins = &spectrum[triangle.first_bin * S::LANES..][..triangle.bins * S::LANES];
        let mut energy = s.splat(0.0);
        for (bin, &weight) in bins.chunks_exact(S::LANES).zip(own) {
            energy = s.mul_add(s.load(bin), s.splat(weight), energy);
        }
        // Where the energy is NaN, the second operand is the result.
        let energy = s.add(s.max(floor, energy), offset);
        s.store(mel, s.mul(math::ln(s, energy), scale));
    }
}
