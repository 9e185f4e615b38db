//! Buffers that are too large to ride in frames: a frame carries a number, the buffer stays where it is.
//!
//! Ownership follows the number: whoever holds it takes the buffer out, works on it, and puts it back before
//! passing the number on. Numbers of free buffers come back to their source over a reverse ring. A lane that
//! restarts makes a new pool and new rings, so a number from before a restart reaches nobody.

use crossbeam_utils::atomic::AtomicCell;

/// A fixed set of buffers. Taking and putting are one atomic swap of a pointer each.
pub struct Pool<T> {
    places: Box<[AtomicCell<Option<Box<T>>>]>,
}

impl<T> Pool<T> {
    /// `count` buffers made by `make`, numbered from 0.
    pub fn new(count: usize, mut make: impl FnMut() -> T) -> Self {
        Pool { places: (0..count).map(|_| AtomicCell::new(Some(Box::new(make())))).collect() }
    }

    /// Takes buffer `number` out. Nothing if there is no such buffer or someone has it.
    pub fn take(&self, number: u32) -> Option<Box<T>> {
        self.places.get(number as usize)?.take()
    }

    /// Puts buffer `number` back.
    pub fn put(&self, number: u32, buffer: Box<T>) {
        if let Some(place) = self.places.get(number as usize) {
            let before = place.swap(Some(buffer));
            debug_assert!(before.is_none(), "two buffers for one place");
        }
    }

    /// How many buffers there are.
    pub fn capacity(&self) -> usize {
        self.places.len()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_buffer_has_one_owner_at_a_time() {
        let pool = Pool::new(2, || vec![0u8; 4]);
        let mut buffer = pool.take(1).unwrap();
        assert!(pool.take(1).is_none());
        buffer[0] = 9;
        pool.put(1, buffer);
        assert_eq!(pool.take(1).unwrap()[0], 9);
        assert!(pool.take(2).is_none());
        assert!(AtomicCell::<Option<Box<u8>>>::is_lock_free());
    }
}
