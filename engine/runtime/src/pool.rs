//! Buffers that are too large to travel in messages: a message carries a number, the buffer stays where it is.
//!
//! Ownership follows the number: whoever holds it takes the buffer out, works on it, and puts it back before
//! passing the number on. Numbers of free buffers come back to their source over a reverse ring. A lane that
//! restarts makes a new pool and new rings, so a number from before a restart reaches nobody.

use crate::sync::{AtomicPtr, Ordering};
use std::marker::PhantomData;
use std::ptr;

/// A fixed set of buffers. Taking and putting are one atomic swap of a pointer each.
///
/// ```
/// use voxlane_runtime::pool::Pool;
///
/// let pool = Pool::new(2, || vec![0.0_f32; 1024]);
/// let mut buffer = pool.take(1).expect("both are free");
/// assert!(pool.take(1).is_none(), "somebody has it");
/// buffer[0] = 0.5;
/// pool.put(1, buffer);
/// assert_eq!(pool.take(1).map(|buffer| buffer[0]), Some(0.5));
/// ```
pub struct Pool<T> {
    /// Each is null or a leaked `Box` that this place owns.
    places: Box<[AtomicPtr<T>]>,
    /// The pool moves values of `T` between threads and drops them.
    owns: PhantomData<T>,
}

// SAFETY: a shared pool only hands whole boxes out and takes them in, each by one atomic swap, so that a value has one
// owner at a time: sharing the pool is sending its values.
unsafe impl<T: Send> Sync for Pool<T> {}
// SAFETY: as above.
unsafe impl<T: Send> Send for Pool<T> {}

impl<T> Pool<T> {
    /// Creates places for `count` buffers, numbered from 0, all empty.
    pub fn empty(count: usize) -> Self {
        let places = (0..count).map(|_| AtomicPtr::new(ptr::null_mut())).collect();
        Pool { places, owns: PhantomData }
    }

    /// Creates a pool of `count` buffers made by `make`.
    pub fn new(count: usize, make: impl FnMut() -> T) -> Self {
        let pool = Pool::empty(count);
        pool.fill(make);
        pool
    }

    /// Puts a buffer into every place: for who has made the pool, or knows that nobody has taken one yet.
    pub fn fill(&self, mut make: impl FnMut() -> T) {
        (0..self.places.len() as u32).for_each(|number| self.put(number, Box::new(make())));
    }

    /// Takes buffer `number` out. Nothing if there is no such buffer or someone has it.
    pub fn take(&self, number: u32) -> Option<Box<T>> {
        let pointer = self.places.get(number as usize)?.swap(ptr::null_mut(), Ordering::AcqRel);
        // SAFETY: the swap took it out of the place, so nobody else has it.
        unsafe { own(pointer) }
    }

    /// Puts buffer `number` back. If there is one already, or no such place, the buffer is dropped.
    pub fn put(&self, number: u32, buffer: Box<T>) {
        if let Some(place) = self.places.get(number as usize) {
            let before = place.swap(Box::into_raw(buffer), Ordering::AcqRel);
            // SAFETY: the swap took it out of the place, so nobody else has it.
            let before = unsafe { own(before) };
            debug_assert!(before.is_none(), "two buffers for one place");
        }
    }

    /// Returns the number of places.
    pub fn capacity(&self) -> usize {
        self.places.len()
    }
}

/// The box behind a pointer that was swapped out of a place.
///
/// # Safety
/// The pointer is null or was in a place, and is in none any more: nobody else has it.
unsafe fn own<T>(pointer: *mut T) -> Option<Box<T>> {
    // SAFETY: a pointer in a place is null or came from `Box::into_raw`; the caller has the only one.
    (!pointer.is_null()).then(|| unsafe { Box::from_raw(pointer) })
}

impl<T> Drop for Pool<T> {
    fn drop(&mut self) {
        for place in &self.places {
            // Nobody else has the pool any more: the order of accesses does not matter.
            let pointer = place.swap(ptr::null_mut(), Ordering::Relaxed);
            // SAFETY: as in `take`.
            drop(unsafe { own(pointer) });
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::Arc;

    #[test]
    fn a_buffer_has_one_owner_at_a_time() {
        let pool = Pool::new(2, || vec![0u8; 4]);
        let mut buffer = pool.take(1).unwrap();
        assert!(pool.take(1).is_none());
        buffer[0] = 9;
        pool.put(1, buffer);
        assert_eq!(pool.take(1).unwrap()[0], 9);
        assert!(pool.take(2).is_none());
    }

    #[test]
    fn buffers_pass_between_threads_and_are_dropped_with_the_pool() {
        let owner = Arc::new(());
        let pool = Arc::new(Pool::new(1, || (Arc::clone(&owner), 0u64)));
        let rounds = if cfg!(miri) { 50 } else { 10_000 };
        let add = |pool: Arc<Pool<(Arc<()>, u64)>>| {
            std::thread::spawn(move || {
                let mut done = 0;
                while done < rounds {
                    match pool.take(0) {
                        Some(mut buffer) => {
                            buffer.1 += 1;
                            pool.put(0, buffer);
                            done += 1;
                        }
                        None => std::thread::yield_now(),
                    }
                }
            })
        };
        let threads = [add(Arc::clone(&pool)), add(Arc::clone(&pool))];
        threads.into_iter().for_each(|thread| thread.join().unwrap());
        assert_eq!(pool.take(0).map(|buffer| buffer.1), Some(2 * rounds));
        pool.put(0, Box::new((Arc::clone(&owner), 1)));
        drop(pool);
        assert_eq!(Arc::strong_count(&owner), 1);
    }
}
