//! A packed file as a whole: written, opened, verified.

use super::write::ALIGNMENT;
use super::{Packed, PackedError, Reader, Writer};
use crate::regular;
use crate::residency::Pages;
use crate::temporary::Temporary;
use memmap2::{Mmap, MmapMut};
use sha2::{Digest, Sha256};
use std::fs::{self, File};
use std::io::{self, Read, Write};
use std::path::{Path, PathBuf};
use std::sync::Arc;

const MAGIC: [u8; 8] = *b"VOXLANE\0";
/// Changes whenever the layout of a kernel's weights, the order of fields or the way weights are rounded does.
const VERSION: u32 = 5;
/// Reads differently on a machine of the other byte order.
const BYTE_ORDER: u32 = 0x0102_0304;
const HEADER_BYTES: usize = 64;
/// Where sections begin: on a page, so that huge pages can hold them.
const SECTIONS_ALIGNMENT: usize = 4096;

type Hash = [u8; 32];

/// What a file was made from. A file of another origin is not used.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Origin {
    /// The model's name.
    pub model: String,
    /// The precision it was packed in.
    pub precision: String,
    /// Identifies the contents of the files it was made from, such as their SHA-256.
    pub sources: String,
}

super::packed_fields!(Origin { model, precision, sources });

impl std::fmt::Display for Origin {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Origin { model, precision, sources } = self;
        write!(f, "{model} in {precision} (files {})", sources.get(..12).unwrap_or(sources))
    }
}

/// Writes what `save` gives to `file`: under another name first, and renamed when it is whole, so that no process ever
/// maps a file that changes.
///
/// Takes twice the memory of the content.
///
/// # Errors
/// [`PackedError::Io`].
pub(crate) fn write(file: &Path, origin: &Origin, save: impl FnOnce(&mut Writer)) -> Result<(), PackedError> {
    let mut writer = Writer::default();
    save(&mut writer);
    let mut fields = Writer::default();
    origin.save(&mut fields);
    fields.field(&Sha256::digest(&writer.sections));
    fields.field(&writer.fields);
    let fields = fields.fields;

    let mut header = Vec::with_capacity(HEADER_BYTES);
    header.extend(MAGIC);
    header.extend(VERSION.to_le_bytes());
    header.extend(BYTE_ORDER.to_ne_bytes());
    header.extend((fields.len() as u64).to_le_bytes());
    header.extend((writer.sections.len() as u64).to_le_bytes());
    header.extend(Sha256::digest(&fields));

    let failed = |doing| move |source| PackedError::Io { doing, file: file.to_path_buf(), source };
    if let Some(folder) = file.parent() {
        fs::create_dir_all(folder).map_err(failed("make a folder for"))?;
    }
    // Any number of processes and threads may pack at once: the last one's file stays, and all are alike.
    let written = Temporary::new(file).and_then(|mut temporary| {
        let output = temporary.file();
        output.write_all(&header)?;
        output.write_all(&fields)?;
        let gap = sections_start(fields.len()).unwrap_or_default() - HEADER_BYTES - fields.len();
        output.write_all(&vec![0; gap])?;
        output.write_all(&writer.sections)?;
        output.sync_all()?;
        temporary.rename()
    });
    written.map_err(failed("write"))
}

/// The bytes of `file` in anonymous memory, of huge pages where the system gives them: the weights are read once a token,
/// and small pages cost the processor address translations.
fn read(mut file: &File) -> io::Result<Mmap> {
    let len = usize::try_from(file.metadata()?.len()).map_err(|_| io::ErrorKind::OutOfMemory)?;
    let mut memory = MmapMut::map_anon(len.max(1))?;
    // Only advice: without it the pages are small.
    #[cfg(target_os = "linux")]
    let _ = memory.advise(memmap2::Advice::HugePage);
    file.read_exact(&mut memory[..len])?;
    Pages::of(&memory[..]).keep();
    memory.make_read_only()
}

fn sections_start(fields: usize) -> Option<usize> {
    HEADER_BYTES.checked_add(fields)?.checked_next_multiple_of(SECTIONS_ALIGNMENT)
}

/// An opened file whose header, lengths and fields were checked.
#[derive(Debug)]
pub struct PackedFile {
    path: PathBuf,
    file: File,
    map: Arc<Mmap>,
    origin: Origin,
    hash: Hash,
    /// Where the content's fields begin and end.
    content: std::ops::Range<usize>,
    sections: usize,
}

impl PackedFile {
    /// Reads `file` into memory of its own: whatever becomes of the file, the weights stay what they are. Checks the
    /// header and the fields.
    ///
    /// # Errors
    /// [`PackedError`], for a file that cannot be read, is damaged or has another layout.
    pub fn open(file: &Path) -> Result<Self, PackedError> {
        let failed = |source| PackedError::Io { doing: "open", file: file.to_path_buf(), source };
        let opened = regular::open(file).map_err(failed)?;
        let map = Arc::new(read(&opened).map_err(failed)?);
        let damaged = |what| PackedError::Damaged { file: file.to_path_buf(), what };
        let header: &[u8; HEADER_BYTES] =
            map.first_chunk().ok_or_else(|| damaged("shorter than its header"))?;
        if header[..8] != MAGIC {
            return Err(damaged("it does not begin like one"));
        }
        if header[8..12] != VERSION.to_le_bytes() || header[12..16] != BYTE_ORDER.to_ne_bytes() {
            return Err(PackedError::Layout { file: file.to_path_buf() });
        }
        let number = |at: usize| -> Option<usize> {
            usize::try_from(u64::from_le_bytes(header[at..at + 8].try_into().ok()?)).ok()
        };
        let (fields, sections) = (number(16), number(24));
        let start = fields.and_then(sections_start);
        let end = start.zip(sections).and_then(|(start, sections)| start.checked_add(sections));
        let (Some(fields), Some(start), Some(end)) = (fields, start, end) else {
            return Err(damaged("it states absurd lengths"));
        };
        if end != map.len() {
            return Err(damaged("it is not as long as it states"));
        }
        let fields = &map[HEADER_BYTES..HEADER_BYTES + fields];
        if Sha256::digest(fields)[..] != header[32..] {
            return Err(damaged("the hash of its fields is another"));
        }
        let mut reader = Reader { map: &map, fields, sections: start };
        let origin = Origin::load(&mut reader)?;
        let hash = reader.field()?;
        let content_end = HEADER_BYTES + fields.len();
        let content = content_end - reader.fields.len()..content_end;
        debug_assert!(start.is_multiple_of(ALIGNMENT));
        let path = file.to_path_buf();
        Ok(PackedFile { path, file: opened, origin, hash, content, sections: start, map })
    }

    /// What it was made from.
    pub fn origin(&self) -> &Origin {
        &self.origin
    }

    /// Bytes of the file.
    pub fn bytes(&self) -> usize {
        self.map.len()
    }

    /// The SHA-256 that the weights had when they were written.
    #[cfg(all(feature = "fetch", feature = "tokenizer-json"))]
    pub(crate) fn hash(&self) -> &[u8] {
        &self.hash
    }

    /// What the system says of the file.
    ///
    /// # Errors
    /// [`PackedError::Io`].
    #[cfg(all(feature = "fetch", feature = "tokenizer-json"))]
    pub(crate) fn metadata(&self) -> Result<fs::Metadata, PackedError> {
        let failed = |source| PackedError::Io { doing: "read", file: self.path.clone(), source };
        self.file.metadata().map_err(failed)
    }

    /// Hashes the weights as they were read, which opening does not.
    ///
    /// # Errors
    /// [`PackedError::Damaged`] if they are not those that were written.
    pub fn verify(&self) -> Result<(), PackedError> {
        if Sha256::digest(&self.map[self.sections..])[..] == self.hash {
            return Ok(());
        }
        Err(PackedError::Damaged { file: self.path.clone(), what: "the hash of its weights is another" })
    }

    /// What `load` takes from the fields, which must be all of them. `wanted` must be the file's origin.
    ///
    /// # Errors
    /// [`PackedError::Origin`], or [`PackedError::Fields`] if the file holds something else.
    pub(crate) fn content<T>(
        &self,
        wanted: &Origin,
        load: impl FnOnce(&mut Reader<'_>) -> Result<T, PackedError>,
    ) -> Result<T, PackedError> {
        if self.origin != *wanted {
            let (found, wanted) = (self.origin.to_string(), wanted.to_string());
            return Err(PackedError::Origin { file: self.path.clone(), found, wanted });
        }
        let mut reader =
            Reader { map: &self.map, fields: &self.map[self.content.clone()], sections: self.sections };
        let content = load(&mut reader)?;
        if reader.fields.is_empty() { Ok(content) } else { Err(PackedError::Fields("there are too many")) }
    }
}
