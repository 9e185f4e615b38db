//! Whether a file is the one that the manifest names.

use super::error::{Content, ManagerError};
use super::manifest::FileEntry;
use crate::regular;
use sha2::{Digest, Sha256};
use std::io::{self, Read};
use std::path::Path;

/// Bytes read at a time; large enough that the hash, not the calls, takes the time.
const CHUNK_BYTES: usize = 256 * 1024;

/// Checks length and SHA-256 of the file at `path`.
///
/// # Errors
/// [`ManagerError::Corrupt`] with what was expected and found, [`ManagerError::Io`] if it cannot be read.
pub fn check(path: &Path, expected: &FileEntry) -> Result<(), ManagerError> {
    let file = regular::open(path).map_err(ManagerError::io("open", path))?;
    let bytes = file.metadata().map_err(ManagerError::io("read", path))?.len();
    if bytes != expected.bytes {
        return Err(corrupt(path, expected, Content { bytes, sha256: None }));
    }
    let found = content_of(file).map_err(ManagerError::io("read", path))?;
    if found.bytes == expected.bytes && found.sha256.as_deref() == Some(expected.sha256.as_str()) {
        Ok(())
    } else {
        Err(corrupt(path, expected, found))
    }
}

/// A [`ManagerError::Corrupt`] for `path`.
pub fn corrupt(path: &Path, expected: &FileEntry, found: Content) -> ManagerError {
    let sha256 = Some(expected.sha256.clone());
    ManagerError::Corrupt {
        path: path.to_path_buf(),
        expected: Content { bytes: expected.bytes, sha256 },
        found,
    }
}

/// The SHA-256 of `bytes` in hexadecimal digits.
pub fn of(bytes: &[u8]) -> String {
    hex(&Sha256::digest(bytes))
}

/// `hash` in hexadecimal digits.
pub(crate) fn hex(hash: &[u8]) -> String {
    hash.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// Length and SHA-256 of what `reader` gives.
pub(super) fn content_of(mut reader: impl Read) -> io::Result<Content> {
    let mut hasher = Sha256::new();
    let mut buffer = vec![0; CHUNK_BYTES];
    let mut bytes = 0;
    loop {
        match reader.read(&mut buffer) {
            Ok(0) => break,
            Ok(count) => {
                hasher.update(&buffer[..count]);
                bytes += count as u64;
            }
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
    Ok(Content { bytes, sha256: Some(hex(&hasher.finalize())) })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_hash_is_sha_256() {
        // The example of FIPS 180-2, appendix B.1.
        let found = content_of(&b"abc"[..]).unwrap();
        assert_eq!(found.bytes, 3);
        let expected = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad";
        assert_eq!(found.sha256.as_deref(), Some(expected));
    }
}
