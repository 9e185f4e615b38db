//! Whose word is taken for a host being the one that it says: the certificates of the system or those that the user
//! names, as other programs do.

use super::error::ManagerError;
use super::path_from_env;
use super::progress::Progress;
use rustls_native_certs::CertificateResult;
use std::path::Path;
use ureq::tls::{Certificate, RootCerts, TlsConfig};

/// Names a file of certificates.
const FILE_VARIABLE: &str = "SSL_CERT_FILE";
/// Names folders of certificates.
const FOLDERS_VARIABLE: &str = "SSL_CERT_DIR";

/// Root certificates and where they are from.
#[derive(Debug)]
pub struct Trust {
    roots: RootCerts,
    origin: String,
}

impl Trust {
    /// The certificates in `file`; without, those that `SSL_CERT_FILE` and `SSL_CERT_DIR` name, else the system's. A
    /// system without any gets those that this program was built with, and `progress` hears of it.
    ///
    /// # Errors
    /// [`ManagerError::Certificates`] where there are none in what the user named.
    pub fn new(file: Option<&Path>, progress: &mut dyn Progress) -> Result<Self, ManagerError> {
        if let Some(file) = file {
            let found = rustls_native_certs::load_certs_from_paths(Some(file), None);
            return Trust::named(found, file.display().to_string());
        }
        let set = [FILE_VARIABLE, FOLDERS_VARIABLE].map(|name| Some((name, path_from_env(name)?)));
        let set: Vec<_> =
            set.into_iter().flatten().map(|(name, path)| format!("{name}={}", path.display())).collect();
        let found = rustls_native_certs::load_native_certs();
        if !set.is_empty() {
            return Trust::named(found, set.join(" and "));
        }
        if found.certs.is_empty() {
            progress.note("this system has no certificates: taking those that this program was built with");
            return Ok(Trust { roots: RootCerts::WebPki, origin: "this program".to_owned() });
        }
        Ok(Trust { roots: roots(found), origin: "the system's store".to_owned() })
    }

    fn named(found: CertificateResult, origin: String) -> Result<Self, ManagerError> {
        if found.certs.is_empty() {
            let errors: Vec<_> = found.errors.iter().map(ToString::to_string).collect();
            let reason = if errors.is_empty() { "no PEM certificate".to_owned() } else { errors.join("; ") };
            return Err(ManagerError::Certificates { origin, reason });
        }
        Ok(Trust { roots: roots(found), origin })
    }

    /// For the HTTP client.
    pub fn tls_config(&self) -> TlsConfig {
        TlsConfig::builder().root_certs(self.roots.clone()).build()
    }

    /// What `error` says, and, if it is about a certificate, where certificates are taken from.
    pub fn explain(&self, error: &ureq::Error) -> String {
        let reason = error.to_string();
        if !reason.contains("certificate") {
            return reason;
        }
        let origin = &self.origin;
        format!(
            "{reason} (trusted certificates are those of {origin}; {FILE_VARIABLE} names a file of others)"
        )
    }
}

fn roots(found: CertificateResult) -> RootCerts {
    for error in &found.errors {
        tracing::debug!(%error, "a certificate was left out");
    }
    found.certs.iter().map(|certificate| Certificate::from_der(certificate).to_owned()).into()
}
