//! Packed model files: everything a network needs to run, laid out as the kernels read it.
//!
//! A file is read into memory of the process, in one go: a map of it would let whoever shortens the file end the process
//! (`docs/measurements.md` has what reading costs). What it looks like:
//!
//! | bytes | |
//! |---|---|
//! | 64 | header: magic, version, byte order, lengths of the two parts, SHA-256 of the fields |
//! | … | fields: what the file was made from, SHA-256 of the sections, then the network's numbers in order |
//! | … | sections: arrays of numbers, each aligned to 64 bytes, in order |
//!
//! A file is never misread:
//! - on opening, the header, the lengths and the hash of the fields are checked, and every section must lie
//!   inside the file and have the length that its shape needs;
//! - the sections, which hold the weights, are hashed when the file is written and by [`PackedFile::verify`],
//!   not on every opening: hashing would read all of them. The model manager's stamps say when it is due. A flipped
//!   bit there is a wrong weight, never a wrong access.
//!
//! The layouts of the kernels are the same on all instruction sets, so that one file serves all machines with
//! the same byte order. The version names the layout: it changes whenever a layout or the order of fields does.

mod error;
mod file;
mod read;
mod stored;
mod write;

pub use error::PackedError;
pub(crate) use file::write;
pub use file::{Origin, PackedFile};
pub(crate) use read::Reader;
pub use stored::Stored;
pub(crate) use write::Writer;

use std::sync::Arc;

/// What can be written into a packed file and read from it. Both sides run through the same fields in the
/// same order; [`packed_fields`] writes both from one list.
pub(crate) trait Packed: Sized {
    /// Appends the fields of `self`.
    fn save(&self, writer: &mut Writer);

    /// Takes as many fields as `save` appended.
    ///
    /// # Errors
    /// [`PackedError::Fields`] where they are not those of a `Self`.
    fn load(reader: &mut Reader<'_>) -> Result<Self, PackedError>;
}

/// `packed_fields!(Type { field, … })`: saves and loads a struct field by field.
macro_rules! packed_fields {
    ($type:ty { $($field:ident),+ $(,)? }) => {
        impl $crate::formats::packed::Packed for $type {
            fn save(&self, writer: &mut $crate::formats::packed::Writer) {
                $($crate::formats::packed::Packed::save(&self.$field, writer);)+
            }

            fn load(reader: &mut $crate::formats::packed::Reader<'_>) -> Result<Self, $crate::formats::packed::PackedError> {
                // The fields of a struct expression are evaluated in the order in which they are written.
                Ok(Self { $($field: $crate::formats::packed::Packed::load(reader)?),+ })
            }
        }
    };
}
pub(crate) use packed_fields;

macro_rules! packed_numbers {
    ($($number:ty as $stored:ty),+) => {
        $(impl Packed for $number {
            fn save(&self, writer: &mut Writer) {
                writer.field(&(*self as $stored).to_le_bytes());
            }

            fn load(reader: &mut Reader<'_>) -> Result<Self, PackedError> {
                Ok(<$stored>::from_le_bytes(reader.field()?) as $number)
            }
        })+
    };
}
packed_numbers!(u8 as u8, usize as u64, f32 as f32, f64 as f64);

impl Packed for bool {
    fn save(&self, writer: &mut Writer) {
        u8::from(*self).save(writer);
    }

    fn load(reader: &mut Reader<'_>) -> Result<Self, PackedError> {
        match u8::load(reader)? {
            0 => Ok(false),
            1 => Ok(true),
            _ => Err(PackedError::Fields("a choice is neither yes nor no")),
        }
    }
}

impl<T: Packed> Packed for Vec<T> {
    fn save(&self, writer: &mut Writer) {
        self.len().save(writer);
        self.iter().for_each(|item| item.save(writer));
    }

    fn load(reader: &mut Reader<'_>) -> Result<Self, PackedError> {
        // Not reserved in advance: a length from a file is not to be trusted with memory.
        let len = usize::load(reader)?;
        (0..len).map(|_| T::load(reader)).collect()
    }
}

impl<T: Packed> Packed for Option<T> {
    fn save(&self, writer: &mut Writer) {
        u8::from(self.is_some()).save(writer);
        if let Some(value) = self {
            value.save(writer);
        }
    }

    fn load(reader: &mut Reader<'_>) -> Result<Self, PackedError> {
        match u8::load(reader)? {
            0 => Ok(None),
            1 => T::load(reader).map(Some),
            _ => Err(PackedError::Fields("an option is neither there nor absent")),
        }
    }
}

impl<T: Packed + Copy + Default, const N: usize> Packed for [T; N] {
    fn save(&self, writer: &mut Writer) {
        self.iter().for_each(|item| item.save(writer));
    }

    fn load(reader: &mut Reader<'_>) -> Result<Self, PackedError> {
        let mut items = [T::default(); N];
        for item in &mut items {
            *item = T::load(reader)?;
        }
        Ok(items)
    }
}

impl<T: Packed> Packed for Arc<T> {
    fn save(&self, writer: &mut Writer) {
        (**self).save(writer);
    }

    fn load(reader: &mut Reader<'_>) -> Result<Self, PackedError> {
        T::load(reader).map(Arc::new)
    }
}

impl Packed for String {
    fn save(&self, writer: &mut Writer) {
        self.len().save(writer);
        writer.field(self.as_bytes());
    }

    fn load(reader: &mut Reader<'_>) -> Result<Self, PackedError> {
        let len = usize::load(reader)?;
        let bytes = reader.bytes(len)?.to_vec();
        String::from_utf8(bytes).map_err(|_| PackedError::Fields("a text is not UTF-8"))
    }
}
