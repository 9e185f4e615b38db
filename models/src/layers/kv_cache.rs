//! Keys and values of one attention.

use crate::buffer::{Buffer, Plain};
use crate::layers::linear::Precision;
use voxlane_kernels::attention::{
    CacheShape, KeyValue, KeyValueMut, Visible, attention, attention_f16, store, store_f16, weights,
    weights_f16,
};
use voxlane_kernels::rows::{Rows, RowsMut};

/// Storage for the keys and values of all heads, for up to a fixed number of positions.
#[derive(Debug)]
pub(crate) struct KvCache {
    numbers: Numbers,
    shape: CacheShape,
}

#[derive(Debug)]
enum Numbers {
    F32(Pair<f32>),
    /// As bits.
    F16(Pair<u16>),
}

#[derive(Debug)]
struct Pair<T> {
    keys: Buffer<T>,
    values: Buffer<T>,
}

/// Bytes in a page. Rows of keys that lie whole pages apart would all fall into the same cache sets.
const PAGE_BYTES: usize = 4096;
/// Positions by which the distance of rows of keys grows: at least half a cache line.
const SPACING_UNIT: usize = 16;

/// The distance between rows of keys for `positions` positions: never whole pages.
fn spacing<T: Plain>(positions: usize) -> usize {
    let capacity = positions.next_multiple_of(SPACING_UNIT);
    if (capacity * size_of::<T>()).is_multiple_of(PAGE_BYTES) { capacity + SPACING_UNIT } else { capacity }
}

fn shape(heads: usize, head_dim: usize, capacity: usize) -> CacheShape {
    CacheShape::new(heads, head_dim, capacity).expect("the networks' checks bound a stream's bytes")
}

impl<T: Plain> Pair<T> {
    fn new(len: usize) -> Self {
        Pair { keys: Buffer::zeros(len), values: Buffer::zeros(len) }
    }
}

impl KvCache {
    /// A cache with room for `positions` positions, in f32 where `precision` is, else in f16: for the decoder,
    /// which reads it for every token.
    ///
    /// # Panics
    /// If it would be larger than memory can be.
    pub(crate) fn new((heads, head_dim): (usize, usize), positions: usize, precision: Precision) -> Self {
        // Room for one unit more: a smaller number of positions may need the spacing's extra one.
        let room = |spacing: usize| spacing + SPACING_UNIT;
        let (numbers, shape) = match precision {
            Precision::F32 => {
                let shape = shape(heads, head_dim, room(spacing::<f32>(positions)));
                (Numbers::F32(Pair::new(shape.len())), shape)
            }
            Precision::Int8 => {
                let shape = shape(heads, head_dim, room(spacing::<u16>(positions)));
                (Numbers::F16(Pair::new(shape.len())), shape)
            }
        };
        KvCache { numbers, shape }
    }

    /// Lays the cache out anew for `positions` positions, so that few positions lie close together. What it
    /// held is lost.
    ///
    /// # Panics
    /// If there are more positions than it was made for.
    pub(crate) fn restart(&mut self, positions: usize) {
        let (capacity, room) = match &self.numbers {
            Numbers::F32(pair) => (spacing::<f32>(positions), pair.keys.len()),
            Numbers::F16(pair) => (spacing::<u16>(positions), pair.keys.len()),
        };
        self.shape = shape(self.shape.heads(), self.shape.head_dim(), capacity);
        assert!(self.shape.len() <= room, "a cache holds the longest segment");
    }

    /// Stores keys and values of consecutive positions from `position` on, one row for each.
    pub(crate) fn store(&mut self, keys: Rows<'_>, values: Rows<'_>, position: usize) {
        let KvCache { ref mut numbers, shape } = *self;
        match numbers {
            Numbers::F32(pair) => store(keys, values, position, pair.view_mut(shape)),
            Numbers::F16(pair) => store_f16(keys, values, position, pair.view_mut(shape)),
        }
    }

    /// What the queries, one row for each, find among the visible positions.
    pub(crate) fn attend(&self, queries: Rows<'_>, visible: Visible, scale: f32, out: RowsMut<'_>) {
        let KvCache { ref numbers, shape } = *self;
        match numbers {
            Numbers::F32(pair) => attention(queries, &pair.view(shape), visible, scale, out),
            Numbers::F16(pair) => {
                attention_f16(queries, &pair.view(shape), visible, scale, out);
            }
        }
    }

    /// The weights with which a query of one head takes the values of the first `out.len()` positions.
    pub(crate) fn weights(&self, query: &[f32], head: usize, scale: f32, out: &mut [f32]) {
        let KvCache { ref numbers, shape } = *self;
        match numbers {
            Numbers::F32(pair) => weights(query, &pair.view(shape), head, scale, out),
            Numbers::F16(pair) => weights_f16(query, &pair.view(shape), head, scale, out),
        }
    }
}

impl<T: Plain> Pair<T> {
    fn view(&self, shape: CacheShape) -> KeyValue<'_, T> {
        KeyValue::new(&self.keys[..shape.len()], &self.values[..shape.len()], shape)
    }

    fn view_mut(&mut self, shape: CacheShape) -> KeyValueMut<'_, T> {
        KeyValueMut::new(&mut self.keys[..shape.len()], &mut self.values[..shape.len()], shape)
    }
}
