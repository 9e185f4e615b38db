//! Keys and values of one attention.

use super::weights::MoonshineSizes;
use crate::buffer::Buffer;
use voxlane_kernels::attention::{self, KeyValue, KeyValueMut};
use voxlane_kernels::rows::Rows;

/// Storage for the keys and values of all heads, for up to a fixed number of positions.
#[derive(Clone, Debug)]
pub(super) struct Cache {
    keys: Buffer,
    values: Buffer,
    heads: usize,
    head_dim: usize,
    capacity: usize,
}

/// Floats in a page. Rows of keys that lie whole pages apart would all fall into the same cache sets.
const PAGE_FLOATS: usize = 1024;
/// Floats in a cache line.
const LINE_FLOATS: usize = 16;

/// The distance between rows of keys for `positions` positions: whole cache lines, never whole pages.
fn spacing(positions: usize) -> usize {
    let capacity = positions.next_multiple_of(LINE_FLOATS);
    if capacity.is_multiple_of(PAGE_FLOATS) { capacity + LINE_FLOATS } else { capacity }
}

impl Cache {
    /// A cache with room for `positions` positions.
    pub(super) fn new(sizes: &MoonshineSizes, positions: usize) -> Self {
        let (heads, head_dim) = (sizes.heads, sizes.head_dim);
        // Room for one line more: a smaller number of positions may need the spacing's extra line.
        let capacity = spacing(positions) + LINE_FLOATS;
        let len = heads * head_dim * capacity;
        Cache { keys: Buffer::zeros(len), values: Buffer::zeros(len), heads, head_dim, capacity }
    }

    /// Lays the cache out anew for `positions` positions, so that few positions lie close together. What it
    /// held is lost.
    ///
    /// # Panics
    /// If there are more positions than it was made for.
    pub(super) fn restart(&mut self, positions: usize) {
        self.capacity = spacing(positions);
        assert!(
            self.heads * self.head_dim * self.capacity <= self.keys.len(),
            "a cache holds the longest segment"
        );
    }

    /// Stores keys and values of consecutive positions from `position` on, one row for each.
    pub(super) fn store(&mut self, keys: Rows<'_>, values: Rows<'_>, position: usize) {
        let len = self.heads * self.head_dim * self.capacity;
        let into = KeyValueMut {
            keys: &mut self.keys[..len],
            values: &mut self.values[..len],
            heads: self.heads,
            head_dim: self.head_dim,
            capacity: self.capacity,
        };
        attention::store(keys, values, position, into);
    }

    /// What the attention kernel reads.
    pub(super) fn view(&self) -> KeyValue<'_> {
        let len = self.heads * self.head_dim * self.capacity;
        KeyValue {
            keys: &self.keys[..len],
            values: &self.values[..len],
            heads: self.heads,
            head_dim: self.head_dim,
            capacity: self.capacity,
        }
    }
}
