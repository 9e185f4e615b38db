//! Integer weights with one scale for each output: what their forms of 8 and of 6 bits share.

use super::PANEL;
use super::call::Weights;
use std::fmt::Debug;
use std::mem::size_of_val;

/// The most inputs a product may have: beyond, a sum of `255 * 127` could leave 32 bits.
pub const MAX_INPUTS: usize = 65_536;
/// Corrections of sums that need none.
pub(super) const NOTHING: [i32; PANEL] = [0; PANEL];

/// How weights of so many bits lie in memory. The dot products take them as signed bytes, their operands.
pub trait Layout: Copy + Debug {
    /// What packed weights are stored in.
    type Unit: Copy + Debug + Default;
    /// The largest weight.
    const LARGEST: f32;
    /// How many times its weight an operand is.
    const OPERAND: i32;

    /// Length of the packed weights of an `outputs × inputs` matrix, in units.
    fn packed_len(outputs: usize, inputs: usize) -> usize;
    /// Writes the weight of an output and one of `inputs` inputs, where a zero is.
    fn put(panels: &mut [Self::Unit], output: usize, input: usize, inputs: usize, weight: i8);
    /// The operand of an output and one of `inputs` inputs.
    fn operand(panels: &[Self::Unit], output: usize, input: usize, inputs: usize) -> i8;
}

/// Length of the scales and of the corrections of a matrix with this many outputs, in values.
pub const fn scales_len(outputs: usize) -> usize {
    outputs.next_multiple_of(PANEL)
}

/// Weights that [`pack`] writes.
#[derive(Debug)]
pub struct PackedMut<'a, L: Layout> {
    /// [`Layout::packed_len`] units; missing outputs and inputs are zeros.
    pub panels: &'a mut [L::Unit],
    /// [`scales_len`] values: a weight is its operand times its output's scale.
    pub scales: &'a mut [f32],
    /// [`scales_len`] values: what sums of the inputs as they are stored start at. With 128 for zero, -128 times the sum
    /// of an output's operands.
    pub corrections: &'a mut [i32],
}

/// Rounds row-major `outputs × inputs` weights to `[-LARGEST, LARGEST]`, with the scale `max |w| / LARGEST` for each
/// output, and packs them.
///
/// # Panics
/// If a length is wrong, there are more than [`MAX_INPUTS`] inputs, or a weight is not finite.
pub fn pack<L: Layout>(weights: &[f32], outputs: usize, inputs: usize, packed: &mut PackedMut<'_, L>) {
    assert_eq!(weights.len(), outputs * inputs, "weights of {outputs} x {inputs}");
    check::<L>(packed.panels.len(), packed.scales.len(), packed.corrections.len(), outputs, inputs);
    packed.panels.fill(L::Unit::default());
    packed.scales.fill(0.0);
    packed.corrections.fill(0);
    for (output, row) in weights.chunks_exact(inputs.max(1)).enumerate() {
        let largest = row.iter().fold(0.0f32, |largest, w| largest.max(w.abs()));
        assert!(row.iter().all(|w| w.is_finite()), "a weight of output {output} is not finite");
        let scale = largest / L::LARGEST;
        let mut sum = 0;
        for (input, &weight) in row.iter().enumerate() {
            // A scale that underflowed to zero means weights that are zero for every purpose.
            let rounded = if scale > 0.0 {
                (weight / scale).round_ties_even().clamp(-L::LARGEST, L::LARGEST)
            } else {
                0.0
            };
            L::put(packed.panels, output, input, inputs, rounded as i8);
            sum += rounded as i32;
        }
        packed.scales[output] = scale / L::OPERAND as f32;
        packed.corrections[output] = -128 * L::OPERAND * sum;
    }
}

pub(super) fn check<L: Layout>(
    panels: usize,
    scales: usize,
    corrections: usize,
    outputs: usize,
    inputs: usize,
) {
    assert!(inputs <= MAX_INPUTS, "{inputs} inputs: sums could overflow");
    assert_eq!(panels, L::packed_len(outputs, inputs), "packed weights of {outputs} x {inputs}");
    assert_eq!(scales, scales_len(outputs), "scales of {outputs} outputs");
    assert_eq!(corrections, scales_len(outputs), "corrections of {outputs} outputs");
}

/// Weights that [`pack`] has laid out.
#[derive(Clone, Copy, Debug)]
pub struct Packed<'a, L: Layout> {
    pub(super) panels: &'a [L::Unit],
    pub(super) scales: &'a [f32],
    pub(super) corrections: &'a [i32],
    /// Of weights with another zero than 128: where sums of signed inputs start. Else empty.
    pub(super) starts: &'a [i32],
    pub(super) outputs: usize,
    pub(super) inputs: usize,
    /// Whether the whole matrix, of which this may be a part, is too large for the second-level cache.
    pub(super) large: bool,
}

impl<L: Layout> Weights for Packed<'_, L> {
    fn outputs(&self) -> usize {
        self.outputs
    }
    fn inputs(&self) -> usize {
        self.inputs
    }
}

impl<'a, L: Layout> Packed<'a, L> {
    /// A view of packed weights; the slices as in [`PackedMut`].
    ///
    /// # Panics
    /// If a length is wrong or there are more than [`MAX_INPUTS`] inputs.
    pub fn new(
        panels: &'a [L::Unit],
        scales: &'a [f32],
        corrections: &'a [i32],
        outputs: usize,
        inputs: usize,
    ) -> Self {
        check::<L>(panels.len(), scales.len(), corrections.len(), outputs, inputs);
        Self {
            panels,
            scales,
            corrections,
            starts: &[],
            outputs,
            inputs,
            large: size_of_val(panels) > 1 << 20,
        }
    }

    /// The same with the starts that [`pack_integers`](super::given::pack_integers) wrote.
    ///
    /// # Panics
    /// If there are not as many as corrections.
    pub fn with_starts(self, starts: &'a [i32]) -> Self {
        assert_eq!(starts.len(), self.corrections.len(), "as many starts as corrections");
        Self { starts, ..self }
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
    pub fn part(&self, first: usize, panels: usize) -> Self {
        assert!(first * PANEL < self.outputs, "panel {first} of {} outputs", self.outputs);
        let outputs = (self.outputs - first * PANEL).min(panels * PANEL);
        let start = first * L::packed_len(PANEL, self.inputs);
        let lanes = first * PANEL..first * PANEL + scales_len(outputs);
        Packed {
            panels: &self.panels[start..][..L::packed_len(outputs, self.inputs)],
            scales: &self.scales[lanes.clone()],
            corrections: &self.corrections[lanes.clone()],
            starts: if self.starts.is_empty() { &[] } else { &self.starts[lanes] },
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
        f32::from(L::operand(self.panels, output, input, self.inputs)) * self.scales[output]
    }
}
