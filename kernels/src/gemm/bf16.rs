//! Products with bf16 weights (the upper halves of f32 numbers) and f32 inputs and arithmetic: half the bytes,
//! for products of few rows, which are bound by them.
//!
//! The bf16 dot product of AVX-512 is not used: it would round the inputs too, flushes subnormal numbers and
//! sums pairs in an order of its own, and where bytes are the limit it has nothing to give.

use super::call::{Call, instruction_sets};
use super::epilogue::Epilogue;
use super::float;
use super::lanes::{self, Lanes};
use crate::rows::{Rows, RowsMut};
use crate::table::Table;

/// Weights that [`pack`] has laid out.
pub type Packed<'a> = float::Packed<'a, u16>;

/// Length of the packed form of an `outputs × inputs` matrix, in values.
pub const fn packed_len(outputs: usize, inputs: usize) -> usize {
    float::packed_len::<u16>(outputs, inputs)
}

/// Rounds row-major `outputs × inputs` weights to the nearest bf16, ties to even, and packs them as
/// `[outputs / 16][inputs / 2][16][2]`; missing outputs and inputs are zeros.
///
/// # Panics
/// If `weights` is not `outputs * inputs` long or `packed` not [`packed_len`].
pub fn pack(weights: &[f32], outputs: usize, inputs: usize, packed: &mut [u16]) {
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
    (table.gemm.bf16.0)(Call::new(table, (a, a.count), (*w, w.outputs()), epilogue, out));
}

instruction_sets!(run: Rows<'_>, Packed<'_>);

/// # Safety
/// The machine has the instruction set of `L`.
unsafe fn run<L: Lanes>(call: Call<'_, Rows<'_>, Packed<'_>>) {
    // SAFETY: the caller's promise.
    unsafe { float::run::<L, u16>(call) }
}
