//! Files that are written under another name and renamed when they are whole, and what killed processes leave of them.
//!
//! A process holds the lock of its temporary file for as long as it writes it; the system gives the lock back when the
//! process ends, however it ends. So a temporary file whose lock is free belongs to nobody any more.

#[cfg(feature = "fetch")]
use crate::regular;
use std::ffi::OsString;
use std::fs::{self, File};
use std::io;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicUsize, Ordering};

const ENDING: &str = ".tmp";

/// A file on its way to its name; removed again unless it gets there.
#[derive(Debug)]
pub(crate) struct Temporary {
    file: File,
    path: PathBuf,
    target: PathBuf,
    is_whole: bool,
}

impl Temporary {
    /// An empty file beside `target`.
    ///
    /// # Errors
    /// Where it cannot be made.
    pub(crate) fn new(target: &Path) -> io::Result<Self> {
        static NUMBER: AtomicUsize = AtomicUsize::new(0);
        loop {
            let number = NUMBER.fetch_add(1, Ordering::Relaxed);
            let mut path = OsString::from(target);
            path.push(format!(".{}-{number}{ENDING}", std::process::id()));
            let path = PathBuf::from(path);
            let file = match File::options().write(true).create_new(true).open(&path) {
                // Of a killed process that had the same number.
                Err(error) if error.kind() == io::ErrorKind::AlreadyExists => continue,
                opened => opened?,
            };
            // A file system without locks has no leftovers removed, that is all.
            let is_locked = file.lock().is_ok();
            // Between the two somebody may have taken it for abandoned and removed it.
            if !is_locked || path.exists() {
                return Ok(Temporary { file, path, target: target.to_path_buf(), is_whole: false });
            }
        }
    }

    /// The file, for writing.
    pub(crate) fn file(&mut self) -> &mut File {
        &mut self.file
    }

    /// Gives the file its name, in place of one that has it. The content should have been flushed to the disk.
    ///
    /// # Errors
    /// Where the file system refuses; then the temporary file is removed.
    pub(crate) fn rename(mut self) -> io::Result<()> {
        fs::rename(&self.path, &self.target)?;
        self.is_whole = true;
        Ok(())
    }
}

impl Drop for Temporary {
    fn drop(&mut self) {
        if !self.is_whole {
            // If it cannot be removed it is found as a leftover later.
            let _ = fs::remove_file(&self.path);
        }
    }
}

/// Removes the temporary files in `folder` that no process is writing any more.
#[cfg(feature = "fetch")]
pub(crate) fn remove_abandoned(folder: &Path) {
    for entry in fs::read_dir(folder).into_iter().flatten().flatten() {
        let path = entry.path();
        if !is_temporary(&entry.file_name().to_string_lossy()) {
            continue;
        }
        let Ok(file) = regular::open(&path) else { continue };
        if file.try_lock().is_ok() {
            match fs::remove_file(&path) {
                Ok(()) => tracing::info!(path = %path.display(), "removed what a killed process left"),
                Err(error) => tracing::warn!(path = %path.display(), %error, "cannot remove a leftover"),
            }
        }
    }
}

/// Whether a file has a name as [`Temporary::new`] gives, or as it was given before: with the number of a thread.
#[cfg(feature = "fetch")]
fn is_temporary(name: &str) -> bool {
    let numbers = name.strip_suffix(ENDING).and_then(|name| name.rsplit_once('.'));
    let is_number = |text: &str| !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    let is_ours = numbers
        .and_then(|(_, numbers)| numbers.split_once('-'))
        .is_some_and(|(process, number)| is_number(process) && is_number(number));
    is_ours || name.contains("-ThreadId(")
}

#[cfg(all(test, feature = "fetch"))]
mod tests {
    use super::*;
    use std::io::Write;

    #[test]
    fn only_files_without_an_owner_are_removed() {
        let folder = tempfile::tempdir().unwrap();
        let path = |name: &str| folder.path().join(name);
        for leftover in ["a.packed.12-0.tmp", "verified.json.7-ThreadId(1)", "a.packed.7-ThreadId(2).part"] {
            fs::write(path(leftover), "left").unwrap();
        }
        for kept in ["a.packed", "weights.bin.part", "notes.tmp", "v1.2-x.tmp"] {
            fs::write(path(kept), "kept").unwrap();
        }
        let mut own = Temporary::new(&path("b.packed")).unwrap();
        own.file().write_all(b"whole").unwrap();
        remove_abandoned(folder.path());
        own.rename().unwrap();
        drop(Temporary::new(&path("c.packed")).unwrap());
        let entries = fs::read_dir(folder.path()).unwrap();
        let mut names: Vec<_> = entries.map(|entry| entry.unwrap().file_name()).collect();
        names.sort();
        assert_eq!(names, ["a.packed", "b.packed", "notes.tmp", "v1.2-x.tmp", "weights.bin.part"]);
        assert_eq!(fs::read(path("b.packed")).unwrap(), b"whole");
    }
}
