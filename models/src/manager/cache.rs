//! The folder of one model in the cache: `ROOT/models/NAME/`.
//!
//! A file gets its name only by a rename after its hash was checked, so whatever has its name was whole once.
//! Hashing 109 MB takes too long for every start: `verified.json` keeps the length and modification time that
//! a file had when it was last hashed, and a file that still has both is taken for the same. Where they
//! differ it is hashed again.

use super::digest;
use super::error::{Content, ManagerError};
use super::manifest::{FileEntry, ModelEntry};
use super::progress::Progress;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::fs::{self, File, OpenOptions, TryLockError};
use std::io::{self, Read, Write};
use std::path::{Path, PathBuf};
use std::time::UNIX_EPOCH;

const STAMPS_FILE: &str = "verified.json";
const CHUNK_BYTES: usize = 256 * 1024;

/// How closely to look at a file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Check {
    /// Hash it unless its stamp says that this was done and nothing changed since.
    Stamp,
    /// Hash it.
    Full,
}

/// What a file looked like when its hash was found right.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
struct Stamp {
    bytes: u64,
    modified_ns: u64,
    sha256: String,
}

type Stamps = BTreeMap<String, Stamp>;

/// One model's folder. It need not exist yet.
#[derive(Debug)]
pub struct ModelDir<'a> {
    entry: &'a ModelEntry,
    root: &'a Path,
    path: PathBuf,
}

impl<'a> ModelDir<'a> {
    /// The folder of `entry` in the cache at `root`.
    pub fn new(root: &'a Path, entry: &'a ModelEntry) -> Self {
        ModelDir { entry, root, path: root.join("models").join(&entry.name) }
    }

    /// Where it is.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Makes the folder and keeps other processes from fetching the same model until the guard is dropped.
    pub fn lock(&self, progress: &mut dyn Progress) -> Result<File, ManagerError> {
        fs::create_dir_all(&self.path).map_err(ManagerError::io("create the cache directory", &self.path))?;
        let path = self.root.join("models").join(format!("{}.lock", self.entry.name));
        let open = OpenOptions::new().create(true).truncate(false).write(true).open(&path);
        let file = open.map_err(ManagerError::io("open the lock file", &path))?;
        match file.try_lock() {
            Ok(()) => return Ok(file),
            Err(TryLockError::WouldBlock) => {
                progress.note(&format!("waiting for another process that fetches {}", self.entry.name));
            }
            Err(TryLockError::Error(source)) => {
                return Err(ManagerError::io("lock", &path)(source));
            }
        }
        file.lock().map_err(ManagerError::io("lock", &path))?;
        Ok(file)
    }

    /// Looks at each file: the ones that are not right, and why.
    pub fn faults(&self, check: Check) -> Vec<(&'a FileEntry, ManagerError)> {
        let before = self.read_stamps();
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
            self.write_stamps(&stamps);
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
        let mut output = File::create(&part).map_err(ManagerError::io("create", &part))?;
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
        File::open(&part).and_then(|part| part.sync_all()).map_err(ManagerError::io("flush", &part))?;
        fs::rename(&part, &path).map_err(ManagerError::io("move into place", &path))?;
        let mut stamps = self.read_stamps();
        if let Ok(stamp) = stamp_of(&path, file) {
            stamps.insert(file.name.clone(), stamp);
            self.write_stamps(&stamps);
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
            Err(error) => return Err(ManagerError::io("look at", &path)(error)),
        };
        if stamp.bytes != file.bytes {
            return Err(digest::corrupt(&path, file, Content { bytes: stamp.bytes, sha256: None }));
        }
        if check == Check::Full || stamps.get(&file.name) != Some(&stamp) {
            digest::check(&path, file)?;
            stamps.insert(file.name.clone(), stamp);
        }
        Ok(())
    }

    fn read_stamps(&self) -> Stamps {
        // Stamps only save time: with none, or unreadable ones, every file is hashed.
        fs::read(self.path.join(STAMPS_FILE))
            .ok()
            .and_then(|bytes| serde_json::from_slice(&bytes).ok())
            .unwrap_or_default()
    }

    fn write_stamps(&self, stamps: &Stamps) {
        // Two processes may do this at once, so each writes a file of its own and renames it.
        let unique = format!("{STAMPS_FILE}.{}-{:?}", std::process::id(), std::thread::current().id());
        let temporary = self.path.join(unique);
        let written = serde_json::to_vec_pretty(stamps)
            .map_err(io::Error::from)
            .and_then(|bytes| fs::write(&temporary, bytes))
            .and_then(|()| fs::rename(&temporary, self.path.join(STAMPS_FILE)));
        if let Err(error) = written {
            // A cache that others filled may be read-only; then each start hashes.
            tracing::debug!(path = %self.path.display(), %error, "cannot keep that these files were verified");
        }
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
    let since_epoch = metadata.modified()?.duration_since(UNIX_EPOCH).map_err(io::Error::other)?;
    let modified_ns = u64::try_from(since_epoch.as_nanos()).map_err(io::Error::other)?;
    Ok(Stamp { bytes: metadata.len(), modified_ns, sha256: file.sha256.clone() })
}
