//! Collecting the parts of a packed file.

use crate::buffer::Plain;

/// The alignment of sections, in bytes: a cache line.
pub(super) const ALIGNMENT: usize = 64;

/// The two parts of a file that is being made.
#[derive(Debug, Default)]
pub(crate) struct Writer {
    pub(super) fields: Vec<u8>,
    pub(super) sections: Vec<u8>,
}

impl Writer {
    /// Appends to the fields.
    pub(crate) fn field(&mut self, bytes: &[u8]) {
        self.fields.extend_from_slice(bytes);
    }

    /// Appends a section and gives its place.
    pub(crate) fn section<T: Plain>(&mut self, numbers: &[T]) -> usize {
        let start = self.sections.len();
        // SAFETY: a plain type has no padding, so that all its bytes are initialized; the length in bytes is
        // that of the slice.
        let bytes =
            unsafe { std::slice::from_raw_parts(numbers.as_ptr().cast::<u8>(), size_of_val(numbers)) };
        self.sections.extend_from_slice(bytes);
        self.sections.resize(self.sections.len().next_multiple_of(ALIGNMENT), 0);
        start
    }
}
