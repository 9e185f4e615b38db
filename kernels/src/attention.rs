//! Scaled dot-product attention over cached keys and values, all heads in one call.
//!
//! One pass over the keys with an online softmax (Milakov and Gimelshein 2018,
//! <https://arxiv.org/abs/1805.02867>; Dao et al. 2022, <https://arxiv.org/abs/2205.14135>): nothing of the size
//! of the score matrix is ever stored.
//!
//! A query's result depends on that query and the keys it sees, never on the other queries of a call, on
//! their number, or on what lies in the cache behind its last key: bit for bit within one instruction set.
//! To that end the keys are cut into blocks at fixed positions, and within a block every sum runs in the
//! order of the keys.

use crate::arch::dispatch::instruction_sets;
use crate::arch::simd::Simd;
use crate::rows::{Rows, RowsMut};

mod blocks;
mod cache;
mod element;
pub mod quantized;
mod store;
mod weights;

pub use cache::{CAPACITY_UNIT, CacheShape, KeyValue, KeyValueMut, capacity_for};
use element::Element;
pub use store::{store, store_f16};
use weights::one_head;

/// Which keys each query sees.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Visible {
    /// Every query sees the first `n` keys.
    All(usize),
    /// Query `i` of the call sees the keys `0 .. first + i`: its own position is `first + i - 1`.
    Causal {
        /// How many keys the first query sees.
        first: usize,
    },
}

impl Visible {
    /// How many keys query `i` sees.
    #[inline]
    pub fn keys(self, i: usize) -> usize {
        match self {
            Visible::All(n) => n,
            Visible::Causal { first } => first + i,
        }
    }

    /// The most keys that any of `queries` queries sees, at least one query; none where that is no number.
    fn most(self, queries: usize) -> Option<usize> {
        match self {
            Visible::All(n) => Some(n),
            Visible::Causal { first } => first.checked_add(queries - 1),
        }
    }
}

instruction_sets! {
    /// `out = softmax(scale * q · keys) · values` for each query and head. Rows of `q` and `out` hold
    /// `heads * head_dim` elements, head by head. A query that sees no key gives zeros.
    ///
    /// `scale` must be positive. Allocates nothing; uses about 13 KB of stack.
    ///
    /// # Panics
    /// If a row does not fit its data, a query sees more keys than the capacity, or `scale` is not positive.
    pub fn attention(q: Rows<'_>, kv: &KeyValue<'_>, visible: Visible, scale: f32, out: RowsMut<'_>) = all_heads;

    /// [`attention()`] over caches of binary16 numbers; products and sums stay `f32`.
    ///
    /// # Panics
    /// As for [`attention()`].
    pub fn attention_f16(q: Rows<'_>, kv: &KeyValue<'_, u16>, visible: Visible, scale: f32, out: RowsMut<'_>) = all_heads;

    /// `out = softmax(scale * q · keys)` for one query (`head_dim` elements) of one head over its first `out.len()`
    /// keys: the weights with which [`attention()`] adds up the values, rounding aside. Allocates nothing.
    ///
    /// # Panics
    /// If the query is not of one head's size, there is no such head, or more keys are asked for than the capacity holds.
    pub fn weights(q: &[f32], kv: &KeyValue<'_>, head: usize, scale: f32, out: &mut [f32]) = one_head;

    /// [`weights`] over caches of binary16 numbers.
    ///
    /// # Panics
    /// As for [`weights`].
    pub fn weights_f16(q: &[f32], kv: &KeyValue<'_, u16>, head: usize, scale: f32, out: &mut [f32]) = one_head;
}

#[inline(always)]
fn all_heads<S: Simd, E: Element>(
    s: S,
    q: Rows<'_>,
    kv: &KeyValue<'_, E>,
    visible: Visible,
    scale: f32,
    out: RowsMut<'_>,
) {
    let (shape, keys, values) = (kv.shape(), kv.keys(), kv.values());
    let (heads, head_dim, capacity) = (shape.heads(), shape.head_dim(), shape.capacity());
    let (width, head_len) = (shape.width(), shape.head_len());
    assert!(
        q.count == out.count && q.fits(width) && out.fits(width),
        "as many rows out as queries, all inside"
    );
    assert!(scale > 0.0, "a positive scale");
    if q.count == 0 || width == 0 {
        return;
    }
    assert!(visible.most(q.count).is_some_and(|keys| keys <= capacity), "no more keys than there are");

    for h in 0..heads {
        let head = blocks::Head {
            keys: keys[h * head_len..][..head_len].as_ptr(),
            values: values[h * head_len..][..head_len].as_ptr(),
            head_dim,
            capacity,
            scale,
        };
        // Tiles of queries: as many as the registers hold, then fewer for what is left.
        let mut i = 0;
        while i < q.count {
            let tile = blocks::Tile {
                // In bounds: checked for all rows above.
                q: q.data[i * q.stride + h * head_dim..].as_ptr(),
                q_stride: q.stride,
                out: out.data[i * out.stride + h * head_dim..].as_mut_ptr(),
                out_stride: out.stride,
                visible,
                first_query: i,
            };
            let left = q.count - i;
            // SAFETY: the rows of the tile lie inside `q` and `out`, and no query sees more keys than the capacity, which is
            // a multiple of the lanes: checked above and by `CacheShape::new`. The caches have the size of their shape: `KeyValue::new` saw to it.
            i += unsafe {
                match S::REGISTERS {
                    32 if left >= 6 => blocks::tile::<S, E, 6, 4>(s, &head, tile),
                    32 if left >= 4 => blocks::tile::<S, E, 4, 4>(s, &head, tile),
                    32 if left >= 2 => blocks::tile::<S, E, 2, 4>(s, &head, tile),
                    16 if left >= 4 => blocks::tile::<S, E, 4, 2>(s, &head, tile),
                    _ => blocks::tile::<S, E, 1, 4>(s, &head, tile),
                }
            };
        }
    }
}
