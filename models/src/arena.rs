//! Scratch memory of one pass: handed out piece by piece, taken back all at once.

use crate::buffer::{Line, numbers_mut};
use bumpalo::Bump;

/// A bump allocator of fixed size for the intermediate results of a unit of work.
///
/// All its memory is taken from the system when it is made; handing out and resetting move a pointer.
#[derive(Debug)]
pub struct Arena {
    bump: Bump,
}

impl Arena {
    /// An arena that can hand out slices of the given lengths, in floats, between two resets.
    pub fn for_lengths(lengths: &[usize]) -> Self {
        let lines: usize = lengths.iter().map(|len| len.div_ceil(const { Line::holds::<f32>() })).sum();
        // One line more, for the distance from the chunk's start to the first line boundary.
        let bump = Bump::with_capacity((lines + 1) * size_of::<Line>());
        bump.set_allocation_limit(Some(bump.allocated_bytes()));
        Arena { bump }
    }

    /// `len` zeros, aligned to 64 bytes.
    ///
    /// # Panics
    /// If more is asked for than the arena was made for.
    pub fn zeros(&self, len: usize) -> &mut [f32] {
        &mut numbers_mut(self.lines(len.div_ceil(const { Line::holds::<f32>() })))[..len]
    }

    /// `len` zero bytes, aligned to 64 bytes; they take the room of a quarter as many floats.
    ///
    /// # Panics
    /// If more is asked for than the arena was made for.
    pub fn bytes(&self, len: usize) -> &mut [u8] {
        &mut numbers_mut(self.lines(len.div_ceil(const { Line::holds::<u8>() })))[..len]
    }

    fn lines(&self, count: usize) -> &mut [Line] {
        self.bump.alloc_slice_fill_copy(count, Line::default())
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
            let (a, b, c) = (arena.zeros(100), arena.zeros(1), arena.zeros(33));
            assert!(a.iter().chain(&*b).chain(&*c).all(|&x| x == 0.0));
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
            arena.zeros(1024);
        }
    }
}
