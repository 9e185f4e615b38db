//! Storage whose start lies on a cache-line boundary.

use crate::residency::Pages;
use std::cell::Cell;
use std::ops::{Deref, DerefMut};
use voxlane_kernels::projection::PanelBound;

/// Numbers of which every bit pattern is one, and zero is all bits zero: what a buffer or a packed file can
/// hold.
///
/// # Safety
/// The type has no padding and no invalid bit pattern, and its size divides a cache line.
pub unsafe trait Plain: Copy + Default + Send + Sync + 'static {}

macro_rules! plain {
    ($($number:ty),+) => {
        // SAFETY: a number of 1 to 8 bytes, or two `f32` side by side in a `repr(C)` struct: no padding,
        // and every bit pattern is valid.
        $(unsafe impl Plain for $number {})+
    };
}
plain!(u8, i8, i16, u16, i32, u32, u64, f32, f64, PanelBound);

/// One cache line and one AVX-512 register.
#[derive(Clone, Copy, Debug, Default)]
#[repr(C, align(64))]
pub(crate) struct Line([[u8; 32]; 2]);

impl Line {
    /// How many `T` a line holds.
    pub(crate) const fn holds<T: Plain>() -> usize {
        assert!(size_of::<Line>().is_multiple_of(size_of::<T>()) && align_of::<T>() <= align_of::<Line>());
        size_of::<Line>() / size_of::<T>()
    }
}

/// The numbers in `lines`, in order.
pub(crate) fn numbers_mut<T: Plain>(lines: &mut [Line]) -> &mut [T] {
    let len = lines.len() * const { Line::holds::<T>() };
    // SAFETY: a line holds a whole number of `T`, aligned and without gaps, and its bytes are initialized;
    // every bit pattern is a valid `T` and a valid line. The borrow is exclusive.
    unsafe { std::slice::from_raw_parts_mut(lines.as_mut_ptr().cast(), len) }
}

/// Numbers on the heap, made once, of fixed length, aligned to 64 bytes.
///
/// A large buffer of zeros takes memory only where it is written, unless [`Residency`](crate::residency::Residency) says
/// otherwise.
#[derive(Debug)]
pub struct Buffer<T = f32> {
    /// Dropped before `memory`, which is so unlocked before it is given back.
    _pages: Pages,
    /// A type whose zeros every allocator gives as fresh pages; one of 64 bytes would be zeroed by hand.
    memory: Box<[u128]>,
    /// Elements of `memory` before the first line boundary.
    skipped: usize,
    len: usize,
    numbers: std::marker::PhantomData<T>,
}

thread_local! {
    /// Bytes of all buffers that the thread has made.
    static MADE: Cell<usize> = const { Cell::new(0) };
}

/// The bytes of all buffers that `make` makes on the calling thread.
pub fn bytes_made<T>(make: impl FnOnce() -> T) -> usize {
    let before = MADE.get();
    drop(make());
    MADE.get() - before
}

impl<T: Plain> Buffer<T> {
    const LINE: usize = size_of::<Line>() / size_of::<u128>();

    /// `len` zeros.
    pub fn zeros(len: usize) -> Self {
        let lines = len.div_ceil(const { Line::holds::<T>() });
        // Room for one line more, less one element, to begin on a boundary.
        let mut memory = vec![0; (lines + 1) * Self::LINE - 1].into_boxed_slice();
        let pages = Pages::of_zeros(&mut memory);
        let skipped = memory.as_ptr().align_offset(align_of::<Line>());
        MADE.set(MADE.get().saturating_add(size_of_val(&*memory)));
        assert!(skipped < Self::LINE, "there is a line boundary in every line's length");
        Buffer { _pages: pages, memory, skipped, len, numbers: std::marker::PhantomData }
    }
}

impl<T: Plain> Clone for Buffer<T> {
    /// A copy with a boundary of its own.
    fn clone(&self) -> Self {
        Buffer::from(&**self)
    }
}

impl<T: Plain> From<&[T]> for Buffer<T> {
    fn from(values: &[T]) -> Self {
        let mut buffer = Buffer::zeros(values.len());
        buffer.copy_from_slice(values);
        buffer
    }
}

impl<T: Plain> Deref for Buffer<T> {
    type Target = [T];

    #[inline]
    fn deref(&self) -> &[T] {
        // SAFETY: `zeros` made room for `len` numbers behind the elements skipped; they are aligned and
        // initialized, and every bit pattern is a valid `T`.
        unsafe { std::slice::from_raw_parts(self.memory[self.skipped..].as_ptr().cast(), self.len) }
    }
}

impl<T: Plain> DerefMut for Buffer<T> {
    #[inline]
    fn deref_mut(&mut self) -> &mut [T] {
        // SAFETY: as above; no `T` is an invalid `u128`, and the borrow is exclusive.
        unsafe { std::slice::from_raw_parts_mut(self.memory[self.skipped..].as_mut_ptr().cast(), self.len) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_bytes_of_buffers_are_counted() {
        let bytes = bytes_made(|| (Buffer::<f32>::zeros(1000), Buffer::<u8>::zeros(64)));
        assert!((4064..4064 + 4 * 64).contains(&bytes), "{bytes}");
        assert_eq!(bytes_made(|| 0), 0);
    }

    #[test]
    fn a_buffer_is_aligned_and_as_long_as_asked() {
        for len in [0, 1, 16, 17, 1000] {
            let mut buffer = Buffer::<f32>::zeros(len);
            assert_eq!(buffer.len(), len);
            assert_eq!(buffer.as_ptr() as usize % 64, 0);
            buffer.fill(3.0);
            assert!(buffer.iter().all(|&x| x == 3.0));
            assert_eq!(Buffer::<i8>::zeros(len).len(), len);
        }
        assert_eq!(&*Buffer::from(&[1.0, 2.0][..]), &[1.0, 2.0]);
    }
}
