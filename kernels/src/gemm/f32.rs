//! Products with f32 weights.

use super::call::{Call, instruction_sets};
use super::epilogue::Epilogue;
use super::float;
use super::lanes::{self, Lanes};
use crate::rows::{Rows, RowsMut};
use crate::table::Table;

/// Weights that [`pack`] has laid out.
pub type Packed<'a> = float::Packed<'a, f32>;

/// Length of the packed form of an `outputs × inputs` matrix, in values.
pub const fn packed_len(outputs: usize, inputs: usize) -> usize {
    float::packed_len::<f32>(outputs, inputs)
}

/// Packs row-major `outputs × inputs` weights as `[outputs / 16][inputs][16]`; missing outputs of the last
/// panel are zeros.
///
/// # Panics
/// If `weights` is not `outputs * inputs` long or `packed` not [`packed_len`].
pub fn pack(weights: &[f32], outputs: usize, inputs: usize, packed: &mut [f32]) {
    float::pack(weights, outputs, inputs, packed);
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
    gemm_with(Table::active(), a, w, epilogue, out);
}

/// [`gemm`] on the instruction set of `table`.
///
/// # Panics
/// As [`gemm`].
pub fn gemm_with(table: &Table, a: Rows<'_>, w: &Packed<'_>, epilogue: &Epilogue<'_>, out: RowsMut<'_>) {
    assert!(a.fits(w.inputs()), "an input row lies outside its slice");
    (table.gemm.f32.0)(Call::new(table, (a, a.count), (*w, w.outputs()), epilogue, out));
}

instruction_sets!(run: Rows<'_>, Packed<'_>);

/// # Safety
/// The machine has the instruction set of `L`.
unsafe fn run<L: Lanes>(call: Call<'_, Rows<'_>, Packed<'_>>) {
    // SAFETY: the caller's promise.
    unsafe { float::run::<L, f32>(call) }
}
