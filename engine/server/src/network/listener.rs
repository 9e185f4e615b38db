//! Serving HTTP on connections.

use super::accept::accept;
use super::caller::Peer;
use super::connections::{Connection, Connections};
use crate::services::Services;
use axum::Router;
use axum::extract::Request;
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use std::pin::pin;
use std::sync::Arc;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpListener, TcpStream};
use tower::ServiceExt;

/// What a client reads for whom there is no room.
const FULL: &[u8] = b"HTTP/1.1 503 Service Unavailable\r\nretry-after: 1\r\ncontent-type: application/json\r\ncontent-length: 100\r\nconnection: close\r\n\r\n{\"error\":{\"code\":\"refused.connections\",\"message\":\"connections: too many are open; try again later\"}}";

/// Serves `router` to everybody who connects, until the server is told to stop.
pub async fn serve(
    listener: TcpListener,
    router: Router,
    connections: Arc<Connections>,
    services: Arc<Services>,
) {
    let shared = Arc::clone(&services);
    let serve = move |stream, peer| {
        tokio::spawn(serve_one(stream, router.clone(), peer, Arc::clone(&shared)));
    };
    accept(listener, connections, services, FULL, serve).await;
}

/// Serves one connection to its end: what it is upgraded to goes on by itself.
async fn serve_one(stream: TcpStream, router: Router, peer: Peer, services: Arc<Services>) {
    // Events are small and wanted at once; a socket that refuses is as good as one that has gone.
    let _ = stream.set_nodelay(true);
    let Some(tls) = &services.tls else { return serve_http(stream, router, peer, &services).await };
    let accepted = tokio::select! {
        accepted = tls.accept(stream, services.config.limits.header()) => accepted,
        () = services.lifecycle.draining() => return,
    };
    match accepted {
        Ok(stream) => serve_http(stream, router, peer, &services).await,
        Err(error) => tracing::debug!(%error, "a client did not come to speak TLS"),
    }
}

/// Speaks HTTP on a connection, whatever it is made of.
async fn serve_http(
    stream: impl AsyncRead + AsyncWrite + Send + Unpin + 'static,
    router: Router,
    peer: Peer,
    services: &Services,
) {
    let limits = &services.config.limits;
    // The upgraded side has its own hold on the connection.
    let held: Arc<Connection> = Arc::clone(&peer.connection);
    let service = service_fn(move |mut request: Request<Incoming>| {
        request.extensions_mut().insert(peer.clone());
        router.clone().oneshot(request)
    });
    let mut connection = pin!(
        http1::Builder::new()
            .timer(TokioTimer::new())
            .header_read_timeout(limits.header())
            .max_buf_size(limits.header_bytes)
            .serve_connection(TokioIo::new(stream), service)
            .with_upgrades()
    );
    let served = tokio::select! {
        served = connection.as_mut() => Some(served),
        () = services.lifecycle.draining() => None,
    };
    let served = match served {
        Some(served) => served,
        None => {
            connection.as_mut().graceful_shutdown();
            tokio::select! {
                served = connection => served,
                () = services.lifecycle.ended() => Ok(()),
            }
        }
    };
    if let Err(error) = served {
        tracing::debug!(%error, "a connection ended early");
    }
    drop(held);
}

#[cfg(test)]
mod tests {
    use super::FULL;

    #[test]
    fn the_refusal_has_the_length_that_it_says() {
        let text = std::str::from_utf8(FULL).unwrap();
        let (head, body) = text.split_once("\r\n\r\n").unwrap();
        assert!(head.contains(&format!("content-length: {}\r\n", body.len())), "{}", body.len());
    }
}
