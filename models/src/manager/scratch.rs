//! Folders that are needed only for a while.

use super::error::ManagerError;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};

/// An empty folder, removed after use. Safe under the model's lock.
#[derive(Debug)]
pub struct Scratch {
    path: PathBuf,
}

impl Scratch {
    /// An empty folder at `path`; what was there is removed.
    pub fn new(path: &Path) -> Result<Self, ManagerError> {
        // Absolute, because a package client runs inside it.
        let path = std::path::absolute(path).map_err(ManagerError::io("name", path))?;
        remove(&path).map_err(ManagerError::io("empty", &path))?;
        fs::create_dir(&path).map_err(ManagerError::io("create", &path))?;
        Ok(Scratch { path })
    }

    /// Where it is.
    pub fn path(&self) -> &Path {
        &self.path
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        if let Err(error) = remove(&self.path) {
            tracing::warn!(path = %self.path.display(), %error, "cannot remove a scratch folder");
        }
    }
}

/// Removes the folder at `path` with all that is in it, if there is one.
pub fn remove(path: &Path) -> io::Result<()> {
    match fs::remove_dir_all(path) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
        _ => Ok(()),
    }
}
