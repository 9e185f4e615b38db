//! The caches of one layer: their shape, and views of them that are known to have it.

/// Capacities are multiples of it, so that a vector of keys never crosses into the next row.
pub const CAPACITY_UNIT: usize = 16;

/// The least capacity of a cache for `positions` keys.
pub const fn capacity_for(positions: usize) -> usize {
    positions.next_multiple_of(CAPACITY_UNIT)
}

/// The sizes of one layer's caches. Their product is a number of elements that memory can hold, so that no part of it
/// overflows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct CacheShape {
    heads: usize,
    head_dim: usize,
    capacity: usize,
}

impl CacheShape {
    /// `heads` heads of `head_dim` elements with room for `capacity` positions. Nothing if the capacity is not a multiple
    /// of [`CAPACITY_UNIT`] or the caches would be larger than memory can be.
    pub const fn new(heads: usize, head_dim: usize, capacity: usize) -> Option<Self> {
        let Some(width) = heads.checked_mul(head_dim) else { return None };
        let Some(head_len) = head_dim.checked_mul(capacity) else { return None };
        let Some(len) = width.checked_mul(capacity) else { return None };
        let is_usable = len <= isize::MAX as usize && head_len <= isize::MAX as usize;
        if is_usable && capacity.is_multiple_of(CAPACITY_UNIT) {
            Some(CacheShape { heads, head_dim, capacity })
        } else {
            None
        }
    }

    /// How many heads.
    pub const fn heads(self) -> usize {
        self.heads
    }

    /// Elements of one head.
    pub const fn head_dim(self) -> usize {
        self.head_dim
    }

    /// Positions there is room for. What lies behind the positions in use is read but never matters.
    pub const fn capacity(self) -> usize {
        self.capacity
    }

    /// Elements of all heads at one position.
    pub const fn width(self) -> usize {
        self.heads * self.head_dim
    }

    /// Elements of one head at all positions.
    pub const fn head_len(self) -> usize {
        self.head_dim * self.capacity
    }

    /// Elements of all heads at all positions: the length of the keys, and of the values.
    pub const fn len(self) -> usize {
        self.width() * self.capacity
    }

    /// Whether there are none.
    pub const fn is_empty(self) -> bool {
        self.len() == 0
    }
}

/// The keys and values of one layer: `f32`, or binary16 as `u16` bits for half the memory to read.
#[derive(Clone, Copy, Debug)]
pub struct KeyValue<'a, E = f32> {
    keys: &'a [E],
    values: &'a [E],
    shape: CacheShape,
}

impl<'a, E> KeyValue<'a, E> {
    /// `keys` are `[head][head_dim][capacity]`: side by side, so that a vector holds one element of many keys. `values`
    /// are `[head][capacity][head_dim]`.
    ///
    /// # Panics
    /// If one of the two is not of the length that the shape says.
    pub fn new(keys: &'a [E], values: &'a [E], shape: CacheShape) -> Self {
        check(keys.len(), values.len(), shape);
        KeyValue { keys, values, shape }
    }

    /// `[head][head_dim][capacity]`.
    pub fn keys(&self) -> &'a [E] {
        self.keys
    }

    /// `[head][capacity][head_dim]`.
    pub fn values(&self) -> &'a [E] {
        self.values
    }

    /// Their sizes.
    pub fn shape(&self) -> CacheShape {
        self.shape
    }
}

/// Where [`store`](super::store) writes: the caches of one layer, shaped as in [`KeyValue`].
#[derive(Debug)]
pub struct KeyValueMut<'a, E = f32> {
    pub(super) keys: &'a mut [E],
    pub(super) values: &'a mut [E],
    pub(super) shape: CacheShape,
}

impl<'a, E> KeyValueMut<'a, E> {
    /// As [`KeyValue::new`].
    ///
    /// # Panics
    /// As there.
    pub fn new(keys: &'a mut [E], values: &'a mut [E], shape: CacheShape) -> Self {
        check(keys.len(), values.len(), shape);
        KeyValueMut { keys, values, shape }
    }
}

fn check(keys: usize, values: usize, shape: CacheShape) {
    let expected = shape.len();
    assert!(
        keys == expected && values == expected,
        "attention caches: lengths do not fit their shape (expected {expected}, found {keys} and {values})"
    );
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn shapes_whose_product_overflows_are_refused() {
        // 1 * 4 * 2^62 is 0 modulo 2^64: empty slices would have that length.
        assert_eq!(CacheShape::new(1, 4, 1 << 62), None);
        assert_eq!(CacheShape::new(1 << 62, 4, 16), None);
        assert_eq!(CacheShape::new(0, 1 << 62, 16), None);
        assert_eq!(CacheShape::new(1, 1, usize::MAX - 15), None);
        assert_eq!(CacheShape::new(2, 36, 17), None);
        assert_eq!(CacheShape::new(2, 36, 32).map(CacheShape::len), Some(2304));
    }

    #[test]
    #[should_panic(expected = "expected 2304, found 2304 and 2303")]
    fn caches_of_another_length_are_refused() {
        let shape = CacheShape::new(2, 36, 32).unwrap();
        KeyValue::new(&[0.0; 2304], &[0.0; 2303], shape);
    }
}
