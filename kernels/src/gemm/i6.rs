//! Products of 6-bit weights, one scale for each output, with 8-bit inputs: for a first look at many outputs,
//! of which few are then computed exactly, where reading weights is all that takes time.
//!
//! The sums are exact i32; so, without an activation, every instruction set gives the same bits.

use super::PANEL;
use super::call::Call;
use super::drive::{Product, Sums, drive};
use super::epilogue::Epilogue;
use super::integer::{self, Layout, NOTHING};
pub use super::integer::{pack, scales_len};
use super::quantize::QuantizedRows;
use crate::arch::dispatch::with_dots;
use crate::arch::dots::{Dots, PanelOf};
use crate::arch::panel::{LINE, Panel, STEP};
use crate::arch::simd::Simd;
use crate::arch::six_bits::{GROUP_BYTES, STEPS, unpack};
use crate::rows::RowsMut;

/// Inputs of the steps whose weights are packed together.
const GROUP: usize = STEPS * STEP;
/// Weights of 6 bits: `[outputs / 16][inputs / 16][3][64]`. An operand's bits are its weight's and two zeros.
#[derive(Clone, Copy, Debug)]
pub struct Bits6;

/// Weights of 6 bits that [`pack`] writes.
pub type PackedMut<'a> = integer::PackedMut<'a, Bits6>;
/// Weights of 6 bits that [`pack`] has laid out.
pub type Packed<'a> = integer::Packed<'a, Bits6>;

/// Length of the packed weights of an `outputs × inputs` matrix, in bytes.
pub const fn packed_len(outputs: usize, inputs: usize) -> usize {
    outputs.div_ceil(PANEL) * inputs.div_ceil(GROUP) * GROUP_BYTES
}

/// The first byte of the group that a weight is in, its step within the group, and its place within the step.
fn place(output: usize, input: usize, inputs: usize) -> (usize, usize, usize) {
    let group = (output / PANEL * inputs.div_ceil(GROUP) + input / GROUP) * GROUP_BYTES;
    (group, input % GROUP / STEP, output % PANEL * STEP + input % STEP)
}

impl Layout for Bits6 {
    type Unit = u8;
    const LARGEST: f32 = 31.0;
    const OPERAND: i32 = 4;

    fn packed_len(outputs: usize, inputs: usize) -> usize {
        packed_len(outputs, inputs)
    }

    fn put(panels: &mut [u8], output: usize, input: usize, inputs: usize, weight: i8) {
        let (group, step, lane) = place(output, input, inputs);
        let (group, bits) = (&mut panels[group..][..GROUP_BYTES], weight as u8 & 0x3f);
        group[step / 2 * LINE + lane] |= (bits & 15) << (4 * (step % 2));
        group[2 * LINE + lane] |= bits >> 4 << (6 - 2 * step);
    }

    fn operand(panels: &[u8], output: usize, input: usize, inputs: usize) -> i8 {
        let (group, step, lane) = place(output, input, inputs);
        let (group, _) = panels[group..].split_first_chunk().expect("a whole group");
        unpack(group)[step][lane]
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
    panels: *const u8,
    scales: *const f32,
    corrections: *const i32,
    steps: usize,
    /// How far ahead weights are fetched, in bytes.
    ahead: usize,
}

impl<D: Dots> Tiles<D> {
    /// Whether each step of a group has sums of its own, which hides their latency: where half as many chains as of
    /// the 8-bit product leave room for twice its rows.
    const SPLIT: bool = D::ROWS_OF_CHAINS > 0;
}

impl<D: Dots> Product for Tiles<D> {
    type Target = D;
    type Simd = D::Simd;
    const ROWS: usize = if Self::SPLIT { 2 * D::ROWS_OF_CHAINS } else { D::TILE.rows };
    // All weights are read as one stream.
    const PANELS: usize = 1;
    const PANELS_OF_FEW: usize = 1;

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
        _fetch: bool,
    ) -> Sums<D::Simd, M, P> {
        let (d, s) = (self.d, self.simd());
        // SAFETY: the caller's rows and panel exist; a row is `steps * STEP` bytes, a panel as many groups as hold its
        // steps, and each panel has `PANEL` scales and corrections.
        unsafe {
            let a: [*const u8; M] = std::array::from_fn(|m| self.a.add((row + m) * self.a_stride));
            let groups = self.panels.add(panel * self.steps.div_ceil(STEPS) * GROUP_BYTES);
            let nothing = d.start(&NOTHING);
            let mut sums =
                [[d.start(&*self.corrections.add(panel * PANEL).cast()), nothing, nothing, nothing]; M];
            for group in 0..self.steps / STEPS {
                let group_weights = groups.add(group * GROUP_BYTES);
                for line in 0..GROUP_BYTES / LINE {
                    s.prefetch(group_weights.add(line * LINE).cast::<u8>().wrapping_add(self.ahead));
                }
                for (step, w) in d.six_bit_weights(&*group_weights.cast()).into_iter().enumerate() {
                    for m in 0..M {
                        let a = d.inputs(*a[m].add((group * STEPS + step) * STEP).cast());
                        let chain = if Self::SPLIT { step } else { 0 };
                        sums[m][chain] = d.add(sums[m][chain], a, w);
                    }
                }
            }
            let done = self.steps / STEPS * STEPS;
            if done < self.steps {
                let rest = d.six_bit_weights(&*groups.add(done / STEPS * GROUP_BYTES).cast());
                for (step, w) in rest.into_iter().enumerate().take(self.steps - done) {
                    for m in 0..M {
                        let a = d.inputs(*a[m].add((done + step) * STEP).cast());
                        sums[m][0] = d.add(sums[m][0], a, w);
                    }
                }
            }
            let weight_scales: PanelOf<D> = Panel::load(s, self.scales.add(panel * PANEL));
            let mut results = [[weight_scales; P]; M];
            for m in 0..M {
                let [mut sum, second, third, fourth] = sums[m];
                if Self::SPLIT {
                    sum = d.join(d.join(sum, second), d.join(third, fourth));
                }
                let row_scale = PanelOf::<D>::splat(s, *self.a_scales.add(row + m));
                results[m][0] = d.finish(sum).mul(s, row_scale.mul(s, weight_scales));
            }
            results
        }
    }
}

fn run<D: Dots>(d: D, call: Call<'_, QuantizedRows<'_>, Packed<'_>>) {
    let (a, w, output) = call.parts();
    let tiles = Tiles {
        d,
        a: a.data.as_ptr(),
        a_stride: a.stride,
        a_scales: a.scales.as_ptr(),
        panels: w.panels.as_ptr(),
        scales: w.scales.as_ptr(),
        corrections: w.corrections.as_ptr(),
        steps: w.inputs.div_ceil(STEP),
        ahead: crate::isa::fetch_ahead(),
    };
    // SAFETY: a call's shapes fit each other.
    unsafe { drive(&tiles, w.inputs, output) }
}
