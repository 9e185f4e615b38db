//! The packed files of a model: used only if their weights are those that were written, and packed anew otherwise.

use super::{PrepareError, Prepared};
use crate::formats::packed::{Origin, PackedError, PackedFile};
use crate::layers::linear::Precision;
use crate::manager::ModelFiles;
use crate::manager::digest;
use crate::manager::stamps::{Stamp, Stamps};
use crate::temporary;
use std::io;
use std::path::PathBuf;

/// Where the packed file of a model is, and what it must have been made from.
pub fn packed_file(files: &ModelFiles, precision: Precision) -> (PathBuf, Origin) {
    let origin = Origin {
        model: files.model().to_owned(),
        precision: precision.name().to_owned(),
        sources: files.digest(),
    };
    (files.dir().join(file_name(precision)), origin)
}

fn file_name(precision: Precision) -> String {
    format!("{precision}.packed")
}

/// The network of `files` in `precision`, read from its packed file. Where there is none, or one of another
/// version, origin or content, the model is packed first, and `note` hears of it. Where the file cannot be written
/// `note` hears of it too, and the network is used from memory.
///
/// The weights are hashed if the packed file's length or one of its times changed since they were last hashed.
///
/// # Errors
/// [`PrepareError`].
pub fn prepare<T: Prepared>(
    files: &ModelFiles,
    precision: Precision,
    note: &mut dyn FnMut(&str),
) -> Result<T, PrepareError> {
    temporary::remove_abandoned(files.dir());
    let (file, origin) = packed_file(files, precision);
    let open = || open(files, precision, Check::Stamp).and_then(|file| T::open(&file, &origin));
    match open() {
        Ok(ready) => return Ok(ready),
        Err(error) if is_absent(&error) => {
            note(&format!("packing {} in {precision}, once, into {}", origin.model, file.display()));
        }
        Err(error) => note(&format!("{error}; packing it anew from the model's files")),
    }
    let made = T::import(files, precision)?;
    if let Err(error) = made.write(&file, &origin) {
        note(&format!("{error}; running without it, which takes longer to start and more memory"));
        return Ok(made);
    }
    drop(made);
    Ok(open()?)
}

/// Packs a model anew and says where: `files` are imported, packed in `precision` and written.
///
/// # Errors
/// [`PrepareError`].
pub fn pack<T: Prepared>(files: &ModelFiles, precision: Precision) -> Result<PathBuf, PrepareError> {
    temporary::remove_abandoned(files.dir());
    let (file, origin) = packed_file(files, precision);
    T::import(files, precision)?.write(&file, &origin)?;
    open(files, precision, Check::Full)?;
    Ok(file)
}

/// How closely to look at the weights.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Check {
    /// Hash them unless the file's stamp says that this was done and nothing changed since.
    Stamp,
    /// Hash them.
    Full,
}

/// Opens the packed file of `files` in `precision`, if its weights are those that were written.
pub(crate) fn open(
    files: &ModelFiles,
    precision: Precision,
    check: Check,
) -> Result<PackedFile, PackedError> {
    let (path, _) = packed_file(files, precision);
    let (folder, name) = (files.dir(), file_name(precision));
    let file = PackedFile::open(&path)?;
    let stamp = Stamp::new(&file.metadata()?, &digest::hex(file.hash()));
    let stamp = stamp.map_err(|source| PackedError::Io { doing: "look at", file: path, source })?;
    if check == Check::Full || !Stamps::read(folder).holds(&name, &stamp) {
        file.verify()?;
        let mut stamps = Stamps::read(folder);
        stamps.insert(&name, stamp);
        stamps.write(folder);
    }
    Ok(file)
}

/// Whether it says that there is no packed file.
pub(crate) fn is_absent(error: &PackedError) -> bool {
    matches!(error, PackedError::Io { source, .. } if source.kind() == io::ErrorKind::NotFound)
}
