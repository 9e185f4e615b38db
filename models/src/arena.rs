//! Scratch memory of one pass: handed out piece by piece, taken back all at once.

use crate::buffer::{Line, Plain, numbers_mut};
use crate::residency::Pages;
use bumpalo::Bump;
use std::alloc::Layout;

/// What lines are filled with where assertions are on: as `f32` they are NaN, so that a result made of what nobody wrote
/// shows.
const POISON: u8 = 0xff;

/// A bump allocator of fixed size for the intermediate results of a unit of work.
///
/// All its memory is taken from the system, and written, when it is made; handing out and resetting move a pointer.
#[derive(Debug)]
pub struct Arena {
    /// Dropped before `bump`, whose memory is so unlocked before it is given back.
    _pages: Pages,
    bump: Bump,
}

impl Arena {
    /// An arena that can hand out slices of the given lengths, in floats, between two resets.
    pub fn for_lengths(lengths: &[usize]) -> Self {
        let lines: usize = lengths.iter().map(|len| len.div_ceil(const { Line::holds::<f32>() })).sum();
        // One line more, for the distance from the chunk's start to the first line boundary.
        let mut bump = Bump::with_capacity((lines + 1) * size_of::<Line>());
        bump.set_allocation_limit(Some(bump.allocated_bytes()));
        let pages = Pages::of(bump.alloc_slice_fill_copy(bump.chunk_capacity(), 0u8));
        bump.reset();
        Arena { _pages: pages, bump }
    }

    /// `len` floats, aligned to 64 bytes, of any value: what used the memory before left it behind.
    ///
    /// # Panics
    /// If more is asked for than the arena was made for.
    pub fn scratch(&self, len: usize) -> &mut [f32] {
        self.numbers(len)
    }

    /// `len` bytes of any value, aligned to 64 bytes; they take the room of a quarter as many floats.
    ///
    /// # Panics
    /// If more is asked for than the arena was made for.
    pub fn bytes(&self, len: usize) -> &mut [u8] {
        self.numbers(len)
    }

    #[allow(
        clippy::mut_from_ref,
        reason = "every call gives another piece; taking all back borrows exclusively"
    )]
    fn numbers<T: Plain>(&self, len: usize) -> &mut [T] {
        let count = len.div_ceil(const { Line::holds::<T>() });
        let layout =
            Layout::array::<Line>(count).expect("callers ask for no more than the arena was made for");
        let start = self.bump.alloc_layout(layout);
        // SAFETY: a piece of the only chunk, for nobody else until the next reset, which borrows exclusively. All of the
        // chunk was written when it was made, the limit lets no other follow, and any bytes make a line.
        let lines = unsafe { std::slice::from_raw_parts_mut(start.cast::<Line>().as_ptr(), count) };
        let numbers: &mut [T] = &mut numbers_mut(lines)[..len];
        if cfg!(debug_assertions) {
            // SAFETY: every bit pattern is a valid number.
            unsafe { numbers.as_mut_ptr().write_bytes(POISON, len) };
        }
        numbers
    }

    /// Takes everything back.
    pub fn reset(&mut self) {
        self.bump.reset();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_it_was_made_for_fits_again_and_again() {
        let mut arena = Arena::for_lengths(&[100, 1, 33]);
        for _ in 0..3 {
            let (a, b, c) = (arena.scratch(100), arena.scratch(1), arena.scratch(33));
            // Nobody may rely on what was there before.
            assert!(!cfg!(debug_assertions) || a.iter().chain(&*b).chain(&*c).all(|x| x.is_nan()));
            (a[99], b[0], c[32]) = (1.0, 2.0, 3.0);
            assert_eq!((a[99], b[0], c[32]), (1.0, 2.0, 3.0));
            assert_eq!(b.as_ptr() as usize % 64, 0);
            arena.reset();
        }
    }

    #[test]
    #[should_panic]
    fn more_than_it_was_made_for_is_refused() {
        let arena = Arena::for_lengths(&[16]);
        for _ in 0..1000 {
            arena.scratch(1024);
        }
    }
}
