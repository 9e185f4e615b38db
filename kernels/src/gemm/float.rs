//! Products with weights stored as floats, in f32 arithmetic.

use super::PANEL;
use super::call::Call;
use super::drive::{Product, drive, fetch_distance};
use super::lanes::{Lanes, Task};
use crate::rows::Rows;
use crate::unroll::four_at_a_time;
use std::marker::PhantomData;

/// A stored form of a weight.
pub trait Element: Copy + Sized {
    /// Inputs that lie together for one output: a panel is `[inputs / STEP][16][STEP]`, whose rows are cache
    /// lines.
    #[doc(hidden)]
    const STEP: usize;

    /// The nearest stored value, ties to even.
    #[doc(hidden)]
    fn from_f32(value: f32) -> Self;

    /// The value that is stored.
    #[doc(hidden)]
    fn to_f32(self) -> f32;
}

/// How an instruction set reads an element.
pub(super) trait Load<L>: Element {
    /// The weights of sixteen outputs for input `j < STEP` of a line of `16 * STEP` elements.
    ///
    /// # Safety
    /// The line is readable; the instruction set is enabled in the caller.
    unsafe fn load(line: *const Self, j: usize) -> L;
}

impl Element for f32 {
    const STEP: usize = 1;

    fn from_f32(value: f32) -> f32 {
        value
    }

    fn to_f32(self) -> f32 {
        self
    }
}

impl<L: Lanes> Load<L> for f32 {
    #[inline(always)]
    unsafe fn load(line: *const f32, _: usize) -> L {
        // SAFETY: the caller's promise.
        unsafe { L::load(line) }
    }
}

/// The bits of a bf16 number: the upper half of an f32.
impl Element for u16 {
    const STEP: usize = 2;

    fn from_f32(value: f32) -> u16 {
        let mut bits = [0];
        crate::convert::f32_to_bf16(&[value], &mut bits);
        bits[0]
    }

    fn to_f32(self) -> f32 {
        f32::from_bits(u32::from(self) << 16)
    }
}

impl<L: Lanes> Load<L> for u16 {
    #[inline(always)]
    unsafe fn load(line: *const u16, j: usize) -> L {
        // SAFETY: the caller's promise.
        unsafe { if j == 0 { L::load_low_halves(line) } else { L::load_high_halves(line) } }
    }
}

/// Length of the packed form of an `outputs × inputs` matrix, in elements.
pub(super) const fn packed_len<E: Element>(outputs: usize, inputs: usize) -> usize {
    outputs.next_multiple_of(PANEL) * inputs.next_multiple_of(E::STEP)
}

/// Where the weight of an output and an input lies in the packed weights.
fn place<E: Element>(output: usize, input: usize, inputs: usize) -> usize {
    let line = output / PANEL * inputs.div_ceil(E::STEP) + input / E::STEP;
    (line * PANEL + output % PANEL) * E::STEP + input % E::STEP
}

pub(super) fn pack<E: Element>(weights: &[f32], outputs: usize, inputs: usize, packed: &mut [E]) {
    assert_eq!(weights.len(), outputs * inputs, "weights of {outputs} x {inputs}");
    assert_eq!(packed.len(), packed_len::<E>(outputs, inputs), "packed weights of {outputs} x {inputs}");
    packed.fill(E::from_f32(0.0));
    for (output, row) in weights.chunks_exact(inputs.max(1)).enumerate() {
        for (input, &weight) in row.iter().enumerate() {
            packed[place::<E>(output, input, inputs)] = E::from_f32(weight);
        }
    }
}

/// Packed weights of an `outputs × inputs` matrix.
#[derive(Clone, Copy, Debug)]
pub struct Packed<'a, E> {
    panels: &'a [E],
    outputs: usize,
    inputs: usize,
}

impl<'a, E: Element> Packed<'a, E> {
    /// A view of packed weights.
    ///
    /// # Panics
    /// If `packed` is not `packed_len` long.
    pub fn new(packed: &'a [E], outputs: usize, inputs: usize) -> Self {
        assert_eq!(packed.len(), packed_len::<E>(outputs, inputs), "packed weights of {outputs} x {inputs}");
        Self { panels: packed, outputs, inputs }
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
    pub fn part(&self, first: usize, panels: usize) -> Packed<'a, E> {
        assert!(first * PANEL < self.outputs, "panel {first} of {} outputs", self.outputs);
        let outputs = (self.outputs - first * PANEL).min(panels * PANEL);
        let start = first * packed_len::<E>(PANEL, self.inputs);
        Packed { panels: &self.panels[start..][..packed_len::<E>(outputs, self.inputs)], outputs, ..*self }
    }

    /// The weight of an output and an input.
    ///
    /// # Panics
    /// If there is no such weight.
    pub fn weight(&self, output: usize, input: usize) -> f32 {
        assert!(output < self.outputs && input < self.inputs, "weight {output}, {input}");
        self.panels[place::<E>(output, input, self.inputs)].to_f32()
    }
}

struct Tiles<E, L> {
    a: *const f32,
    stride: usize,
    panels: *const E,
    inputs: usize,
    lanes: PhantomData<L>,
}

impl<L: Lanes, E: Load<L>> Product for Tiles<E, L> {
    type Lanes = L;
    const ROWS: usize = L::TILE_ROWS;
    const PANELS: usize = L::TILE_PANELS;
    const PANELS_OF_FEW: usize = L::TILE_PANELS_OF_FEW;
    // Taking pairs apart needs registers of its own: with four rows of six panels the sums were spilled.
    const FEW_ROWS: usize = L::TILE_ROWS * L::TILE_PANELS / L::TILE_PANELS_OF_FEW / E::STEP;

    #[inline(always)]
    unsafe fn enter(task: impl Task) {
        // SAFETY: the caller's promise.
        unsafe { L::enter(task) }
    }

    #[inline(always)]
    unsafe fn tile<const M: usize, const P: usize>(
        &self,
        row: usize,
        panel: usize,
        fetch: bool,
    ) -> [[L; P]; M] {
        let lines = self.inputs.div_ceil(E::STEP);
        let line_elements = PANEL * E::STEP;
        // SAFETY: the caller's rows and panels exist; a panel is `lines` lines.
        unsafe {
            let a: [*const f32; M] = std::array::from_fn(|m| self.a.add((row + m) * self.stride));
            let w: [*const E; P] =
                std::array::from_fn(|p| self.panels.add((panel + p) * lines * line_elements));
            let mut sums = [[L::splat(0.0); P]; M];
            let ahead = fetch_distance(fetch, P * lines * line_elements * size_of::<E>());
            four_at_a_time!(line in 0..lines => {
                if let Some(ahead) = ahead {
                    for w in w {
                        L::prefetch(w.add(line * line_elements).wrapping_byte_add(ahead));
                    }
                }
                for j in 0..E::STEP {
                    let input = line * E::STEP + j;
                    if E::STEP > 1 && input == self.inputs {
                        break;
                    }
                    let mut weights = [L::splat(0.0); P];
                    for p in 0..P {
                        weights[p] = E::load(w[p].add(line * line_elements), j);
                    }
                    for m in 0..M {
                        let a = L::splat(*a[m].add(input));
                        for p in 0..P {
                            sums[m][p] = sums[m][p].add_product(a, weights[p]);
                        }
                    }
                }
            });
            sums
        }
    }
}

/// # Safety
/// The machine has the instruction set of `L`.
pub(super) unsafe fn run<L: Lanes, E: Load<L>>(call: Call<'_, Rows<'_>, Packed<'_, E>>) {
    let tiles = Tiles::<E, L> {
        a: call.a.data.as_ptr(),
        stride: call.a.stride,
        panels: call.w.panels.as_ptr(),
        inputs: call.w.inputs,
        lanes: PhantomData,
    };
    // SAFETY: the call's shapes were checked when it was made.
    unsafe { drive(&tiles, call.w.inputs * size_of::<f32>(), call.output) }
}
