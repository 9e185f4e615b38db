//! Weights and inputs that are integers already: networks that were rounded to bytes when they were made.

use super::i8::{Bits8, PackedMut};
use super::integer::{Layout, check, scales_len};

/// Weights that are integers already, as a file holds them.
#[derive(Clone, Copy, Debug)]
pub struct IntegerWeights<'a> {
    /// `outputs × inputs`, row-major.
    pub weights: &'a [i8],
    /// One for each output: what its exact sum is multiplied by.
    pub scales: &'a [f32],
    /// One for each output, added to its sum.
    pub bias: Option<&'a [i32]>,
    /// The byte that an input of value zero is stored as.
    pub zero_point: u8,
}

/// Packs integers without rounding anything, for products with [rows](super::i8::QuantizedRows::new) of bytes:
/// `out[r][o] = scales[o] * (bias[o] + sum over i of (row[r][i] - zero_point) * weights[o][i])`, the sum exact where it fits
/// into 32 bits. `starts`, as long as the corrections, are for [`Packed::with_starts`](super::integer::Packed::with_starts):
/// sums start there where the inputs are made signed.
///
/// # Panics
/// If a length is wrong or there are more than [`MAX_INPUTS`](super::integer::MAX_INPUTS) inputs.
pub fn pack_integers(
    integers: IntegerWeights<'_>,
    inputs: usize,
    packed: &mut PackedMut<'_>,
    starts: &mut [i32],
) {
    let IntegerWeights { weights, scales, bias, zero_point } = integers;
    let outputs = scales.len();
    assert_eq!(weights.len(), outputs * inputs, "weights of {outputs} x {inputs}");
    assert!(bias.is_none_or(|bias| bias.len() == outputs), "one bias value for each output");
    check::<Bits8>(packed.panels.len(), packed.scales.len(), packed.corrections.len(), outputs, inputs);
    assert_eq!(starts.len(), scales_len(outputs), "starts of {outputs} outputs");
    packed.panels.fill(0);
    packed.scales.fill(0.0);
    packed.corrections.fill(0);
    starts.fill(0);
    for (output, row) in weights.chunks_exact(inputs.max(1)).enumerate() {
        for (input, &weight) in row.iter().enumerate() {
            Bits8::put(packed.panels, output, input, inputs, weight);
        }
        packed.scales[output] = scales[output];
        let sum = row.iter().map(|&weight| i32::from(weight)).sum();
        let bias = bias.map_or(0, |bias| bias[output]);
        (packed.corrections[output], starts[output]) = starts_of(bias, sum, zero_point);
    }
}

/// Where a sum starts: of inputs as they are stored, and of inputs less 128. Sums wrap around, and so come out right
/// where the result fits, whatever they started at.
pub(crate) fn starts_of(bias: i32, sum_of_weights: i32, zero_point: u8) -> (i32, i32) {
    let start = |zero: i32| bias.wrapping_sub(zero.wrapping_mul(sum_of_weights));
    (start(i32::from(zero_point)), start(i32::from(zero_point) - 128))
}
