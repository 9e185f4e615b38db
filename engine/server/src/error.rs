//! Why a server does not start.

use crate::access::KeysError;
use crate::network::ThreadsError;
use crate::tls::TlsError;
use std::io;
use std::net::SocketAddr;
use thiserror::Error;
use voxlane::config::InvalidField;

/// The reason why a server does not start. Nothing is left running.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum ServerError {
    /// A setting is out of range or does not fit another.
    #[error(transparent)]
    Config(#[from] InvalidField),
    /// The file of keys cannot be read.
    #[error(transparent)]
    Keys(#[from] KeysError),
    /// The certificate or its key cannot be used.
    #[error(transparent)]
    Tls(#[from] TlsError),
    /// The network has no threads.
    #[error(transparent)]
    Threads(#[from] ThreadsError),
    /// The address cannot be listened on.
    #[error("{field} = {address}: {source}")]
    Listen {
        /// The setting that names it.
        field: &'static str,
        /// The address.
        address: SocketAddr,
        /// The reason.
        source: io::Error,
    },
    /// The operating system refuses to handle signals.
    #[error("signals: cannot be handled: {0}")]
    Signals(io::Error),
}
