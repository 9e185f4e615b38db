//! TLS: the certificate, which can be replaced while the server runs.

use crate::config::ServerConfig;
use rustls::crypto::ring;
use rustls::pki_types::pem::{self, PemObject};
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Arc, PoisonError, RwLock};
use std::time::Duration;
use thiserror::Error;
use tokio::net::TcpStream;
use tokio::time::timeout;
use tokio_rustls::TlsAcceptor;
use tokio_rustls::server::TlsStream;

/// What is spoken inside.
const HTTP: &[u8] = b"http/1.1";

/// The reason why there is no TLS.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum TlsError {
    /// A file cannot be read, or is not PEM.
    #[error("{}: {source}", file.display())]
    File {
        /// The file.
        file: PathBuf,
        /// The reason.
        source: pem::Error,
    },
    /// A file holds no certificate.
    #[error("{}: holds no certificate (expected PEM)", file.display())]
    NoCertificate {
        /// The file.
        file: PathBuf,
    },
    /// Certificate and key do not fit each other, or are of a kind that is not supported.
    #[error("{}: {source}", certificate.display())]
    Refused {
        /// The file of the certificate.
        certificate: PathBuf,
        /// The reason.
        source: rustls::Error,
    },
}

/// The certificate with which the server says who it is.
pub struct Tls {
    certificate: PathBuf,
    key: PathBuf,
    present: RwLock<Arc<rustls::ServerConfig>>,
}

impl Tls {
    /// Reads the files that `config` names; none if it names none.
    ///
    /// # Errors
    /// [`TlsError`] naming the file.
    pub fn of(config: &ServerConfig) -> Result<Option<Self>, TlsError> {
        let (Some(certificate), Some(key)) = (&config.tls_certificate, &config.tls_key) else {
            return Ok(None);
        };
        let present = RwLock::new(read(certificate, key)?);
        Ok(Some(Tls { certificate: certificate.clone(), key: key.clone(), present }))
    }

    /// Reads both files again, for connections to come.
    ///
    /// # Errors
    /// [`TlsError`] naming the file; then the certificate stays as it was.
    pub fn reload(&self) -> Result<(), TlsError> {
        let read = read(&self.certificate, &self.key)?;
        *self.present.write().unwrap_or_else(PoisonError::into_inner) = read;
        Ok(())
    }

    /// Shakes hands with a client, for `limit` at most.
    ///
    /// # Errors
    /// What the client did wrong, or that it took too long.
    pub async fn accept(&self, stream: TcpStream, limit: Duration) -> io::Result<TlsStream<TcpStream>> {
        let present = Arc::clone(&self.present.read().unwrap_or_else(PoisonError::into_inner));
        timeout(limit, TlsAcceptor::from(present).accept(stream)).await?
    }
}

fn read(certificate: &Path, key: &Path) -> Result<Arc<rustls::ServerConfig>, TlsError> {
    let unreadable = |file: &Path| {
        let file = file.to_owned();
        move |source| TlsError::File { file, source }
    };
    let certificates = CertificateDer::pem_file_iter(certificate)
        .and_then(Iterator::collect::<Result<Vec<_>, _>>)
        .map_err(unreadable(certificate))?;
    if certificates.is_empty() {
        return Err(TlsError::NoCertificate { file: certificate.to_owned() });
    }
    let private = PrivateKeyDer::from_pem_file(key).map_err(unreadable(key))?;
    let provider = Arc::new(ring::default_provider());
    let mut config = rustls::ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .and_then(|builder| builder.with_no_client_auth().with_single_cert(certificates, private))
        .map_err(|source| TlsError::Refused { certificate: certificate.to_owned(), source })?;
    config.alpn_protocols = vec![HTTP.to_vec()];
    Ok(Arc::new(config))
}
