//! Products with f32 weights.

use super::PANEL;
use super::call::{Call, Weights};
use super::drive::{Product, Sums, drive, fetch_distance};
use super::epilogue::Epilogue;
use crate::arch::dispatch::with_panels;
use crate::arch::panel::{Panel, Panels};
use crate::rows::{Rows, RowsMut};
use crate::unroll::four_at_a_time;

/// Length of the packed form of an `outputs × inputs` matrix, in values.
pub const fn packed_len(outputs: usize, inputs: usize) -> usize {
    outputs.next_multiple_of(PANEL) * inputs
}

/// Where the weight of an output and an input lies in the packed weights.
fn place(output: usize, input: usize, inputs: usize) -> usize {
    (output / PANEL * inputs + input) * PANEL + output % PANEL
}

/// Packs row-major `outputs × inputs` weights as `[outputs / 16][inputs][16]`; missing outputs of the last
/// panel are zeros.
///
/// # Panics
/// If `weights` is not `outputs * inputs` long or `packed` not [`packed_len`].
pub fn pack(weights: &[f32], outputs: usize, inputs: usize, packed: &mut [f32]) {
    assert_eq!(weights.len(), outputs * inputs, "weights of {outputs} x {inputs}");
    assert_eq!(packed.len(), packed_len(outputs, inputs), "packed weights of {outputs} x {inputs}");
    packed.fill(0.0);
    for (output, row) in weights.chunks_exact(inputs.max(1)).enumerate() {
        for (input, &weight) in row.iter().enumerate() {
            packed[place(output, input, inputs)] = weight;
        }
    }
}

/// Weights that [`pack`] has laid out.
#[derive(Clone, Copy, Debug)]
pub struct Packed<'a> {
    panels: &'a [f32],
    outputs: usize,
    inputs: usize,
}

impl<'a> Packed<'a> {
    /// A view of packed weights.
    ///
    /// # Panics
    /// If `packed` is not [`packed_len`] long.
    pub fn new(packed: &'a [f32], outputs: usize, inputs: usize) -> Self {
        assert_eq!(packed.len(), packed_len(outputs, inputs), "packed weights of {outputs} x {inputs}");
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
    pub fn part(&self, first: usize, panels: usize) -> Packed<'a> {
        assert!(first * PANEL < self.outputs, "panel {first} of {} outputs", self.outputs);
        let outputs = (self.outputs - first * PANEL).min(panels * PANEL);
        let start = first * packed_len(PANEL, self.inputs);
        Packed { panels: &self.panels[start..][..packed_len(outputs, self.inputs)], outputs, ..*self }
    }

    /// The weight of an output and an input.
    ///
    /// # Panics
    /// If there is no such weight.
    pub fn weight(&self, output: usize, input: usize) -> f32 {
        assert!(output < self.outputs && input < self.inputs, "weight {output}, {input}");
        self.panels[place(output, input, self.inputs)]
    }
}

/// `out = [out +] activation(a · wᵀ + bias)`: one row of `w.inputs()` values in, one of `w.outputs()` out.
///
/// A row's result is the same to the bit whatever the number of rows. The sum over the inputs runs in rising
/// order, in f32, with fused multiply-adds where the instruction set has them. Allocates nothing.
///
/// # Panics
/// If the row counts differ, a row lies outside its slice, output rows overlap, or the bias does not have
/// one value for each output.
#[inline]
pub fn gemm(a: Rows<'_>, w: &Packed<'_>, epilogue: &Epilogue<'_>, out: RowsMut<'_>) {
    let call = Call::new(a, *w, epilogue, out);
    with_panels!(run(call));
}

impl Weights for Packed<'_> {
    fn outputs(&self) -> usize {
        self.outputs
    }
    fn inputs(&self) -> usize {
        self.inputs
    }
}

struct Tiles<S> {
    s: S,
    a: *const f32,
    stride: usize,
    panels: *const f32,
    inputs: usize,
}

impl<S: Panels> Product for Tiles<S> {
    type Target = S;
    type Simd = S;
    const ROWS: usize = S::TILE.rows;
    const PANELS: usize = S::TILE.panels;
    const PANELS_OF_FEW: usize = S::TILE.panels_of_few;

    #[inline(always)]
    fn target(&self) -> S {
        self.s
    }
    #[inline(always)]
    fn simd(&self) -> S {
        self.s
    }

    #[inline(always)]
    unsafe fn tile<const M: usize, const P: usize>(
        &self,
        row: usize,
        panel: usize,
        fetch: bool,
    ) -> Sums<S, M, P> {
        let s = self.s;
        // SAFETY: the caller's rows and panels exist; a panel is a line of `PANEL` weights for each input.
        unsafe {
            let a: [*const f32; M] = std::array::from_fn(|m| self.a.add((row + m) * self.stride));
            let w: [*const f32; P] =
                std::array::from_fn(|p| self.panels.add((panel + p) * self.inputs * PANEL));
            let mut sums = [[S::Panel::splat(s, 0.0); P]; M];
            let ahead = fetch_distance(fetch, P * self.inputs * PANEL * size_of::<f32>());
            four_at_a_time!(input in 0..self.inputs => {
                if let Some(ahead) = ahead {
                    for w in w {
                        s.prefetch(w.add(input * PANEL).cast::<u8>().wrapping_add(ahead));
                    }
                }
                let mut weights = [S::Panel::splat(s, 0.0); P];
                for p in 0..P {
                    weights[p] = Panel::load(s, w[p].add(input * PANEL));
                }
                for m in 0..M {
                    let a = S::Panel::splat(s, *a[m].add(input));
                    for p in 0..P {
                        sums[m][p] = a.mul_add(s, weights[p], sums[m][p]);
                    }
                }
            });
            sums
        }
    }
}

fn run<S: Panels>(s: S, call: Call<'_, Rows<'_>, Packed<'_>>) {
    let (a, w, output) = call.parts();
    let tiles =
        Tiles { s, a: a.data.as_ptr(), stride: a.stride, panels: w.panels.as_ptr(), inputs: w.inputs };
    // SAFETY: a call's shapes fit each other.
    unsafe { drive(&tiles, w.inputs * size_of::<f32>(), output) }
}
