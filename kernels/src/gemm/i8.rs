//! Products of 8-bit weights, one scale for each output, with 8-bit inputs, one scale for each row.
//!
//! The sums are exact i32; so, without an activation, every instruction set gives the same bits.

use super::PANEL;
use super::call::Call;
use super::drive::{Product, Sums, drive, fetch_distance};
use super::epilogue::Epilogue;
use super::integer::{self, Layout, NOTHING};
pub use super::integer::{MAX_INPUTS, pack, scales_len};
pub use super::quantize::{QuantizedRows, quantize_rows, row_len};
use crate::arch::dispatch::with_dots;
use crate::arch::dots::{Dots, PanelOf};
use crate::arch::panel::{Panel, STEP};
use crate::arch::simd::Simd;
use crate::rows::RowsMut;
use crate::unroll::four_at_a_time;

/// Sums that one output is split into where a product has very few rows.
const CHAINS: usize = 8;

/// Weights of 8 bits: `[outputs / 16][inputs / 4][16][4]`.
#[derive(Clone, Copy, Debug)]
pub struct Bits8;

/// Weights of 8 bits that [`pack`] writes.
pub type PackedMut<'a> = integer::PackedMut<'a, Bits8>;
/// Weights of 8 bits that [`pack`] has laid out.
pub type Packed<'a> = integer::Packed<'a, Bits8>;

/// Length of the packed weights of an `outputs × inputs` matrix, in bytes.
pub const fn packed_len(outputs: usize, inputs: usize) -> usize {
    outputs.next_multiple_of(PANEL) * inputs.next_multiple_of(STEP)
}

/// Where the weight of an output and an input lies in the packed weights.
fn place(output: usize, input: usize, inputs: usize) -> usize {
    let steps = inputs.div_ceil(STEP);
    ((output / PANEL * steps + input / STEP) * PANEL + output % PANEL) * STEP + input % STEP
}

impl Layout for Bits8 {
    type Unit = i8;
    const LARGEST: f32 = 127.0;
    const OPERAND: i32 = 1;

    fn packed_len(outputs: usize, inputs: usize) -> usize {
        packed_len(outputs, inputs)
    }

    fn put(panels: &mut [i8], output: usize, input: usize, inputs: usize, weight: i8) {
        panels[place(output, input, inputs)] = weight;
    }

    fn operand(panels: &[i8], output: usize, input: usize, inputs: usize) -> i8 {
        panels[place(output, input, inputs)]
    }
}

/// `out = [out +] activation(a · wᵀ + bias)` with exact integer sums.
///
/// A row's result is the same to the bit whatever the number of rows. Allocates nothing.
///
/// # Panics
/// If the row counts or the inputs differ, output rows overlap or lie outside their slice, or the bias does
/// not have one value for each output.
#[inline]
pub fn gemm(a: &QuantizedRows<'_>, w: &Packed<'_>, epilogue: &Epilogue<'_>, out: RowsMut<'_>) {
    let call = Call::new(*a, *w, epilogue, out);
    with_dots!(run(call));
}

struct Tiles<D> {
    d: D,
    a: *const u8,
    a_stride: usize,
    a_scales: *const f32,
    panels: *const i8,
    scales: *const f32,
    corrections: *const i32,
    /// Whether sums start at the corrections on every instruction set.
    are_starts: bool,
    large: bool,
    steps: usize,
}

impl<D: Dots> Tiles<D> {
    #[inline(always)]
    fn start(&self, corrections: &[i32; PANEL]) -> D::Sums {
        if self.are_starts { self.d.start_with(corrections) } else { self.d.start(corrections) }
    }
}

impl<D: Dots> Product for Tiles<D> {
    type Target = D;
    type Simd = D::Simd;
    const ROWS: usize = D::TILE.rows;
    const PANELS: usize = D::TILE.panels;
    const PANELS_OF_FEW: usize = D::TILE.panels_of_few;

    // One stream is what the third level and memory deliver best (87 → 92 % of reads); from the second
    // level, six panels beside each other are faster, having fewer sums to join.
    fn one_panel_at_a_time(&self, rows: usize) -> bool {
        rows <= D::ROWS_OF_CHAINS && self.large
    }

    #[inline(always)]
    fn target(&self) -> D {
        self.d
    }
    #[inline(always)]
    fn simd(&self) -> D::Simd {
        self.d.simd()
    }

    #[inline(always)]
    unsafe fn tile<const M: usize, const P: usize>(
        &self,
        row: usize,
        panel: usize,
        fetch: bool,
    ) -> Sums<D::Simd, M, P> {
        let (d, s) = (self.d, self.simd());
        // SAFETY: the caller's rows and panels exist; a row is `steps * STEP` bytes, a panel `PANEL` times
        // that, and each panel has `PANEL` scales and corrections.
        unsafe {
            let a: [*const u8; M] = std::array::from_fn(|m| self.a.add((row + m) * self.a_stride));
            let w: [*const i8; P] =
                std::array::from_fn(|p| self.panels.add((panel + p) * self.steps * STEP * PANEL));
            let start: [D::Sums; P] =
                std::array::from_fn(|p| self.start(&*self.corrections.add((panel + p) * PANEL).cast()));
            let mut sums = [start; M];
            let mut step = 0;
            if P == 1 && M <= D::ROWS_OF_CHAINS {
                // Integer sums may be split: several at once hide the latency of one.
                let mut parts = [[d.start(&NOTHING); M]; CHAINS];
                while step + CHAINS <= self.steps {
                    for part in &mut parts {
                        let w = d.weights(&*w[0].add(step * STEP * PANEL).cast());
                        for m in 0..M {
                            part[m] = d.add(part[m], d.inputs(*a[m].add(step * STEP).cast()), w);
                        }
                        step += 1;
                    }
                }
                for part in parts {
                    for m in 0..M {
                        sums[m][0] = d.join(sums[m][0], part[m]);
                    }
                }
            }
            let ahead = fetch_distance(fetch, P * self.steps * STEP * PANEL);
            four_at_a_time!(step in step..self.steps => {
                if let Some(ahead) = ahead {
                    for w in w {
                        s.prefetch(w.add(step * STEP * PANEL).cast::<u8>().wrapping_add(ahead));
                    }
                }
                let w: [D::Weights; P] = std::array::from_fn(|p| d.weights(&*w[p].add(step * STEP * PANEL).cast()));
                for m in 0..M {
                    let a = d.inputs(*a[m].add(step * STEP).cast());
                    for p in 0..P {
                        sums[m][p] = d.add(sums[m][p], a, w[p]);
                    }
                }
            });
            let weight_scales: [PanelOf<D>; P] =
                std::array::from_fn(|p| Panel::load(s, self.scales.add((panel + p) * PANEL)));
            let mut results = [[weight_scales[0]; P]; M];
            for m in 0..M {
                let row_scale = PanelOf::<D>::splat(s, *self.a_scales.add(row + m));
                for p in 0..P {
                    results[m][p] = d.finish(sums[m][p]).mul(s, row_scale.mul(s, weight_scales[p]));
                }
            }
            results
        }
    }
}

fn run<D: Dots>(d: D, call: Call<'_, QuantizedRows<'_>, Packed<'_>>) {
    let (a, w, output) = call.parts();
    // Where instructions take the inputs as they are stored, the corrections are right for any zero.
    let are_starts = D::ONE != 1 && !w.starts.is_empty();
    let tiles = Tiles {
        d,
        a: a.data.as_ptr(),
        a_stride: a.stride,
        a_scales: a.scales.as_ptr(),
        panels: w.panels.as_ptr(),
        scales: w.scales.as_ptr(),
        corrections: if are_starts { w.starts.as_ptr() } else { w.corrections.as_ptr() },
        are_starts,
        large: w.large,
        steps: w.inputs.div_ceil(STEP),
    };
    // SAFETY: a call's shapes fit each other.
    unsafe { drive(&tiles, w.inputs, output) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::rows::Rows;

    /// A machine with the dot product takes it, so that the other version needs a test of its own.
    #[test]
    fn both_versions_of_an_instruction_set_agree() {
        let (rows, outputs, inputs) = (13, 50, 45);
        let value = |i: usize| if i.is_multiple_of(7) { -1.0 } else { 1.0 - 0.001 * (i % 5) as f32 };
        let weights: Vec<f32> = (0..outputs * inputs).map(value).collect();
        let x: Vec<f32> = (0..rows * inputs).map(|i| value(i + 3)).collect();
        let mut panels = vec![0; packed_len(outputs, inputs)];
        let (mut scales, mut corrections) = (vec![0.0; scales_len(outputs)], vec![0; scales_len(outputs)]);
        let mut packed =
            PackedMut { panels: &mut panels, scales: &mut scales, corrections: &mut corrections };
        pack(&weights, outputs, inputs, &mut packed);
        let packed = Packed::new(&panels, &scales, &corrections, outputs, inputs);
        let (mut data, mut row_scales) = (vec![0; rows * row_len(inputs)], vec![0.0; rows]);
        let a = quantize_rows(Rows::dense(&x, inputs), inputs, &mut data, &mut row_scales);

        let product = |version: fn(Call<'_, QuantizedRows<'_>, Packed<'_>>)| {
            let mut out = vec![0.0; rows * outputs];
            let out_rows = RowsMut::dense(&mut out, outputs);
            version(Call::new(a, packed, &Epilogue::default(), out_rows));
            out
        };
        let want = product(|call| run(crate::arch::scalar::Scalar, call));
        #[cfg(target_arch = "x86_64")]
        if is_x86_feature_detected!("avx2")
            && is_x86_feature_detected!("fma")
            && is_x86_feature_detected!("f16c")
        {
            use crate::arch::avx2::{Avx2, AvxVnni};
            // SAFETY: just detected.
            assert_eq!(product(|call| run(unsafe { Avx2::new() }, call)), want);
            if is_x86_feature_detected!("avxvnni") {
                // SAFETY: just detected.
                assert_eq!(product(|call| run(unsafe { AvxVnni::new() }, call)), want);
            }
        }
        #[cfg(target_arch = "aarch64")]
        {
            use crate::arch::neon::{Neon, NeonDot};
            // SAFETY: part of the baseline.
            assert_eq!(product(|call| run(unsafe { Neon::new() }, call)), want);
            if std::arch::is_aarch64_feature_detected!("dotprod") {
                // SAFETY: just detected.
                assert_eq!(product(|call| run(unsafe { NeonDot::new() }, call)), want);
            }
        }
    }
}
