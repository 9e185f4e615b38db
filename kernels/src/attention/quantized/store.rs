//! Rounding keys and values to 8 bits, a block at a time.

use super::{BLOCK_KEYS, BLOCK_STEPS, STEP, Shape};
use crate::gemm::quantize::{ZERO, factor_and_scale, quantize, round};
use crate::rows::Rows;
use crate::simd::{Simd, instruction_sets};
use crate::table::Table;

/// Channels whose values are rounded at once.
const CHANNELS: usize = 16;

/// Where [`store_block`] writes: the caches of one layer, as in [`super::Cache`].
#[derive(Debug)]
pub struct CacheMut<'a> {
    /// [`Shape::bytes_len`] of them, or more.
    pub bytes: &'a mut [u8],
    /// [`Shape::scales_len`] of them, or more.
    pub scales: &'a mut [f32],
    /// How they are laid out.
    pub shape: Shape,
}

/// Writes the keys and values of block `block`, which begins at position `block * BLOCK_KEYS`: at most
/// [`BLOCK_KEYS`] rows of `heads * head_dim` elements each, head by head. All blocks but the last are whole.
///
/// # Panics
/// If a row does not fit its data, the numbers of rows differ or are more than a block has, or the caches have no such
/// block.
pub fn store_block(k: Rows<'_>, v: Rows<'_>, block: usize, kv: CacheMut<'_>) {
    (Table::active().store_i8_block)(k, v, block, kv);
}

pub(crate) mod sets {
    use super::*;

    instruction_sets! {
        store = store_heads(k: Rows<'_>, v: Rows<'_>, block: usize, kv: CacheMut<'_>);
    }
}

#[inline(always)]
fn store_heads<S: Simd>(_: S, k: Rows<'_>, v: Rows<'_>, block: usize, kv: CacheMut<'_>) {
    let shape = kv.shape;
    let Shape { heads, head_dim } = shape;
    let width = heads * head_dim;
    assert_eq!(k.count, v.count, "as many keys as values");
    assert!(k.count <= BLOCK_KEYS, "at most one block");
    assert!(k.fits(width) && v.fits(width), "rows inside their data");
    let (bytes_len, scales_len) = (shape.head_bytes(), shape.head_scales());
    let bytes = kv.bytes[block * heads * bytes_len..].chunks_exact_mut(bytes_len);
    let scales = kv.scales[block * heads * scales_len..].chunks_exact_mut(scales_len);
    assert!(bytes.len() >= heads && scales.len() >= heads, "room for the block");
    for (head, (bytes, scales)) in bytes.zip(scales).take(heads).enumerate() {
        let (keys, values) = bytes.split_at_mut(BLOCK_KEYS * shape.key_bytes());
        let (key_scales, value_scales) = scales.split_at_mut(BLOCK_KEYS);
        let (value_scales, value_sums) = value_scales.split_at_mut(head_dim);
        let key_rows = keys.chunks_exact_mut(shape.key_bytes());
        for (r, (bytes, scale)) in key_rows.zip(key_scales).take(k.count).enumerate() {
            *scale = quantize(&k.row(r, width)[head * head_dim..][..head_dim], bytes);
        }
        for channel in (0..head_dim).step_by(CHANNELS) {
            let channels = channel..head_dim.min(channel + CHANNELS);
            let scales = &mut value_scales[channels.clone()];
            let sums = &mut value_sums[channels.clone()];
            store_channels(v, head * head_dim, channels, head_dim, values, scales, sums);
        }
    }
}

/// Stores some channels of the values: those from `first + channels.start` on of the rows of `v`.
#[inline(always)]
fn store_channels(
    v: Rows<'_>,
    first: usize,
    channels: std::ops::Range<usize>,
    head_dim: usize,
    values: &mut [u8],
    scales: &mut [f32],
    sums: &mut [f32],
) {
    let count = channels.len();
    let row = |r: usize| &v.row(r, first + channels.end)[first + channels.start..];
    // Magnitudes of floats are ordered like their bits, with NaN above infinity above all numbers.
    let mut largest = [0u32; CHANNELS];
    for r in 0..v.count {
        for (largest, x) in largest.iter_mut().zip(row(r)) {
            *largest = (*largest).max(x.to_bits() & 0x7fff_ffff);
        }
    }
    let mut factors = [0.0; CHANNELS];
    for c in 0..count {
        (factors[c], scales[c]) = factor_and_scale(f32::from_bits(largest[c]));
    }
    let mut totals = [0; CHANNELS];
    for (step, four) in values.chunks_exact_mut(STEP * head_dim).take(BLOCK_STEPS).enumerate() {
        if step * STEP >= v.count {
            break;
        }
        let four = &mut four[channels.start * STEP..channels.end * STEP];
        for j in 0..STEP {
            let r = step * STEP + j;
            if r < v.count {
                for (c, &x) in row(r).iter().enumerate() {
                    // Of what is not finite only the scale matters.
                    let rounded = i32::from(round(x, factors[c]) as i8);
                    totals[c] += rounded;
                    four[c * STEP + j] = (rounded + ZERO) as u8;
                }
            } else {
                (0..count).for_each(|c| four[c * STEP + j] = ZERO as u8);
            }
        }
    }
    for (sum, total) in sums.iter_mut().zip(totals) {
        *sum = (127 * total) as f32;
    }
}
