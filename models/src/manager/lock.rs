//! One lock for each model: of the processes that would change it one works and the others wait.

use super::error::ManagerError;
use super::progress::Progress;
use crate::regular;
use std::fs::{self, File, TryLockError};
use std::path::{Path, PathBuf};

/// Keeps other processes from changing the model called `name` in the cache at `root` until the file is dropped.
pub fn lock(root: &Path, name: &str, progress: &mut dyn Progress) -> Result<File, ManagerError> {
    let (path, file) = open_lock(root, name)?;
    match file.try_lock() {
        Ok(()) => return Ok(file),
        Err(TryLockError::WouldBlock) => {
            progress.note(&format!("waiting for another process that fetches {name}"));
        }
        Err(TryLockError::Error(source)) => {
            return Err(ManagerError::io("lock", &path)(source));
        }
    }
    file.lock().map_err(ManagerError::io("lock", &path))?;
    Ok(file)
}

/// As [`lock`]; `None` if another process holds it.
pub fn try_lock(root: &Path, name: &str) -> Option<File> {
    let (_, file) = open_lock(root, name).ok()?;
    file.try_lock().is_ok().then_some(file)
}

fn open_lock(root: &Path, name: &str) -> Result<(PathBuf, File), ManagerError> {
    let folder = root.join("models");
    fs::create_dir_all(&folder).map_err(ManagerError::io("create the cache directory", &folder))?;
    let path = folder.join(format!("{name}.lock"));
    let open = regular::open_with(&path, File::options().create(true).truncate(false).write(true));
    let file = open.map_err(ManagerError::io("open the lock file", &path))?;
    Ok((path, file))
}
