//! Products of 4-bit weights, one scale for each output and 32 inputs, with f32 inputs and arithmetic: five
//! bits a weight, scales included, for products of few rows, which are bound by bytes.

use super::PANEL;
use super::call::{Call, instruction_sets};
use super::drive::{Product, drive};
use super::epilogue::Epilogue;
use super::lanes::{self, Lanes, Task};
use crate::rows::{Rows, RowsMut};
use crate::table::Table;
use std::marker::PhantomData;

/// Inputs that share a scale.
pub const GROUP: usize = 32;
/// Weights of one output in one 32-bit word.
const PER_WORD: usize = 8;
/// Words of one output in one group.
const WORDS: usize = GROUP / PER_WORD;
/// What a stored weight of value zero is.
const ZERO: f32 = 8.0;

/// Length of the packed weights of an `outputs × inputs` matrix, in words of eight weights.
pub const fn packed_len(outputs: usize, inputs: usize) -> usize {
    outputs.next_multiple_of(PANEL) * inputs.div_ceil(GROUP) * WORDS
}

/// Length of the scales of an `outputs × inputs` matrix, in values.
pub const fn scales_len(outputs: usize, inputs: usize) -> usize {
    outputs.next_multiple_of(PANEL) * inputs.div_ceil(GROUP)
}

/// Rounds row-major `outputs × inputs` weights to `[-8, 7]` times a scale for each output and [`GROUP`] inputs,
/// and packs them: `packed` is `[outputs / 16][inputs / 32][4][16]` words, the first input in the lowest bits,
/// `scales` is `[outputs / 16][inputs / 32][16]`; missing outputs and inputs are zeros.
///
/// A group's scale is the one with the least squared error among candidates that clip nothing, or values
/// beyond 0.7 to 1 times the largest.
///
/// # Panics
/// If a length is wrong or a weight is not finite.
pub fn pack(weights: &[f32], outputs: usize, inputs: usize, packed: &mut [u32], scales: &mut [f32]) {
    assert_eq!(weights.len(), outputs * inputs, "weights of {outputs} x {inputs}");
    check(packed.len(), scales.len(), outputs, inputs);
    packed.fill(0x8888_8888);
    scales.fill(0.0);
    let groups = inputs.div_ceil(GROUP);
    for (output, row) in weights.chunks_exact(inputs.max(1)).enumerate() {
        assert!(row.iter().all(|w| w.is_finite()), "a weight of output {output} is not finite");
        for (group, values) in row.chunks(GROUP).enumerate() {
            let scale = best_scale(values);
            let at = output / PANEL * groups + group;
            scales[at * PANEL + output % PANEL] = scale;
            for (i, &value) in values.iter().enumerate() {
                let shift = 4 * (i % PER_WORD) as u32;
                let word = &mut packed[(at * WORDS + i / PER_WORD) * PANEL + output % PANEL];
                *word = *word & !(15 << shift) | ((rounded(value, scale) + ZERO) as u32) << shift;
            }
        }
    }
}

/// The nearest whole multiple of the scale that can be stored.
fn rounded(value: f32, scale: f32) -> f32 {
    if scale == 0.0 { 0.0 } else { (value / scale).round_ties_even().clamp(-8.0, 7.0) }
}

fn best_scale(values: &[f32]) -> f32 {
    // The value of the largest magnitude becomes -8, the end that reaches farther, or 7.
    let largest = values.iter().fold(0.0f32, |largest, &v| if v.abs() > largest.abs() { v } else { largest });
    let error = |scale: f32| -> f64 {
        values.iter().map(|&v| f64::from(v - rounded(v, scale) * scale).powi(2)).sum()
    };
    let candidates = (0..16)
        .map(|step| 1.0 - 0.02 * step as f32)
        .flat_map(|part| [-8.0, 7.0].map(|end| largest * part / end));
    candidates.min_by(|&a, &b| error(a).total_cmp(&error(b))).unwrap_or(0.0)
}

fn check(packed: usize, scales: usize, outputs: usize, inputs: usize) {
    assert_eq!(packed, packed_len(outputs, inputs), "packed weights of {outputs} x {inputs}");
    assert_eq!(scales, scales_len(outputs, inputs), "scales of {outputs} x {inputs}");
}

/// Weights that [`pack`] has laid out.
#[derive(Clone, Copy, Debug)]
pub struct Packed<'a> {
    panels: &'a [u32],
    scales: &'a [f32],
    outputs: usize,
    inputs: usize,
}

impl<'a> Packed<'a> {
    /// A view of packed weights; the slices as in [`pack`].
    ///
    /// # Panics
    /// If a length is wrong.
    pub fn new(panels: &'a [u32], scales: &'a [f32], outputs: usize, inputs: usize) -> Self {
        check(panels.len(), scales.len(), outputs, inputs);
        Self { panels, scales, outputs, inputs }
    }

    /// Number of outputs (rows of the weight matrix).
    pub fn outputs(&self) -> usize {
        self.outputs
    }

    /// Number of inputs (columns of the weight matrix).
    pub fn inputs(&self) -> usize {
        self.inputs
    }

    /// The value that the packed weight of an output and an input stands for.
    ///
    /// # Panics
    /// If there is no such weight.
    pub fn weight(&self, output: usize, input: usize) -> f32 {
        assert!(output < self.outputs && input < self.inputs, "weight {output}, {input}");
        let at = output / PANEL * self.inputs.div_ceil(GROUP) + input / GROUP;
        let word = self.panels[(at * WORDS + input % GROUP / PER_WORD) * PANEL + output % PANEL];
        let stored = word >> (4 * (input % PER_WORD)) & 15;
        (stored as f32 - ZERO) * self.scales[at * PANEL + output % PANEL]
    }
}

/// `out = [out +] activation(a · wᵀ + bias)`: one row of `w.inputs()` values in, one of `w.outputs()` out.
///
/// A row's result is the same to the bit whatever the number of rows. A group's products are summed in rising
/// order, times its scale added to the output's sum. Allocates nothing.
///
/// # Panics
/// If the row counts differ, a row lies outside its slice, output rows overlap, or the bias does not have
/// one value for each output.
#[inline]
pub fn gemm(a: Rows<'_>, w: &Packed<'_>, epilogue: &Epilogue<'_>, out: RowsMut<'_>) {
    gemm_with(Table::active(), a, w, epilogue, out);
}

/// [`gemm`] on the instruction set of `table`.
///
/// # Panics
/// As [`gemm`].
pub fn gemm_with(table: &Table, a: Rows<'_>, w: &Packed<'_>, epilogue: &Epilogue<'_>, out: RowsMut<'_>) {
    assert!(a.fits(w.inputs), "an input row lies outside its slice");
    (table.gemm.i4.0)(Call::new(table, (a, a.count), (*w, w.outputs), epilogue, out));
}

instruction_sets!(run: Rows<'_>, Packed<'_>);

struct Tiles<L> {
    a: *const f32,
    stride: usize,
    panels: *const u32,
    scales: *const f32,
    inputs: usize,
    lanes: PhantomData<L>,
}

impl<L: Lanes> Product for Tiles<L> {
    type Lanes = L;
    // Each output has two sums, of the group and of all.
    const ROWS: usize = L::TILE_ROWS / 2;
    const PANELS: usize = L::TILE_PANELS;
    const PANELS_OF_FEW: usize = L::TILE_PANELS_OF_FEW;
    const FEW_ROWS: usize = 1;

    #[inline(always)]
    unsafe fn enter(task: impl Task) {
        // SAFETY: the caller's promise.
        unsafe { L::enter(task) }
    }

    #[inline(always)]
    unsafe fn tile<const M: usize, const P: usize>(&self, row: usize, panel: usize, _: bool) -> [[L; P]; M] {
        let groups = self.inputs.div_ceil(GROUP);
        // SAFETY: the caller's rows and panels exist; a panel is `groups` groups of `WORDS * PANEL` words and
        // `PANEL` scales; no input from `inputs` on is read.
        unsafe {
            let a: [*const f32; M] = std::array::from_fn(|m| self.a.add((row + m) * self.stride));
            let mut sums = [[L::splat(0.0); P]; M];
            for group in 0..groups {
                let at: [usize; P] = std::array::from_fn(|p| (panel + p) * groups + group);
                let mut group_sums = [[L::splat(0.0); P]; M];
                for i in 0..WORDS {
                    let mut words = [L::no_words(); P];
                    for p in 0..P {
                        words[p] = L::load_words(self.panels.add((at[p] * WORDS + i) * PANEL));
                    }
                    let first = group * GROUP + i * PER_WORD;
                    for input in first..self.inputs.min(first + PER_WORD) {
                        let mut weights = [L::splat(0.0); P];
                        for p in 0..P {
                            (weights[p], words[p]) = L::next_weight(words[p]);
                        }
                        for m in 0..M {
                            let a = L::splat(*a[m].add(input));
                            for p in 0..P {
                                group_sums[m][p] = group_sums[m][p].add_product(a, weights[p]);
                            }
                        }
                    }
                }
                for p in 0..P {
                    let scale = L::load(self.scales.add(at[p] * PANEL));
                    for m in 0..M {
                        sums[m][p] = sums[m][p].add_product(group_sums[m][p], scale);
                    }
                }
            }
            sums
        }
    }
}

/// # Safety
/// The machine has the instruction set of `L`.
unsafe fn run<L: Lanes>(call: Call<'_, Rows<'_>, Packed<'_>>) {
    let tiles = Tiles::<L> {
        a: call.a.data.as_ptr(),
        stride: call.a.stride,
        panels: call.w.panels.as_ptr(),
        scales: call.w.scales.as_ptr(),
        inputs: call.w.inputs,
        lanes: PhantomData,
    };
    // SAFETY: the call's shapes were checked when it was made.
    unsafe { drive(&tiles, call.w.inputs * size_of::<f32>(), call.output) }
}
