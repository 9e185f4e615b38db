//! The folder of one model in the cache: `ROOT/models/NAME/`.
//!
//! A file gets its name only by a rename after its hash was checked, so whatever has its name was whole once. Whether it
//! still is [`stamps`](super::stamps) say.

use super::digest;
use super::error::ManagerError;
use super::manifest::{FileEntry, ModelEntry};
use super::progress::Progress;
use super::stamps::{Stamp, Stamps};
use crate::regular;
use std::fs::{self, File};
use std::io::{self, Read, Write};
use std::path::{Path, PathBuf};

const CHUNK_BYTES: usize = 256 * 1024;

/// How closely to look at a file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Check {
    /// Hash it unless its stamp says that this was done and nothing changed since.
    Stamp,
    /// Hash it.
    Full,
}

/// One model's folder. It need not exist yet.
#[derive(Debug)]
pub struct ModelDir<'a> {
    entry: &'a ModelEntry,
    path: PathBuf,
}

impl<'a> ModelDir<'a> {
    /// The folder of `entry` in the cache at `root`.
    pub fn new(root: &Path, entry: &'a ModelEntry) -> Self {
        ModelDir { entry, path: root.join("models").join(&entry.name) }
    }

    /// The folder at `path`, which is to become that of `entry`.
    pub fn at(path: PathBuf, entry: &'a ModelEntry) -> Self {
        ModelDir { entry, path }
    }

    /// Where it is.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Makes the folder.
    pub fn create(&self) -> Result<(), ManagerError> {
        fs::create_dir_all(&self.path).map_err(ManagerError::io("create the cache directory", &self.path))
    }

    /// Looks at each file: the ones that are not right, and why.
    pub fn faults(&self, check: Check) -> Vec<(&'a FileEntry, ManagerError)> {
        let before = Stamps::read(&self.path);
        let mut stamps = before.clone();
        let mut faults = Vec::new();
        for file in &self.entry.files {
            if let Err(error) = self.look(file, check, &mut stamps) {
                stamps.remove(&file.name);
                faults.push((file, error));
            }
        }
        // An incomplete folder belongs to a fetch, which writes its stamps as it goes on under the lock.
        if stamps != before && faults.is_empty() {
            stamps.write(&self.path);
        }
        faults
    }

    /// Takes the content of `file` from `reader`, checks it, and gives it its place. Reads at most one byte more
    /// than the file should have.
    pub fn receive(
        &self,
        file: &FileEntry,
        reader: &mut dyn Read,
        progress: &mut dyn Progress,
    ) -> Result<(), ManagerError> {
        let part = self.part(file);
        let mut output = regular::create(&part).map_err(ManagerError::io("create", &part))?;
        copy(file, 0, reader, &mut output, progress).map_err(|failure| match failure {
            CopyFailure::Read(source) => ManagerError::io("receive", &part)(source),
            CopyFailure::Write(source) => ManagerError::io("write", &part)(source),
        })?;
        drop(output);
        self.install(file)
    }

    /// Where `file` grows until it is whole and checked.
    pub fn part(&self, file: &FileEntry) -> PathBuf {
        self.path.join(format!("{}.part", file.name))
    }

    /// Checks the grown part of `file` and moves it into place; a wrong one is deleted.
    pub fn install(&self, file: &FileEntry) -> Result<(), ManagerError> {
        let part = self.part(file);
        let path = self.path.join(&file.name);
        if let Err(error) = digest::check(&part, file) {
            fs::remove_file(&part).map_err(ManagerError::io("remove", &part))?;
            return Err(error);
        }
        // The rename must not reach the disk before the content does.
        regular::open(&part).and_then(|part| part.sync_all()).map_err(ManagerError::io("flush", &part))?;
        fs::rename(&part, &path).map_err(ManagerError::io("move into place", &path))?;
        let mut stamps = Stamps::read(&self.path);
        if let Ok(stamp) = stamp_of(&path, file) {
            stamps.insert(&file.name, stamp);
            stamps.write(&self.path);
        }
        Ok(())
    }

    fn look(&self, file: &FileEntry, check: Check, stamps: &mut Stamps) -> Result<(), ManagerError> {
        let path = self.path.join(&file.name);
        let stamp = match stamp_of(&path, file) {
            Ok(stamp) => stamp,
            Err(error) if matches!(error.kind(), io::ErrorKind::NotFound | io::ErrorKind::NotADirectory) => {
                let model = self.entry.name.clone();
                return Err(match self.entry.imported {
                    true => ManagerError::Lost { model, path },
                    false => ManagerError::Missing { model, path },
                });
            }
            Err(error) => return Err(ManagerError::io("inspect", &path)(error)),
        };
        if check == Check::Full || !stamps.holds(&file.name, &stamp) {
            digest::check(&path, file)?;
            stamps.insert(&file.name, stamp);
        }
        Ok(())
    }
}

/// Which side of a copy failed.
#[derive(Debug)]
pub enum CopyFailure {
    /// The source: an archive, a connection.
    Read(io::Error),
    /// The file in the cache.
    Write(io::Error),
}

/// Copies the rest of `file` from its byte `done` on, telling `progress`, and no more than one byte too many.
pub fn copy(
    file: &FileEntry,
    mut done: u64,
    reader: &mut dyn Read,
    output: &mut File,
    progress: &mut dyn Progress,
) -> Result<(), CopyFailure> {
    let mut reader = reader.take((file.bytes + 1).saturating_sub(done));
    let mut buffer = vec![0; CHUNK_BYTES];
    loop {
        match reader.read(&mut buffer) {
            Ok(0) => return Ok(()),
            Ok(count) => {
                output.write_all(&buffer[..count]).map_err(CopyFailure::Write)?;
                done += count as u64;
                progress.advance(&file.name, done.min(file.bytes), file.bytes);
            }
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(CopyFailure::Read(error)),
        }
    }
}

fn stamp_of(path: &Path, file: &FileEntry) -> io::Result<Stamp> {
    let metadata = fs::metadata(path)?;
    regular::check(metadata.file_type())?;
    Stamp::new(&metadata, &file.sha256)
}
