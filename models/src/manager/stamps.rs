//! What the files of a model looked like when their hashes were found right.
//!
//! Hashing takes too long for every start. A file whose length and times are those of its stamp is taken for the same;
//! otherwise it is hashed again. Of the times, that of the last change (Unix `ctime`) cannot be set by a program, so an
//! edit that gives the file its old modification time back is seen too; damage of the medium below is not.

use crate::regular;
use crate::temporary::Temporary;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::fs::Metadata;
use std::io::{self, Write};
use std::path::Path;
use std::time::{SystemTime, UNIX_EPOCH};

const STAMPS_FILE: &str = "verified.json";
/// More than a stamp for every file of any model takes.
const MAX_FILE_BYTES: u64 = 1 << 20;

/// What one file looked like.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Stamp {
    bytes: u64,
    modified_ns: i64,
    /// 0 where the system does not say.
    #[serde(default)]
    changed_ns: i64,
    sha256: String,
}

impl Stamp {
    /// What `metadata` says of a file with this hash.
    ///
    /// # Errors
    /// Where the system does not say the modification time.
    pub(crate) fn new(metadata: &Metadata, sha256: &str) -> io::Result<Self> {
        Ok(Stamp {
            bytes: metadata.len(),
            modified_ns: nanoseconds(metadata.modified()?),
            changed_ns: changed(metadata),
            sha256: sha256.to_owned(),
        })
    }
}

#[cfg(unix)]
fn changed(metadata: &Metadata) -> i64 {
    use std::os::unix::fs::MetadataExt;
    metadata.ctime().saturating_mul(1_000_000_000).saturating_add(metadata.ctime_nsec())
}

#[cfg(not(unix))]
fn changed(_metadata: &Metadata) -> i64 {
    0
}

/// Since 1970; negative before.
fn nanoseconds(time: SystemTime) -> i64 {
    let whole = |duration: std::time::Duration| i64::try_from(duration.as_nanos()).unwrap_or(i64::MAX);
    match time.duration_since(UNIX_EPOCH) {
        Ok(after) => whole(after),
        Err(before) => -whole(before.duration()),
    }
}

/// The stamps of a model's files, by name.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Stamps(BTreeMap<String, Stamp>);

impl Stamps {
    /// Those of the model in `folder`. None if they cannot be read: then every file is hashed.
    pub(crate) fn read(folder: &Path) -> Self {
        regular::read(&folder.join(STAMPS_FILE), MAX_FILE_BYTES)
            .ok()
            .and_then(|bytes| serde_json::from_slice(&bytes).ok())
            .unwrap_or_default()
    }

    /// Whether `stamp` is the one of the file called `name`.
    pub(crate) fn holds(&self, name: &str, stamp: &Stamp) -> bool {
        self.0.get(name) == Some(stamp)
    }

    /// Makes `stamp` the one of the file called `name`.
    pub(crate) fn insert(&mut self, name: &str, stamp: Stamp) {
        self.0.insert(name.to_owned(), stamp);
    }

    /// Forgets the file called `name`.
    pub(crate) fn remove(&mut self, name: &str) {
        self.0.remove(name);
    }

    /// Keeps them for the model in `folder`. Of two processes that do so at once the later one's stay; what is lost
    /// is hashed again.
    pub(crate) fn write(&self, folder: &Path) {
        if let Err(error) = self.try_write(folder) {
            // A cache that others filled may be read-only; then each start hashes.
            tracing::debug!(path = %folder.display(), %error, "cannot keep that these files were verified");
        }
    }

    fn try_write(&self, folder: &Path) -> io::Result<()> {
        let mut temporary = Temporary::new(&folder.join(STAMPS_FILE))?;
        temporary.file().write_all(&serde_json::to_vec_pretty(self)?)?;
        temporary.rename()
    }
}
