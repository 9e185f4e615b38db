//! Products of 6-bit weights, one scale for each output, with 8-bit inputs: for a first look at many outputs,
//! of which few are then computed exactly, where reading weights is all that takes time.
//!
//! The sums are exact i32; so, without an activation, every instruction set gives the same bits.

use super::PANEL;
use super::call::{Call, instruction_sets};
use super::drive::{Product, drive};
use super::epilogue::Epilogue;
use super::i8::{MAX_INPUTS, QuantizedRows, STEP, scales_len};
use super::lanes::{self, Dots, Lanes, Task};
use crate::rows::RowsMut;
use crate::table::Table;
use std::marker::PhantomData;

/// Steps whose weights are packed together.
const STEPS: usize = 4;
/// Inputs of that many steps.
const GROUP: usize = STEPS * STEP;
/// Weights of one step of one panel, and bytes of a cache line.
const LINE: usize = PANEL * STEP;
/// Bytes of one group of one panel: the lower four bits of two steps, those of the other two, the upper two bits
/// of all.
pub(super) const GROUP_BYTES: usize = 3 * LINE;
/// The largest weight.
const LARGEST: f32 = 31.0;
/// How many times its weight an unpacked byte is: its bits are the upper six.
const UNPACKED: i32 = 4;
/// How far ahead weights are fetched, in bytes. Unpacking keeps so many instructions in flight that without it few
/// reads are: from the third level 23 → 26.6 GB/s where reading alone is 27. The 8-bit product gains nothing by it.
const AHEAD: usize = 2048;
/// Corrections of sums that need none.
const NOTHING: [i32; PANEL] = [0; PANEL];

/// Length of the packed weights of an `outputs × inputs` matrix, in bytes.
pub const fn packed_len(outputs: usize, inputs: usize) -> usize {
    outputs.div_ceil(PANEL) * inputs.div_ceil(GROUP) * GROUP_BYTES
}

/// Weights that [`pack`] writes.
#[derive(Debug)]
pub struct PackedMut<'a> {
    /// `[outputs / 16][inputs / 16][3][64]`, [`packed_len`] bytes; missing outputs and inputs are zeros.
    pub panels: &'a mut [u8],
    /// [`scales_len`] values: a quarter of what a weight is to be multiplied by.
    pub scales: &'a mut [f32],
    /// [`scales_len`] values: -512 times the sum of an output's weights.
    pub corrections: &'a mut [i32],
}

/// Rounds row-major `outputs × inputs` weights to `[-31, 31]`, with the scale `max |w| / 31` for each output, and
/// packs them.
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
        let scale = largest / LARGEST;
        let mut sum = 0;
        for (k, &weight) in row.iter().enumerate() {
            // A scale that underflowed to zero means weights that are zero for every purpose.
            let rounded =
                if scale > 0.0 { (weight / scale).round_ties_even().clamp(-LARGEST, LARGEST) } else { 0.0 };
            let bits = rounded as i8 as u8 & 0x3f;
            let Place { group, step, lane } = Place::of(output, k, inputs);
            let group = &mut packed.panels[group..][..GROUP_BYTES];
            group[step / 2 * LINE + lane] |= (bits & 15) << (4 * (step % 2));
            group[2 * LINE + lane] |= bits >> 4 << (6 - 2 * step);
            sum += rounded as i32;
        }
        packed.scales[output] = scale / UNPACKED as f32;
        packed.corrections[output] = -128 * UNPACKED * sum;
    }
}

/// Where the weight of an output and an input lies.
struct Place {
    /// The first byte of its group.
    group: usize,
    step: usize,
    lane: usize,
}

impl Place {
    fn of(output: usize, k: usize, inputs: usize) -> Self {
        Self {
            group: (output / PANEL * inputs.div_ceil(GROUP) + k / GROUP) * GROUP_BYTES,
            step: k % GROUP / STEP,
            lane: output % PANEL * STEP + k % STEP,
        }
    }
}

/// The weights of a group, step by step, times [`UNPACKED`].
#[inline(always)]
pub(super) fn unpack(group: &[u8; GROUP_BYTES]) -> [[i8; LINE]; STEPS] {
    let mut steps = [[0; LINE]; STEPS];
    for (step, weights) in steps.iter_mut().enumerate() {
        for (lane, weight) in weights.iter_mut().enumerate() {
            let (lower, upper) = (group[step / 2 * LINE + lane], group[2 * LINE + lane]);
            let lower = if step % 2 == 0 { lower << 2 } else { lower >> 2 };
            *weight = ((lower & 0x3c) | ((upper << (2 * step)) & 0xc0)) as i8;
        }
    }
    steps
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
    panels: &'a [u8],
    scales: &'a [f32],
    corrections: &'a [i32],
    outputs: usize,
    inputs: usize,
}

impl<'a> Packed<'a> {
    /// A view of packed weights; the slices as in [`PackedMut`].
    ///
    /// # Panics
    /// If a length is wrong or there are more than [`MAX_INPUTS`] inputs.
    pub fn new(
        panels: &'a [u8],
        scales: &'a [f32],
        corrections: &'a [i32],
        outputs: usize,
        inputs: usize,
    ) -> Self {
        check(panels.len(), scales.len(), corrections.len(), outputs, inputs);
        Self { panels, scales, corrections, outputs, inputs }
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
        let Place { group, step, lane } = Place::of(output, input, self.inputs);
        let (group, _) = self.panels[group..].split_first_chunk().expect("a whole group");
        f32::from(unpack(group)[step][lane]) * self.scales[output]
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
    (table.gemm.i6.0)(Call::new(table, (*a, a.count()), (*w, w.outputs), epilogue, out));
}

instruction_sets!(dots run: QuantizedRows<'_>, Packed<'_>);

struct Tiles<D> {
    a: *const u8,
    a_scales: *const f32,
    panels: *const u8,
    scales: *const f32,
    corrections: *const i32,
    steps: usize,
    dots: PhantomData<D>,
}

impl<D: Dots> Tiles<D> {
    /// Whether each step of a group has sums of its own, which hides their latency: where half as many chains as of
    /// the 8-bit product leave room for twice its rows.
    const SPLIT: bool = D::ROWS_OF_CHAINS > 0;
}

impl<D: Dots> Product for Tiles<D> {
    type Lanes = D::Lanes;
    const ROWS: usize = if Self::SPLIT { 2 * D::ROWS_OF_CHAINS } else { D::TILE_ROWS };
    // All weights are read as one stream.
    const PANELS: usize = 1;
    const PANELS_OF_FEW: usize = 1;

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
        _fetch: bool,
    ) -> [[D::Lanes; P]; M] {
        // SAFETY: the caller's rows and panel exist; a row is `steps * STEP` bytes, a panel as many groups as hold its
        // steps, and each panel has `PANEL` scales and corrections.
        unsafe {
            let a: [*const u8; M] = std::array::from_fn(|m| self.a.add((row + m) * self.steps * STEP));
            let groups = self.panels.add(panel * self.steps.div_ceil(STEPS) * GROUP_BYTES);
            let nothing = D::start(NOTHING.as_ptr());
            let mut sums = [[D::start(self.corrections.add(panel * PANEL)), nothing, nothing, nothing]; M];
            for group in 0..self.steps / STEPS {
                let group_weights = groups.add(group * GROUP_BYTES);
                for line in 0..GROUP_BYTES / LINE {
                    D::Lanes::prefetch(group_weights.add(line * LINE).wrapping_byte_add(AHEAD));
                }
                for (step, w) in D::sixes(group_weights).into_iter().enumerate() {
                    for m in 0..M {
                        let a = D::inputs(a[m].add((group * STEPS + step) * STEP));
                        let chain = if Self::SPLIT { step } else { 0 };
                        sums[m][chain] = D::add(sums[m][chain], a, w);
                    }
                }
            }
            let done = self.steps / STEPS * STEPS;
            if done < self.steps {
                let rest = D::sixes(groups.add(done / STEPS * GROUP_BYTES));
                for (step, w) in rest.into_iter().enumerate().take(self.steps - done) {
                    for m in 0..M {
                        let a = D::inputs(a[m].add((done + step) * STEP));
                        sums[m][0] = D::add(sums[m][0], a, w);
                    }
                }
            }
            let weight_scales = D::Lanes::load(self.scales.add(panel * PANEL));
            let mut results = [[weight_scales; P]; M];
            for m in 0..M {
                let [mut sum, second, third, fourth] = sums[m];
                if Self::SPLIT {
                    sum = D::join(D::join(sum, second), D::join(third, fourth));
                }
                let row_scale = D::Lanes::splat(*self.a_scales.add(row + m));
                results[m][0] = D::finish(sum).mul(row_scale.mul(weight_scales));
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
        steps: call.w.inputs.div_ceil(STEP),
        dots: PhantomData,
    };
    // SAFETY: the call's shapes were checked when it was made.
    unsafe { drive(&tiles, call.w.inputs, call.output) }
}
