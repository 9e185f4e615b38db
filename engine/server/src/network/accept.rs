//! Accepting connections, whatever is spoken on them.

use super::caller::Peer;
use super::connections::Connections;
use crate::services::Services;
use std::sync::Arc;
use std::time::Duration;
use tokio::io::AsyncWriteExt;
use tokio::net::{TcpListener, TcpStream};
use tokio::time::{sleep, timeout};

/// How long to wait when the system has no descriptor left.
const EXHAUSTED_PAUSE: Duration = Duration::from_millis(50);

/// How long a client that is refused may take to read so.
const REFUSAL_LIMIT: Duration = Duration::from_secs(1);

/// Hands everybody who connects to `serve`, which must not block, until the server is told to stop. A client for whom there is
/// no room reads `full`.
pub async fn accept(
    listener: TcpListener,
    connections: Arc<Connections>,
    services: Arc<Services>,
    full: &'static [u8],
    serve: impl Fn(TcpStream, Peer) + Send,
) {
    loop {
        let accepted = tokio::select! {
            accepted = listener.accept() => accepted,
            () = services.lifecycle.draining() => return,
        };
        let (stream, address) = match accepted {
            Ok(accepted) => accepted,
            Err(error) => {
                tracing::warn!(%error, "a connection could not be accepted");
                sleep(EXHAUSTED_PAUSE).await;
                continue;
            }
        };
        let peer = address.ip().to_canonical();
        let is_proxy = services.config.trusted_proxies.contains(&peer);
        match connections.enter(peer, is_proxy) {
            Some(connection) => serve(stream, Peer { address: peer, connection: Arc::new(connection) }),
            None => {
                services.metrics.refused("refused.connections");
                tokio::spawn(refuse(stream, full));
            }
        }
    }
}

async fn refuse(mut stream: TcpStream, full: &'static [u8]) {
    // Who does not read it in time does without.
    let _ = timeout(REFUSAL_LIMIT, async {
        stream.write_all(full).await?;
        stream.shutdown().await
    })
    .await;
}
