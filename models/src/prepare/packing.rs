//! The packed files of a model: used only if their weights are those that were written, and packed anew otherwise.

use super::{PrepareError, Prepared};
use crate::checkpoint::SentencePiece;
use crate::decode::{AttentionGreedy, DecodeStrategy, TransducerGreedy};
use crate::emformer::Emformer;
use crate::linear::Precision;
use crate::manager::digest;
use crate::manager::stamps::{Stamp, Stamps};
use crate::manager::{Architecture, ModelFiles};
use crate::moonshine::Moonshine;
use crate::packed::{Origin, PackedError, PackedFile};
use crate::temporary;
use crate::tokenizer::Tokenizer;
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

/// The network of `files` in `precision`, mapped from its packed file. Where there is none, or one of another
/// version, origin or content, the model is packed first, and `note` is told. Where the file cannot be written
/// `note` is told too, and the network is used from memory.
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

/// [`prepare`] for a Moonshine decoded by `S`.
///
/// # Errors
/// [`PrepareError`].
pub fn moonshine<S: DecodeStrategy>(
    files: &ModelFiles,
    precision: Precision,
    note: &mut dyn FnMut(&str),
) -> Result<(Moonshine<S>, Tokenizer), PrepareError> {
    prepare(files, precision, note)
}

/// Packs a model anew and says where: `files` are imported, packed in `precision` and written.
///
/// # Errors
/// [`PrepareError`].
pub fn pack(files: &ModelFiles, precision: Precision) -> Result<PathBuf, PrepareError> {
    temporary::remove_abandoned(files.dir());
    match files.architecture() {
        Architecture::Moonshine => pack_as::<(Moonshine<AttentionGreedy>, Tokenizer)>(files, precision),
        Architecture::EmformerRnnt => {
            pack_as::<(Emformer<TransducerGreedy>, SentencePiece)>(files, precision)
        }
        Architecture::SileroVad => Err(PrepareError::NotPackable { model: files.model().to_owned() }),
    }
}

fn pack_as<T: Prepared>(files: &ModelFiles, precision: Precision) -> Result<PathBuf, PrepareError> {
    let (file, origin) = packed_file(files, precision);
    T::import(files, precision)?.write(&file, &origin)?;
    open(files, precision, Check::Full)?;
    Ok(file)
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

/// Packs those packed files of a model anew that cannot be used, and tells `note`.
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

/// How closely to look at the weights.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Check {
    /// Hash them unless the file's stamp says that this was done and nothing changed since.
    Stamp,
    /// Hash them.
    Full,
}

/// Opens the packed file of `files` in `precision`, if its weights are those that were written.
fn open(files: &ModelFiles, precision: Precision, check: Check) -> Result<PackedFile, PackedError> {
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

/// The precisions that a model is packed in.
fn precisions(files: &ModelFiles) -> impl Iterator<Item = Precision> + use<> {
    let is_packable = files.architecture().is_recognizer();
    Precision::ALL.into_iter().filter(move |_| is_packable)
}

/// Whether the packed file of `files` in `precision` can be used.
fn check(files: &ModelFiles, precision: Precision, check: Check) -> Result<(), PackedError> {
    let (_, origin) = packed_file(files, precision);
    let file = open(files, precision, check)?;
    match files.architecture() {
        Architecture::Moonshine => <(Moonshine<AttentionGreedy>, Tokenizer)>::open(&file, &origin).map(drop),
        Architecture::EmformerRnnt => {
            <(Emformer<TransducerGreedy>, SentencePiece)>::open(&file, &origin).map(drop)
        }
        Architecture::SileroVad => Err(PackedError::Fields("a detector is not packed")),
    }
}

fn is_absent(error: &PackedError) -> bool {
    matches!(error, PackedError::Io { source, .. } if source.kind() == io::ErrorKind::NotFound)
}
