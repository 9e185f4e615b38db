//! Why a packed file was not used.

use std::path::PathBuf;
use thiserror::Error;

/// Why a packed file cannot be used. All but [`PackedError::Io`] are mended by packing the model again.
#[derive(Debug, Error)]
pub enum PackedError {
    /// The file system refused.
    #[error("{}: cannot {doing} the packed model: {source}", file.display())]
    Io {
        /// What was tried.
        doing: &'static str,
        /// The file.
        file: PathBuf,
        /// What the file system said.
        source: std::io::Error,
    },
    /// It is no packed model, or not whole.
    #[error("{}: not a whole packed model: {what}", file.display())]
    Damaged {
        /// The file.
        file: PathBuf,
        /// What was found.
        what: &'static str,
    },
    /// It was written by another version of this program, or for another machine.
    #[error("{}: packed by another version, or for a machine of another byte order", file.display())]
    Layout {
        /// The file.
        file: PathBuf,
    },
    /// It was made from other model files, or in another precision.
    #[error("{}: packed from other files (expected {wanted}, found {found})", file.display())]
    Origin {
        /// The file.
        file: PathBuf,
        /// What it was made from.
        found: String,
        /// What was asked for.
        wanted: String,
    },
    /// Its fields are those of a network that cannot run.
    #[error("packed model: makes no network: {0}")]
    Config(#[from] crate::config_fault::ConfigFault),
    /// Its fields do not make a network.
    #[error("packed model: makes no network: {0}")]
    Fields(&'static str),
}
