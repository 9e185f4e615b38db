//! The integer weights of a matrix, as a model keeps them.

use crate::buffer::{Buffer, Plain};
use crate::formats::packed::{Packed, PackedError, Reader, Stored, Writer};
use voxlane_kernels::gemm::integer::{self, Layout, MAX_INPUTS, scales_len};

/// `outputs × inputs` weights in the bits of `L`, with a scale for each output.
#[derive(Debug)]
pub(crate) struct Integers<L: Layout> {
    panels: Stored<L::Unit>,
    scales: Stored<f32>,
    corrections: Stored<i32>,
}

impl<L: Layout<Unit: Plain>> Integers<L> {
    /// Packs `weight` (`outputs × inputs`, row-major).
    ///
    /// # Panics
    /// If it is not of that length.
    pub(crate) fn new(weight: &[f32], outputs: usize, inputs: usize) -> Self {
        let mut panels = Buffer::zeros(L::packed_len(outputs, inputs));
        let mut scales = Buffer::zeros(scales_len(outputs));
        let mut corrections = Buffer::zeros(scales_len(outputs));
        let mut packed = integer::PackedMut::<L> {
            panels: &mut panels,
            scales: &mut scales,
            corrections: &mut corrections,
        };
        integer::pack(weight, outputs, inputs, &mut packed);
        Integers { panels: panels.into(), scales: scales.into(), corrections: corrections.into() }
    }

    /// The weights as the kernels take them.
    ///
    /// # Panics
    /// If they are not those of such a matrix.
    pub(crate) fn packed(&self, outputs: usize, inputs: usize) -> integer::Packed<'_, L> {
        integer::Packed::new(&self.panels, &self.scales, &self.corrections, outputs, inputs)
    }

    /// Whether the stored arrays have the lengths that the shape needs.
    pub(crate) fn is_sound(&self, outputs: usize, inputs: usize) -> bool {
        inputs <= MAX_INPUTS
            && self.panels.len() == L::packed_len(outputs, inputs)
            && [self.scales.len(), self.corrections.len()] == [scales_len(outputs); 2]
    }
}

impl<L: Layout<Unit: Plain>> Packed for Integers<L> {
    fn save(&self, writer: &mut Writer) {
        self.panels.save(writer);
        self.scales.save(writer);
        self.corrections.save(writer);
    }

    fn load(reader: &mut Reader<'_>) -> Result<Self, PackedError> {
        Ok(Integers {
            panels: Packed::load(reader)?,
            scales: Packed::load(reader)?,
            corrections: Packed::load(reader)?,
        })
    }
}
