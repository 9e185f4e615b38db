//! Signals: SIGTERM and SIGINT end the server, SIGHUP has it read the file of keys and the certificate again.

use crate::services::Services;
use crate::tls::Tls;
use std::io;
use std::sync::Arc;

/// Waits until the process is told to end. SIGHUP meanwhile reloads the keys and the certificate; everything else of a configuration needs a
/// restart, and the log says so.
///
/// # Errors
/// If the operating system refuses a handler.
#[cfg(unix)]
pub async fn told_to_end(services: Arc<Services>) -> io::Result<()> {
    use tokio::signal::unix::{SignalKind, signal};
    let mut terminate = signal(SignalKind::terminate())?;
    let mut interrupt = signal(SignalKind::interrupt())?;
    let mut hangup = signal(SignalKind::hangup())?;
    loop {
        tokio::select! {
            _ = terminate.recv() => return Ok(()),
            _ = interrupt.recv() => return Ok(()),
            _ = hangup.recv() => reload(&services),
        }
    }
}

/// Waits until the process is told to end.
///
/// # Errors
/// If the operating system refuses a handler.
#[cfg(not(unix))]
pub async fn told_to_end(_: Arc<Services>) -> io::Result<()> {
    tokio::signal::ctrl_c().await
}

/// Reads the file of keys and the certificate again, and says what came of it.
pub fn reload(services: &Services) {
    match services.access.reload() {
        Ok(keys) => tracing::info!(
            keys,
            "the file of keys was read again; everything else of the configuration needs a restart"
        ),
        Err(error) => {
            tracing::error!(%error, "the file of keys was not read again: the keys stay as they were")
        }
    }
    match services.tls.as_ref().map(Tls::reload) {
        None => {}
        Some(Ok(())) => tracing::info!("the certificate was read again"),
        Some(Err(error)) => {
            tracing::error!(%error, "the certificate was not read again: it stays as it was")
        }
    }
}
