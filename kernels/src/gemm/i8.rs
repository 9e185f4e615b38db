//! Products of 8-bit weights, one scale for each output, with 8-bit inputs, one scale for each row.
//!
//! The sums are exact i32; so, without an activation, every instruction set gives the same bits.

use super::PANEL;
use super::call::Call;
use super::drive::{Product, drive, fetch_distance};
use super::epilogue::Epilogue;
use super::integer::{self, Layout, NOTHING, STEP};
pub use super::integer::{MAX_INPUTS, pack, scales_len};
pub use super::quantize::{QuantizedRows, quantize_rows, row_len};
use crate::arch::dispatch::with_dots;
use crate::arch::lanes::{Dots, Lanes, Task};
use crate::rows::RowsMut;
use crate::unroll::four_at_a_time;
use std::marker::PhantomData;

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
    assert_eq!(a.inputs, w.inputs, "as many inputs in the rows as in the weights");
    let call = Call::new((*a, a.count()), (*w, w.outputs), epilogue, out);
    with_dots!(run(call));
}

struct Tiles<D> {
    a: *const u8,
    a_scales: *const f32,
    panels: *const i8,
    scales: *const f32,
    corrections: *const i32,
    large: bool,
    steps: usize,
    dots: PhantomData<D>,
}

impl<D: Dots> Product for Tiles<D> {
    type Lanes = D::Lanes;
    const ROWS: usize = D::TILE_ROWS;
    const PANELS: usize = D::TILE_PANELS;
    const PANELS_OF_FEW: usize = D::TILE_PANELS_OF_FEW;

    // One stream is what the third level and memory deliver best (87 → 92 % of reads); from the second
    // level, six panels beside each other are faster, having fewer sums to join.
    fn one_panel_at_a_time(&self, rows: usize) -> bool {
        rows <= D::ROWS_OF_CHAINS && self.large
    }

    #[inline(always)]
    unsafe fn enter(task: impl Task) {
        // SAFETY: the caller's promise.
        unsafe { D::enter(task) }
    }

    #[inline(always)]
    unsafe fn tile<const M: usize, const P: usize>(
        &self,
        row: usize,
        panel: usize,
        fetch: bool,
    ) -> [[D::Lanes; P]; M] {
        // SAFETY: the caller's rows and panels exist; a row is `steps * STEP` bytes, a panel `PANEL` times
        // that, and each panel has `PANEL` scales and corrections.
        unsafe {
            let a: [*const u8; M] = std::array::from_fn(|m| self.a.add((row + m) * self.steps * STEP));
            let w: [*const i8; P] =
                std::array::from_fn(|p| self.panels.add((panel + p) * self.steps * STEP * PANEL));
            let start: [D::Sums; P] =
                std::array::from_fn(|p| D::start(self.corrections.add((panel + p) * PANEL)));
            let mut sums = [start; M];
            let mut step = 0;
            if P == 1 && M <= D::ROWS_OF_CHAINS {
                // Integer sums may be split: several at once hide the latency of one.
                let mut parts = [[D::start(NOTHING.as_ptr()); M]; CHAINS];
                while step + CHAINS <= self.steps {
                    for part in &mut parts {
                        let w = D::weights(w[0].add(step * STEP * PANEL));
                        for m in 0..M {
                            part[m] = D::add(part[m], D::inputs(a[m].add(step * STEP)), w);
                        }
                        step += 1;
                    }
                }
                for part in parts {
                    for m in 0..M {
                        sums[m][0] = D::join(sums[m][0], part[m]);
                    }
                }
            }
            let ahead = fetch_distance(fetch, P * self.steps * STEP * PANEL);
            four_at_a_time!(step in step..self.steps => {
                if let Some(ahead) = ahead {
                    for w in w {
                        D::Lanes::prefetch(w.add(step * STEP * PANEL).wrapping_byte_add(ahead));
                    }
                }
                let w: [D::Weights; P] = std::array::from_fn(|p| D::weights(w[p].add(step * STEP * PANEL)));
                for m in 0..M {
                    let a = D::inputs(a[m].add(step * STEP));
                    for p in 0..P {
                        sums[m][p] = D::add(sums[m][p], a, w[p]);
                    }
                }
            });
            let weight_scales: [D::Lanes; P] =
                std::array::from_fn(|p| D::Lanes::load(self.scales.add((panel + p) * PANEL)));
            let mut results = [[weight_scales[0]; P]; M];
            for m in 0..M {
                let row_scale = D::Lanes::splat(*self.a_scales.add(row + m));
                for p in 0..P {
                    results[m][p] = D::finish(sums[m][p]).mul(row_scale.mul(weight_scales[p]));
                }
            }
            results
        }
    }
}

/// # Safety
/// The machine has the instruction set of `D`.
unsafe fn run<D: Dots>(call: Call<'_, QuantizedRows<'_>, Packed<'_>>) {
    let tiles = Tiles::<D> {
        a: call.a.data.as_ptr(),
        a_scales: call.a.scales.as_ptr(),
        panels: call.w.panels.as_ptr(),
        scales: call.w.scales.as_ptr(),
        corrections: call.w.corrections.as_ptr(),
        large: call.w.large,
        steps: call.w.inputs.div_ceil(STEP),
        dots: PhantomData,
    };
    // SAFETY: the call's shapes were checked when it was made.
    unsafe { drive(&tiles, call.w.inputs, call.output) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::rows::Rows;

    /// A machine with the dot product takes it, so that the other version needs a test of its own.
    #[test]
    fn both_versions_of_an_instruction_set_agree() {
        use crate::arch::lanes;
        #[cfg(target_arch = "x86_64")]
        let (versions, available) = (
            [run::<lanes::Avx2>, run::<lanes::AvxVnni>],
            is_x86_feature_detected!("avx2") && is_x86_feature_detected!("avxvnni"),
        );
        #[cfg(target_arch = "aarch64")]
        let (versions, available) =
            ([run::<lanes::Neon>, run::<lanes::NeonDot>], std::arch::is_aarch64_feature_detected!("dotprod"));

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

        let product = |version: unsafe fn(Call<'_, QuantizedRows<'_>, Packed<'_>>)| {
            let mut out = vec![0.0; rows * outputs];
            let out_rows = RowsMut::dense(&mut out, outputs);
            let call = Call::new((a, rows), (packed, outputs), &Epilogue::default(), out_rows);
            // SAFETY: the machine has the version's instruction set: it is asked below.
            unsafe { version(call) };
            out
        };
        let want = product(run::<lanes::Scalar>);
        for version in versions.into_iter().filter(|_| available) {
            assert_eq!(product(version), want);
        }
    }
}
