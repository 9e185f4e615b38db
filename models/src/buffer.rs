//! Storage whose start lies on a cache-line boundary.

use std::ops::{Deref, DerefMut};

/// Sixteen floats: one cache line and one AVX-512 register.
#[derive(Clone, Copy, Debug, Default)]
#[repr(C, align(64))]
pub(crate) struct Line([f32; Line::FLOATS]);

impl Line {
    /// Floats in a line.
    pub(crate) const FLOATS: usize = 16;
}

/// The floats of `lines`, in order.
pub(crate) fn floats(lines: &[Line]) -> &[f32] {
    // SAFETY: a line is exactly `FLOATS` floats (size 64, alignment 64 > 4), so that a slice of lines is as
    // many times `FLOATS` initialized floats without gaps; the lifetime is that of `lines`.
    unsafe { std::slice::from_raw_parts(lines.as_ptr().cast(), lines.len() * Line::FLOATS) }
}

/// Like [`floats`], writable.
pub(crate) fn floats_mut(lines: &mut [Line]) -> &mut [f32] {
    // SAFETY: as in `floats`; every bit pattern is a valid `f32`, and the borrow is exclusive.
    unsafe { std::slice::from_raw_parts_mut(lines.as_mut_ptr().cast(), lines.len() * Line::FLOATS) }
}

/// Floats on the heap, made once, of fixed length, aligned to 64 bytes.
#[derive(Clone, Debug)]
pub struct Buffer {
    lines: Box<[Line]>,
    len: usize,
}

impl Buffer {
    /// `len` zeros.
    pub fn zeros(len: usize) -> Self {
        Buffer { lines: vec![Line::default(); len.div_ceil(Line::FLOATS)].into_boxed_slice(), len }
    }
}

impl From<&[f32]> for Buffer {
    fn from(values: &[f32]) -> Self {
        let mut buffer = Buffer::zeros(values.len());
        buffer.copy_from_slice(values);
        buffer
    }
}

impl Deref for Buffer {
    type Target = [f32];

    #[inline]
    fn deref(&self) -> &[f32] {
        &floats(&self.lines)[..self.len]
    }
}

impl DerefMut for Buffer {
    #[inline]
    fn deref_mut(&mut self) -> &mut [f32] {
        &mut floats_mut(&mut self.lines)[..self.len]
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_buffer_is_aligned_and_as_long_as_asked() {
        for len in [0, 1, 16, 17, 1000] {
            let mut buffer = Buffer::zeros(len);
            assert_eq!(buffer.len(), len);
            assert_eq!(buffer.as_ptr() as usize % 64, 0);
            buffer.fill(3.0);
            assert!(buffer.iter().all(|&x| x == 3.0));
        }
        assert_eq!(&*Buffer::from(&[1.0, 2.0][..]), &[1.0, 2.0]);
    }
}
