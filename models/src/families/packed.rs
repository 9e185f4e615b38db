//! The packed files of a model, whatever its family.

use super::load::ModelFamily;
use super::table::{FAMILIES, find};
use crate::families::prepare::{Check, PrepareError, is_absent, open, packed_file};
use crate::formats::packed::PackedError;
use crate::layers::linear::Precision;
use crate::manager::ModelFiles;
use std::path::PathBuf;

/// The family of a model that is packed.
fn family(files: &ModelFiles) -> Option<&'static dyn ModelFamily> {
    find(FAMILIES, files.architecture()).filter(|family| family.is_packed())
}

/// Packs a model anew and says where: `files` are imported, packed in `precision` and written.
///
/// # Errors
/// [`PrepareError`].
pub fn pack(files: &ModelFiles, precision: Precision) -> Result<PathBuf, PrepareError> {
    let not_packable = || PrepareError::NotPackable { model: files.model().to_owned() };
    family(files).ok_or_else(not_packable)?.pack(files, precision)
}

/// Hashes the packed files of a model that there are, and names them.
///
/// # Errors
/// [`PackedError`] for the first that is damaged or was made from other files.
pub fn verify(files: &ModelFiles) -> Result<Vec<PathBuf>, PrepareError> {
    let mut verified = Vec::new();
    for precision in precisions(files) {
        match check(files, precision, Check::Full) {
            Ok(()) => verified.push(packed_file(files, precision).0),
            Err(error) if is_absent(&error) => {}
            Err(error) => return Err(error.into()),
        }
    }
    Ok(verified)
}

/// The packed files of a model that cannot be used, and why. Hashes those that changed since they were last hashed.
pub fn damaged(files: &ModelFiles) -> Vec<(Precision, PackedError)> {
    let fault = |precision| Some((precision, check(files, precision, Check::Stamp).err()?));
    let faults = precisions(files).filter_map(fault);
    faults.filter(|(_, error)| !is_absent(error)).collect()
}

/// Packs those packed files of a model anew that cannot be used, and says so to `note`.
///
/// # Errors
/// [`PrepareError`].
pub fn mend(files: &ModelFiles, note: &mut dyn FnMut(&str)) -> Result<(), PrepareError> {
    for (precision, error) in damaged(files) {
        note(&format!("{error}; packing it anew from the model's files"));
        pack(files, precision)?;
    }
    Ok(())
}

/// The precisions that a model is packed in.
fn precisions(files: &ModelFiles) -> impl Iterator<Item = Precision> + use<> {
    let is_packable = family(files).is_some();
    Precision::ALL.into_iter().filter(move |_| is_packable)
}

/// Whether the packed file of `files` in `precision` can be used.
fn check(files: &ModelFiles, precision: Precision, check: Check) -> Result<(), PackedError> {
    let (_, origin) = packed_file(files, precision);
    let file = open(files, precision, check)?;
    match family(files) {
        Some(family) => family.check_packed(&file, &origin),
        None => Err(PackedError::Fields("models of this family are not packed")),
    }
}
