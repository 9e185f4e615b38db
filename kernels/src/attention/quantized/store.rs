//! Rounding keys and values to 8 bits, a block at a time.

use super::turn::{largest_of_columns, starts, to_columns};
use super::{BLOCK_KEYS, MAX_HEAD, STEP, Shape};
use crate::arch::dispatch::instruction_sets;
use crate::arch::simd::Simd;
use crate::gemm::PANEL;
use crate::gemm::quantize::{ROUNDER, ZERO, factors_and_scales, rounded};
use crate::rows::Rows;

/// Bytes that four keys' values of one vector of channels take, on any instruction set.
const MAX_VECTOR_BYTES: usize = 64;

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

instruction_sets! {
    /// Writes the keys and values of block `block`, which begins at position `block * BLOCK_KEYS`: at most
    /// [`BLOCK_KEYS`] rows of `heads * head_dim` elements each, head by head. All blocks but the last are whole.
    ///
    /// # Panics
    /// If a row does not fit its data, the numbers of rows differ or are more than a block has, or the caches have no such
    /// block.
    pub fn store_block(k: Rows<'_>, v: Rows<'_>, block: usize, kv: CacheMut<'_>) = store_heads;
}

#[inline(always)]
fn store_heads<S: Simd>(s: S, k: Rows<'_>, v: Rows<'_>, block: usize, kv: CacheMut<'_>) {
    let shape = kv.shape;
    let Shape { heads, head_dim } = shape;
    let width = heads * head_dim;
    assert_eq!(k.count, v.count, "as many keys as values");
    assert!(k.count <= BLOCK_KEYS, "at most one block");
    assert!(k.fits(width) && v.fits(width), "rows inside their data");
    let (bytes_len, scales_len) = (shape.head_bytes(), shape.head_scales());
    let first = |block_len: usize| block.checked_mul(block_len).expect("a block within memory");
    let bytes = kv.bytes[first(heads * bytes_len)..].chunks_exact_mut(bytes_len);
    let scales = kv.scales[first(heads * scales_len)..].chunks_exact_mut(scales_len);
    assert!(bytes.len() >= heads && scales.len() >= heads, "room for the block");
    let mut turned = [0.0; PANEL * MAX_HEAD];
    for (head, (bytes, scales)) in bytes.zip(scales).take(heads).enumerate() {
        let (keys, values) = bytes.split_at_mut(BLOCK_KEYS * shape.key_bytes());
        let (key_scales, value_scales) = scales.split_at_mut(BLOCK_KEYS);
        let (value_scales, value_sums) = value_scales.split_at_mut(head_dim);
        for first in (0..k.count).step_by(S::LANES) {
            let count = S::LANES.min(k.count - first);
            let rows = Rows::new(&k.data[first * k.stride + head * head_dim..], k.stride, count);
            to_columns(s, rows, head_dim, &mut turned);
            let scales = &mut key_scales[first..][..S::LANES];
            let factor = factors_and_scales(s, largest_of_columns(s, &turned, head_dim), scales);
            for (step, keys) in keys.chunks_exact_mut(BLOCK_KEYS * STEP).enumerate() {
                let columns = &turned[step * STEP * S::LANES..][..STEP * S::LANES];
                let mut bytes = [s.splat(0.0); STEP];
                for (bytes, column) in bytes.iter_mut().zip(columns.chunks_exact(S::LANES)) {
                    *bytes = rounded(s, s.load(column), factor);
                }
                s.store_lowest_bytes(&mut keys[first * STEP..], bytes);
            }
        }
        let first = head * head_dim;
        for channel in starts::<S>(head_dim) {
            let count = S::LANES.min(head_dim - channel);
            let scales = &mut value_scales[channel..][..count];
            let sums = &mut value_sums[channel..][..count];
            store_channels(s, v, first + channel, &mut values[channel * STEP..], head_dim, scales, sums);
        }
        // A key that is not finite reaches all results of its head, and the weights' bytes do not show it.
        if key_scales[..k.count].iter().any(|scale| scale.is_nan()) {
            value_scales.fill(f32::NAN);
        }
    }
}

/// Stores a vector of channels of the values, or fewer: those from `first` on of the rows of `v`. `values` begins
/// where the first of them goes.
#[inline(always)]
fn store_channels<S: Simd>(
    s: S,
    v: Rows<'_>,
    first: usize,
    values: &mut [u8],
    head_dim: usize,
    scales: &mut [f32],
    sums: &mut [f32],
) {
    let count = scales.len();
    let row = |r: usize| s.load_partial(&v.row(r, first + count)[first..]);
    let mut largest = s.splat(0.0);
    for r in 0..v.count {
        largest = s.larger_magnitude(largest, row(r));
    }
    let factor = factors_and_scales(s, largest, scales);
    let mut total = s.splat(0.0);
    for (step, four) in (0..v.count).step_by(STEP).zip(values.chunks_mut(STEP * head_dim)) {
        let mut bytes = [s.splat(ROUNDER); STEP];
        for (r, bytes) in (step..v.count).zip(&mut bytes) {
            *bytes = rounded(s, row(r), factor);
            total = s.add(total, s.sub(*bytes, s.splat(ROUNDER)));
        }
        if count == S::LANES {
            s.store_lowest_bytes(four, bytes);
        } else {
            let mut staged = [ZERO as u8; MAX_VECTOR_BYTES];
            s.store_lowest_bytes(&mut staged, bytes);
            four[..count * STEP].copy_from_slice(&staged[..count * STEP]);
        }
    }
    let mut totals = [0.0; MAX_VECTOR_BYTES / STEP];
    s.store(&mut totals, s.mul(total, s.splat(127.0)));
    sums.copy_from_slice(&totals[..count]);
}
