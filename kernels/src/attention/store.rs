//! Appending keys and values to the caches.

use crate::rows::Rows;

/// Where [`store`] writes: the caches of one layer, shaped as in [`super::KeyValue`].
#[derive(Debug)]
pub struct KeyValueMut<'a> {
    /// `[head][head_dim][capacity]`.
    pub keys: &'a mut [f32],
    /// `[head][capacity][head_dim]`.
    pub values: &'a mut [f32],
    /// How many heads.
    pub heads: usize,
    /// Elements of one head.
    pub head_dim: usize,
    /// Positions there is room for.
    pub capacity: usize,
}

/// Writes the rows of `k` and `v` (`heads * head_dim` elements each, head by head) into the caches at
/// `position`, `position + 1` and so on.
///
/// # Panics
/// If the caches are not of the size their shape says, a row does not fit its data, the numbers of rows differ,
/// or there is no room for all of them.
pub fn store(k: Rows<'_>, v: Rows<'_>, position: usize, kv: KeyValueMut<'_>) {
    let KeyValueMut { keys, values, heads, head_dim, capacity } = kv;
    let (width, head_len) = (heads * head_dim, head_dim * capacity);
    assert!(keys.len() == heads * head_len && values.len() == heads * head_len, "caches of their shape");
    assert_eq!(k.count, v.count, "as many keys as values");
    assert!(position + k.count <= capacity, "room for {} more positions", k.count);
    // Keys are turned by a few rows at a time, so that a row of the cache is written in runs.
    const RUN: usize = 16;
    for first in (0..k.count).step_by(RUN) {
        let run = RUN.min(k.count - first);
        for h in 0..heads {
            for d in 0..head_dim {
                let to = &mut keys[h * head_len + d * capacity + position + first..][..run];
                let from = &k.data[first * k.stride + h * head_dim + d..];
                for (r, x) in to.iter_mut().enumerate() {
                    *x = from[r * k.stride];
                }
            }
        }
    }
    for r in 0..v.count {
        let row = v.row(r, width);
        for h in 0..heads {
            let to = &mut values[h * head_len + (position + r) * head_dim..][..head_dim];
            to.copy_from_slice(&row[h * head_dim..][..head_dim]);
        }
    }
}
