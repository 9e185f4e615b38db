//! Products of 8-bit weights, one scale for each output, with 8-bit inputs, one scale for each row.
//!
//! The sums are exact i32; so, without an activation, every instruction set gives the same bits.

use super::PANEL;
use super::call::{Call, instruction_sets};
use super::drive::{Product, drive, fetch_distance};
use super::epilogue::Epilogue;
use super::lanes::{self, Dots, Lanes, Task};
pub use super::quantize::{QuantizedRows, quantize_rows, quantize_rows_with, row_len};
use crate::rows::RowsMut;
use crate::table::Table;
use crate::unroll::four_at_a_time;
use std::marker::PhantomData;

/// The most inputs a product may have: beyond, a sum of `255 * 127` could leave 32 bits.
pub const MAX_INPUTS: usize = 65_536;
/// Sums that one output is split into where a product has very few rows.
const CHAINS: usize = 8;
/// Corrections of sums that need none.
const NOTHING: [i32; PANEL] = [0; PANEL];
/// Inputs of one step: as many products go into one 32-bit sum at once.
pub(super) const STEP: usize = 4;

/// Length of the packed weights of an `outputs × inputs` matrix, in bytes.
pub const fn packed_len(outputs: usize, inputs: usize) -> usize {
    outputs.next_multiple_of(PANEL) * inputs.next_multiple_of(STEP)
}

/// Length of the scales and of the corrections of a matrix with this many outputs, in values.
pub const fn scales_len(outputs: usize) -> usize {
    outputs.next_multiple_of(PANEL)
}

/// Weights that [`pack`] writes.
#[derive(Debug)]
pub struct PackedMut<'a> {
    /// `[outputs / 16][inputs / 4][16][4]`, [`packed_len`] values; missing outputs and inputs are zeros.
    pub panels: &'a mut [i8],
    /// [`scales_len`] values: a weight is its byte times its output's scale.
    pub scales: &'a mut [f32],
    /// [`scales_len`] values: -128 times the sum of an output's bytes.
    pub corrections: &'a mut [i32],
}

/// Rounds row-major `outputs × inputs` weights to `[-127, 127]`, with the scale `max |w| / 127` for each
/// output, and packs them.
///
/// # Panics
/// If a length is wrong, there are more than [`MAX_INPUTS`] inputs, or a weight is not finite.
pub fn pack(weights: &[f32], outputs: usize, inputs: usize, packed: &mut PackedMut<'_>) {
    assert_eq!(weights.len(), outputs * inputs, "weights of {outputs} x {inputs}");
    check(packed.panels.len(), packed.scales.len(), packed.corrections.len(), outputs, inputs);
    packed.panels.fill(0);
    packed.scales.fill(0.0);
    packed.corrections.fill(0);
    for (output, row) in weights.chunks_exact(inputs.max(1)).enumerate() {
        let largest = row.iter().fold(0.0f32, |largest, w| largest.max(w.abs()));
        assert!(row.iter().all(|w| w.is_finite()), "a weight of output {output} is not finite");
        let scale = largest / 127.0;
        let mut sum = 0;
        for (k, &weight) in row.iter().enumerate() {
            // A scale that underflowed to zero means weights that are zero for every purpose.
            let rounded =
                if scale > 0.0 { (weight / scale).round_ties_even().clamp(-127.0, 127.0) } else { 0.0 };
            packed.panels[place(output, k, inputs)] = rounded as i8;
            sum += rounded as i32;
        }
        packed.scales[output] = scale;
        packed.corrections[output] = -128 * sum;
    }
}

/// Where the weight of an output and an input lies in the packed weights.
fn place(output: usize, k: usize, inputs: usize) -> usize {
    let steps = inputs.div_ceil(STEP);
    ((output / PANEL * steps + k / STEP) * PANEL + output % PANEL) * STEP + k % STEP
}

fn check(panels: usize, scales: usize, corrections: usize, outputs: usize, inputs: usize) {
    assert!(inputs <= MAX_INPUTS, "{inputs} inputs: sums could overflow");
    assert_eq!(panels, packed_len(outputs, inputs), "packed weights of {outputs} x {inputs}");
    assert_eq!(scales, scales_len(outputs), "scales of {outputs} outputs");
    assert_eq!(corrections, scales_len(outputs), "corrections of {outputs} outputs");
}

/// Weights that [`pack`] has laid out.
#[derive(Clone, Copy, Debug)]
pub struct Packed<'a> {
    panels: &'a [i8],
    scales: &'a [f32],
    corrections: &'a [i32],
    outputs: usize,
    inputs: usize,
    /// Whether the whole matrix, of which this may be a part, is too large for the second-level cache.
    large: bool,
}

impl<'a> Packed<'a> {
    /// A view of packed weights; the slices as in [`PackedMut`].
    ///
    /// # Panics
    /// If a length is wrong or there are more than [`MAX_INPUTS`] inputs.
    pub fn new(
        panels: &'a [i8],
        scales: &'a [f32],
        corrections: &'a [i32],
        outputs: usize,
        inputs: usize,
    ) -> Self {
        check(panels.len(), scales.len(), corrections.len(), outputs, inputs);
        Self { panels, scales, corrections, outputs, inputs, large: panels.len() > 1 << 20 }
    }

    /// Number of outputs (rows of the weight matrix).
    pub fn outputs(&self) -> usize {
        self.outputs
    }

    /// Number of inputs (columns of the weight matrix).
    pub fn inputs(&self) -> usize {
        self.inputs
    }

    /// At most `panels` panels of [`PANEL`] outputs, from panel `first` on.
    ///
    /// # Panics
    /// If there is no panel `first`.
    pub fn part(&self, first: usize, panels: usize) -> Packed<'a> {
        assert!(first * PANEL < self.outputs, "panel {first} of {} outputs", self.outputs);
        let outputs = (self.outputs - first * PANEL).min(panels * PANEL);
        let start = first * packed_len(PANEL, self.inputs);
        let lanes = first * PANEL..first * PANEL + scales_len(outputs);
        Packed {
            panels: &self.panels[start..][..packed_len(outputs, self.inputs)],
            scales: &self.scales[lanes.clone()],
            corrections: &self.corrections[lanes],
            outputs,
            ..*self
        }
    }

    /// The value that the packed weight of an output and an input stands for.
    ///
    /// # Panics
    /// If there is no such weight.
    pub fn weight(&self, output: usize, input: usize) -> f32 {
        assert!(output < self.outputs && input < self.inputs, "weight {output}, {input}");
        f32::from(self.panels[place(output, input, self.inputs)]) * self.scales[output]
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
    gemm_with(Table::active(), a, w, epilogue, out);
}

/// [`gemm`] on the instruction set of `table`.
///
/// # Panics
/// As [`gemm`].
pub fn gemm_with(
    table: &Table,
    a: &QuantizedRows<'_>,
    w: &Packed<'_>,
    epilogue: &Epilogue<'_>,
    out: RowsMut<'_>,
) {
    assert_eq!(a.inputs, w.inputs, "as many inputs in the rows as in the weights");
    (table.gemm.i8.0)(Call::new(table, (*a, a.count()), (*w, w.outputs), epilogue, out));
}

instruction_sets!(dots run: QuantizedRows<'_>, Packed<'_>);

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
        #[cfg(target_arch = "x86_64")]
        let (versions, available) =
            ([AVX2, AVX_VNNI], is_x86_feature_detected!("avx2") && is_x86_feature_detected!("avxvnni"));
        #[cfg(target_arch = "aarch64")]
        let (versions, available) = ([NEON, NEON_DOT], std::arch::is_aarch64_feature_detected!("dotprod"));

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

        let run = |version: Function| {
            let mut out = vec![0.0; rows * outputs];
            let out_rows = RowsMut::dense(&mut out, outputs);
            let epilogue = Epilogue::default();
            (version.0)(Call::new(Table::active(), (a, rows), (packed, outputs), &epilogue, out_rows));
            out
        };
        let want = run(SCALAR);
        for version in versions.into_iter().filter(|_| available) {
            assert_eq!(run(version), want);
        }
    }
}
