//! What can be wrong with the files of a checkpoint.

use std::path::{Path, PathBuf};
use thiserror::Error;

/// Why a file was not read or not understood. Reading the same file again does not help, except for
/// [`CheckpointError::Read`].
#[derive(Debug, Error)]
pub enum CheckpointError {
    /// The file system refused.
    #[error("{}: cannot be read: {source}", file.display())]
    Read {
        /// The file.
        file: PathBuf,
        /// What the file system said.
        source: std::io::Error,
    },
    /// It is not of the expected kind, cut off or damaged.
    #[error("{}: {problem}", file.display())]
    Damaged {
        /// The file.
        file: PathBuf,
        /// What was found.
        problem: String,
    },
    /// It may be sound, but uses something that is not read here.
    #[error("{}: {problem}, which is not supported", file.display())]
    Unsupported {
        /// The file.
        file: PathBuf,
        /// What was found.
        problem: String,
    },
    /// A tensor that the network needs is not there.
    #[error("{}: tensor '{tensor}': missing", file.display())]
    Missing {
        /// The file.
        file: PathBuf,
        /// Its name.
        tensor: String,
    },
    /// A tensor has another shape than the configuration asks for.
    #[error("{}: tensor '{tensor}': wrong shape (expected {expected:?}, found {found:?})", file.display())]
    Shape {
        /// The file.
        file: PathBuf,
        /// Its name.
        tensor: String,
        /// By the configuration.
        expected: Vec<usize>,
        /// In the file.
        found: Vec<usize>,
    },
    /// Numbers that do not fit each other.
    #[error("{}: {what}: wrong value (expected {expected}, found {found})", file.display())]
    Size {
        /// The file.
        file: PathBuf,
        /// What is compared.
        what: &'static str,
        /// What the rest of the model asks for.
        expected: usize,
        /// What the file has.
        found: usize,
    },
}

/// What is wrong, before it is known in which file.
#[derive(Debug)]
pub(crate) enum Problem {
    Damaged(String),
    Unsupported(String),
}

impl Problem {
    pub(crate) fn damaged(problem: impl Into<String>) -> Self {
        Problem::Damaged(problem.into())
    }

    pub(crate) fn unsupported(problem: impl Into<String>) -> Self {
        Problem::Unsupported(problem.into())
    }

    pub(crate) fn within(self, file: &Path) -> CheckpointError {
        let file = file.to_path_buf();
        match self {
            Problem::Damaged(problem) => CheckpointError::Damaged { file, problem },
            Problem::Unsupported(problem) => CheckpointError::Unsupported { file, problem },
        }
    }
}
