//! TLS: who speaks it is served, who does not is not, and a new certificate counts for those who come later.

mod support;

use rcgen::{CertifiedKey, generate_simple_self_signed};
use rustls::ClientConfig;
use rustls::crypto::ring;
use rustls::pki_types::{CertificateDer, ServerName};
use std::fs;
use std::path::Path;
use std::sync::Arc;
use support::{engine, settings};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;
use voxlane_server::config::ServerConfig;
use voxlane_server::{Server, ServerError};

/// Writes a new certificate and its key, and returns the certificate.
fn certify(folder: &Path) -> CertificateDer<'static> {
    let CertifiedKey { cert, signing_key } = generate_simple_self_signed(["localhost".to_owned()]).unwrap();
    fs::write(folder.join("certificate.pem"), cert.pem()).unwrap();
    fs::write(folder.join("key.pem"), signing_key.serialize_pem()).unwrap();
    cert.der().clone()
}

fn config(folder: &Path) -> ServerConfig {
    ServerConfig {
        tls_certificate: Some(folder.join("certificate.pem")),
        tls_key: Some(folder.join("key.pem")),
        ..settings()
    }
}

/// What a server answers to a client that trusts one certificate.
async fn answer(server: &Server, trusted: &CertificateDer<'static>) -> std::io::Result<String> {
    let mut roots = rustls::RootCertStore::empty();
    roots.add(trusted.clone()).unwrap();
    let client = ClientConfig::builder_with_provider(Arc::new(ring::default_provider()))
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_root_certificates(roots)
        .with_no_client_auth();
    let stream = TcpStream::connect(server.address()).await?;
    let name = ServerName::try_from("localhost").unwrap();
    let mut stream = TlsConnector::from(Arc::new(client)).connect(name, stream).await?;
    stream.write_all(b"GET /livez HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\n\r\n").await?;
    let mut text = String::new();
    stream.read_to_string(&mut text).await?;
    Ok(text)
}

#[tokio::test]
async fn a_certificate_is_shown_and_can_be_replaced() {
    let folder = tempfile::tempdir().unwrap();
    let first = certify(folder.path());
    let server = Server::start(config(folder.path()), engine(1)).unwrap();
    assert!(answer(&server, &first).await.unwrap().starts_with("HTTP/1.1 200 OK"));

    let mut plain = TcpStream::connect(server.address()).await.unwrap();
    plain.write_all(b"GET /livez HTTP/1.1\r\nhost: localhost\r\n\r\n").await.unwrap();
    let mut bytes = Vec::new();
    // An alert, or the end: nothing of HTTP.
    let _ = plain.read_to_end(&mut bytes).await;
    assert!(!bytes.starts_with(b"HTTP"), "{bytes:?}");

    let second = certify(folder.path());
    let tls = server.services().tls.as_ref().unwrap();
    tls.reload().unwrap();
    assert!(answer(&server, &first).await.is_err());
    assert!(answer(&server, &second).await.unwrap().starts_with("HTTP/1.1 200 OK"));

    fs::write(folder.path().join("certificate.pem"), "no certificate").unwrap();
    let error = tls.reload().unwrap_err().to_string();
    assert!(error.ends_with("certificate.pem: holds no certificate (expected PEM)"), "{error}");
    assert!(answer(&server, &second).await.is_ok(), "the one before still counts");
}

#[test]
fn a_certificate_that_cannot_be_used_is_named() {
    let folder = tempfile::tempdir().unwrap();
    let refused = |config| match Server::start(config, engine(1)) {
        Err(error @ (ServerError::Tls(_) | ServerError::Config(_))) => error.to_string(),
        _ => panic!("a server without its certificate"),
    };
    assert!(refused(config(folder.path())).contains("certificate.pem: "));
    let half = ServerConfig { tls_key: None, ..config(folder.path()) };
    assert!(refused(half).ends_with("must go together with `tls_key`"));
    let certificate = certify(folder.path());
    drop(certificate);
    fs::write(folder.path().join("key.pem"), "no key").unwrap();
    assert!(refused(config(folder.path())).contains("key.pem: "));
}
