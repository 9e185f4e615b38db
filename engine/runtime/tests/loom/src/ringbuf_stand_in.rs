//! What `ring.rs` uses of the `ringbuf` crate: the same two indices, accessed in the same memory orders, and storage that
//! knows who may access it.
//!
//! `loom` sees no access through a plain reference. So a slice that is handed out counts as an access that lasts until
//! its end of the ring asks for another slice or moves its index.

use loom::cell::{ConstPtr, MutPtr, UnsafeCell};
use loom::sync::atomic::{AtomicUsize, Ordering};
use std::cell::RefCell;
use std::mem::MaybeUninit;
use std::ops::Range;
use std::slice;
use std::sync::Arc;
use storage::Heap;
use traits::{Observer, Raw, Split};
use wrap::Wrap;

/// The two indices and the storage.
pub struct SharedRb<S> {
    read: AtomicUsize,
    write: AtomicUsize,
    storage: S,
}

/// A ring with storage of its own.
pub type HeapRb<T> = SharedRb<Heap<T>>;

/// One end of a ring, and the accesses that last.
pub struct End<R> {
    reading: RefCell<Vec<ConstPtr<()>>>,
    writing: RefCell<Vec<MutPtr<()>>>,
    ring: R,
}

/// The producer's end.
pub type Prod<R> = End<R>;
/// The consumer's end.
pub type Cons<R> = End<R>;

/// Where frames lie.
pub mod storage {
    use super::*;

    /// Places for frames.
    pub struct Heap<T> {
        pub(super) values: Box<[std::cell::UnsafeCell<MaybeUninit<T>>]>,
        /// For each place, what `loom` sees of the accesses to it.
        pub(super) tracks: Box<[UnsafeCell<()>]>,
    }
}

/// The traits of rings and their ends.
pub mod traits {
    use std::mem::MaybeUninit;

    /// Reading the indices.
    pub trait Observer {
        /// The index of the oldest frame.
        fn read_index(&self) -> usize;
        /// The index of the next free place.
        fn write_index(&self) -> usize;
    }

    /// Access to the storage.
    pub trait Raw {
        /// A frame.
        type Item;

        /// The places from `start` to `end`, to be read.
        ///
        /// # Safety
        /// Nobody writes to them until the read index moves.
        unsafe fn unsafe_slices(&self, start: usize, end: usize) -> Slices<'_, Self::Item>;

        /// The places from `start` to `end`, to be written.
        ///
        /// # Safety
        /// Nobody else uses them until the write index moves.
        unsafe fn unsafe_slices_mut(&self, start: usize, end: usize) -> SlicesMut<'_, Self::Item>;

        /// Moves the read index.
        ///
        /// # Safety
        /// The places before it are no longer used.
        unsafe fn set_read_index(&self, value: usize);

        /// Moves the write index.
        ///
        /// # Safety
        /// The places before it hold values and are no longer written.
        unsafe fn set_write_index(&self, value: usize);
    }

    /// Places, in two pieces where they wrap around.
    pub type Slices<'a, T> = (&'a [MaybeUninit<T>], &'a [MaybeUninit<T>]);
    /// Places to be written, in two pieces where they wrap around.
    pub type SlicesMut<'a, T> = (&'a mut [MaybeUninit<T>], &'a mut [MaybeUninit<T>]);

    /// Parting a ring into its ends.
    pub trait Split {
        /// The producer's end.
        type Prod;
        /// The consumer's end.
        type Cons;

        /// Both ends.
        fn split(self) -> (Self::Prod, Self::Cons);
    }
}

/// The trait of ends.
pub mod wrap {
    /// What wraps a reference to a ring.
    pub trait Wrap {
        /// The reference.
        type RbRef;

        /// The ring.
        fn rb_ref(&self) -> &Self::RbRef;
    }
}

impl<T> HeapRb<T> {
    /// An empty ring.
    pub fn new(capacity: usize) -> Self {
        let values = (0..capacity).map(|_| std::cell::UnsafeCell::new(MaybeUninit::uninit())).collect();
        let tracks = (0..capacity).map(|_| UnsafeCell::new(())).collect();
        SharedRb { read: AtomicUsize::new(0), write: AtomicUsize::new(0), storage: Heap { values, tracks } }
    }

    /// All places of a ring that is new.
    pub fn vacant_slices_mut(&mut self) -> traits::SlicesMut<'_, T> {
        let capacity = self.storage.values.len();
        // SAFETY: the ring is borrowed exclusively.
        (unsafe { self.storage.slice_mut(0..capacity) }, &mut [])
    }
}

impl<T> Heap<T> {
    /// The pieces from `start` to `end`, which run modulo twice the capacity.
    fn pieces(&self, start: usize, end: usize) -> (Range<usize>, Range<usize>) {
        let capacity = self.values.len();
        if start / capacity == end / capacity {
            (start % capacity..end % capacity, 0..0)
        } else {
            (start % capacity..capacity, 0..end % capacity)
        }
    }

    unsafe fn slice(&self, piece: Range<usize>) -> &[MaybeUninit<T>] {
        let values = &self.values[piece];
        // SAFETY: a cell lies as its value does; by the caller's word nobody writes.
        unsafe { slice::from_raw_parts(values.as_ptr().cast(), values.len()) }
    }

    #[expect(clippy::mut_from_ref, reason = "the caller's word")]
    unsafe fn slice_mut(&self, piece: Range<usize>) -> &mut [MaybeUninit<T>] {
        let values = &self.values[piece];
        let first = std::cell::UnsafeCell::raw_get(values.as_ptr());
        // SAFETY: a cell lies as its value does; by the caller's word nobody else uses the places.
        unsafe { slice::from_raw_parts_mut(first, values.len()) }
    }
}

impl<R> End<R> {
    /// An end of `ring`.
    pub fn new(ring: R) -> Self {
        End { reading: RefCell::default(), writing: RefCell::default(), ring }
    }
}

impl<R> Wrap for End<R> {
    type RbRef = R;

    fn rb_ref(&self) -> &R {
        &self.ring
    }
}

impl<T> Split for HeapRb<T> {
    type Prod = Prod<Arc<Self>>;
    type Cons = Cons<Arc<Self>>;

    fn split(self) -> (Self::Prod, Self::Cons) {
        let ring = Arc::new(self);
        (Prod::new(Arc::clone(&ring)), Cons::new(ring))
    }
}

impl<S> Observer for SharedRb<S> {
    fn read_index(&self) -> usize {
        self.read.load(Ordering::Acquire)
    }

    fn write_index(&self) -> usize {
        self.write.load(Ordering::Acquire)
    }
}

impl<S> Observer for End<Arc<SharedRb<S>>> {
    fn read_index(&self) -> usize {
        self.ring.read_index()
    }

    fn write_index(&self) -> usize {
        self.ring.write_index()
    }
}

impl<T> Raw for End<Arc<HeapRb<T>>> {
    type Item = T;

    unsafe fn unsafe_slices(&self, start: usize, end: usize) -> traits::Slices<'_, T> {
        let storage = &self.ring.storage;
        let (first, second) = storage.pieces(start, end);
        let mut reading = self.reading.borrow_mut();
        reading.clear();
        reading.extend(first.clone().chain(second.clone()).map(|place| storage.tracks[place].get()));
        // SAFETY: by the caller's word nobody writes.
        unsafe { (storage.slice(first), storage.slice(second)) }
    }

    unsafe fn unsafe_slices_mut(&self, start: usize, end: usize) -> traits::SlicesMut<'_, T> {
        let storage = &self.ring.storage;
        let (first, second) = storage.pieces(start, end);
        let mut writing = self.writing.borrow_mut();
        writing.clear();
        writing.extend(first.clone().chain(second.clone()).map(|place| storage.tracks[place].get_mut()));
        // SAFETY: by the caller's word nobody else uses the places.
        unsafe { (storage.slice_mut(first), storage.slice_mut(second)) }
    }

    unsafe fn set_read_index(&self, value: usize) {
        self.reading.borrow_mut().clear();
        self.ring.read.store(value, Ordering::Release);
    }

    unsafe fn set_write_index(&self, value: usize) {
        self.writing.borrow_mut().clear();
        self.ring.write.store(value, Ordering::Release);
    }
}
