//! Arrays of numbers that the kernels read, on the heap or in a packed file.

use super::{Packed, PackedError, Reader, Writer};
use crate::buffer::{Buffer, Plain};
use memmap2::Mmap;
use std::ops::Deref;
use std::sync::Arc;

/// Numbers that do not change, aligned to 64 bytes: made at load, or a section of a packed file, which stays
/// in memory as long as one of them lives.
#[derive(Debug)]
pub struct Stored<T>(Place<T>);

#[derive(Debug)]
enum Place<T> {
    Heap(Buffer<T>),
    /// `len` numbers from byte `start` on.
    Mapped {
        map: Arc<Mmap>,
        start: usize,
        len: usize,
    },
}

impl<T: Plain> Stored<T> {
    /// `len` numbers of `map` from byte `start` on; nothing if they are not all inside it or not aligned to 64
    /// bytes.
    fn mapped(map: &Arc<Mmap>, start: usize, len: usize) -> Option<Self> {
        let bytes = len.checked_mul(size_of::<T>())?;
        let is_inside = start.checked_add(bytes)? <= map.len();
        // A map begins on a page, and no number needs more than a line.
        (is_inside && start.is_multiple_of(64))
            .then(|| Stored(Place::Mapped { map: Arc::clone(map), start, len }))
    }
}

impl<T: Plain> From<Buffer<T>> for Stored<T> {
    fn from(buffer: Buffer<T>) -> Self {
        Stored(Place::Heap(buffer))
    }
}

impl<T: Plain> From<&[T]> for Stored<T> {
    fn from(values: &[T]) -> Self {
        Buffer::from(values).into()
    }
}

impl<T: Plain> Deref for Stored<T> {
    type Target = [T];

    #[inline]
    fn deref(&self) -> &[T] {
        match &self.0 {
            Place::Heap(buffer) => buffer,
            Place::Mapped { map, start, len } => {
                // SAFETY: `mapped` checked that the bytes lie inside the map, aligned for `T`; every bit pattern
                // is a valid `T`; the map lives as long as `self`, and nobody else has the memory
                // (`file::read`).
                unsafe { std::slice::from_raw_parts(map.as_ptr().add(*start).cast(), *len) }
            }
        }
    }
}

impl<T: Plain> Packed for Stored<T> {
    fn save(&self, writer: &mut Writer) {
        self.len().save(writer);
        writer.section(self).save(writer);
    }

    fn load(reader: &mut Reader<'_>) -> Result<Self, PackedError> {
        let (len, start) = (usize::load(reader)?, usize::load(reader)?);
        let place = reader.section(start).and_then(|start| Stored::mapped(reader.map, start, len));
        place.ok_or(PackedError::Fields("a section lies outside the file"))
    }
}
