//! Appending keys and values to the caches.

use super::KeyValueMut;
use crate::convert;
use crate::rows::Rows;

/// Writes the rows of `k` and `v` (`heads * head_dim` elements each, head by head) into the caches at
/// `position`, `position + 1` and so on.
///
/// # Panics
/// If a row does not fit its data, the numbers of rows differ, or there is no room for all of them.
pub fn store(k: Rows<'_>, v: Rows<'_>, position: usize, kv: KeyValueMut<'_>) {
    store_as(k, v, position, kv, |from, to| to.copy_from_slice(from));
}

/// [`store`] as binary16 numbers, rounded to nearest.
///
/// # Panics
/// As for [`store`].
pub fn store_f16(k: Rows<'_>, v: Rows<'_>, position: usize, kv: KeyValueMut<'_, u16>) {
    store_as(k, v, position, kv, convert::f32_to_f16);
}

fn store_as<E: Copy + Default>(
    k: Rows<'_>,
    v: Rows<'_>,
    position: usize,
    kv: KeyValueMut<'_, E>,
    put: impl Fn(&[f32], &mut [E]),
) {
    let KeyValueMut { keys, values, shape } = kv;
    let (width, head_len, head_dim, capacity) =
        (shape.width(), shape.head_len(), shape.head_dim(), shape.capacity());
    assert_eq!(k.count, v.count, "as many keys as values");
    assert!(k.fits(width) && v.fits(width), "rows inside their data");
    assert!(
        position.checked_add(k.count).is_some_and(|end| end <= capacity),
        "room for {} more positions",
        k.count
    );
    // Keys are turned by a few rows at a time, so that a row of the cache is written in runs; by many columns at a
    // time, so that there is something to convert in a single row too.
    const RUN: usize = 16;
    const COLUMNS: usize = 64;
    for first in (0..k.count).step_by(RUN) {
        let run = RUN.min(k.count - first);
        for column in (0..width).step_by(COLUMNS) {
            let columns = COLUMNS.min(width - column);
            let mut elements = [[E::default(); COLUMNS]; RUN];
            for (r, elements) in elements[..run].iter_mut().enumerate() {
                put(&k.data[(first + r) * k.stride + column..][..columns], &mut elements[..columns]);
            }
            for c in 0..columns {
                let key = &mut keys[(column + c) * capacity + position + first..][..run];
                for (key, elements) in key.iter_mut().zip(&elements) {
                    *key = elements[c];
                }
            }
        }
    }
    for r in 0..v.count {
        for (h, head) in v.row(r, width).chunks_exact(head_dim.max(1)).enumerate() {
            put(head, &mut values[h * head_len + (position + r) * head_dim..][..head_dim]);
        }
    }
}
