//! The weights of one query in one head, written out: for those who want to know where a network looked.

use super::blocks::{BLOCK, Head, Scores, Tile, multiply_keys};
use super::{Element, KeyValue, Visible};
use crate::arch::simd::Simd;
use crate::softmax::softmax_row;

/// See [`super::weights`].
#[inline(always)]
pub(super) fn one_head<S: Simd, E: Element>(
    s: S,
    q: &[f32],
    kv: &KeyValue<'_, E>,
    head: usize,
    scale: f32,
    out: &mut [f32],
) {
    let (shape, keys) = (kv.shape(), kv.keys());
    let (head_dim, head_len, capacity) = (shape.head_dim(), shape.head_len(), shape.capacity());
    assert!(head < shape.heads(), "a cache that has the head");
    assert_eq!(q.len(), head_dim, "a query of one head");
    assert!(out.len() <= capacity, "no more keys than there are");
    let visible = Visible::All(out.len());
    let head = Head {
        keys: keys[head * head_len..][..head_len].as_ptr(),
        values: kv.values().as_ptr(),
        head_dim,
        capacity,
        scale,
    };
    // Nothing is written through `out` and no values are read: only scores are computed.
    let tile = Tile {
        q: q.as_ptr(),
        q_stride: head_dim,
        out: std::ptr::null_mut(),
        out_stride: 0,
        visible,
        first_query: 0,
    };
    let mut scores = Scores([[0.0; BLOCK]]);
    for (block, out) in out.chunks_mut(BLOCK).enumerate() {
        let vectors = out.len().div_ceil(S::LANES);
        // SAFETY: the query has `head_dim` elements, and the vectors that hold the keys asked for lie within the capacity, a
        // multiple of the lanes: checked above. The keys have the size of their shape: `KeyValue::new` saw to it.
        unsafe { multiply_keys::<S, E, 1, 4>(s, &head, &tile, block * BLOCK, vectors, &mut scores) };
        out.iter_mut().zip(&scores.0[0]).for_each(|(out, score)| *out = score * scale);
    }
    softmax_row(s, out);
}
