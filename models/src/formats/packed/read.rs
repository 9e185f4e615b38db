//! Taking the fields of a packed file one by one.

use super::PackedError;
use memmap2::Mmap;
use std::sync::Arc;

/// The fields of a file that were not taken yet.
#[derive(Debug)]
pub(crate) struct Reader<'a> {
    pub(super) map: &'a Arc<Mmap>,
    pub(super) fields: &'a [u8],
    /// Where the sections begin, in bytes from the start of the file.
    pub(super) sections: usize,
}

impl<'a> Reader<'a> {
    /// The next `len` bytes.
    ///
    /// # Errors
    /// If there are fewer.
    pub(crate) fn bytes(&mut self, len: usize) -> Result<&'a [u8], PackedError> {
        let (bytes, rest) =
            self.fields.split_at_checked(len).ok_or(PackedError::Fields("the fields end too early"))?;
        self.fields = rest;
        Ok(bytes)
    }

    /// The next `N` bytes.
    ///
    /// # Errors
    /// If there are fewer.
    pub(crate) fn field<const N: usize>(&mut self) -> Result<[u8; N], PackedError> {
        let mut field = [0; N];
        field.copy_from_slice(self.bytes(N)?);
        Ok(field)
    }

    /// Where the section that begins `start` bytes behind the first lies in the file.
    pub(super) fn section(&self, start: usize) -> Option<usize> {
        self.sections.checked_add(start)
    }
}
