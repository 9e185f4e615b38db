//! A running server.

use crate::config::ServerConfig;
use crate::error::ServerError;
use crate::network::{self, Connections};
use crate::operation::{self, signals};
use crate::page;
use crate::protocols::{self, wyoming};
use crate::services::Services;
use crate::tls::Tls;
use axum::{Router, middleware};
use std::net::{SocketAddr, TcpListener};
use std::sync::{Arc, mpsc};
use std::time::Duration;
use tokio::runtime::Runtime;
use tokio::time::timeout;
use tower_http::catch_panic::CatchPanicLayer;
use voxlane::Engine;

/// The share of a drain's time after which streams are finished that have not ended by themselves: the rest is for their
/// finals.
const FINISH_AT: f64 = 0.8;

/// How long connections may take to say their last word when they are cut.
const CUT_LIMIT: Duration = Duration::from_secs(2);

/// A running server. Dropping it cuts all connections; [`drain`](Self::drain) ends it well.
///
/// ```
/// use std::sync::Arc;
/// use std::time::Duration;
/// use voxlane::{Config, Engine};
/// use voxlane_server::config::ServerConfig;
/// use voxlane_server::Server;
///
/// let engine = Arc::new(Engine::start(Config { model: "commands".into(), ..Config::default() })?);
/// let config = ServerConfig { listen: ([127, 0, 0, 1], 0).into(), ..ServerConfig::default() };
/// let server = Server::start(config, engine)?;
/// assert_ne!(server.address().port(), 0);
/// assert_eq!(server.drain(Duration::from_secs(5)).cut_connections, 0);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub struct Server {
    runtime: Option<Runtime>,
    services: Arc<Services>,
    connections: Arc<Connections>,
    address: SocketAddr,
    wyoming_address: Option<SocketAddr>,
}

/// What the end of a server left.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct DrainReport {
    /// Connections that did not end in time.
    pub cut_connections: usize,
}

impl Server {
    /// Starts a server for an engine, which is warm; returns when it listens.
    ///
    /// # Errors
    /// [`ServerError`] naming the field, the file or the core at fault.
    pub fn start(config: ServerConfig, engine: Arc<Engine>) -> Result<Self, ServerError> {
        if let Some(fault) = config.fault() {
            return Err(fault.into());
        }
        let runtime = network::runtime(&config.cores)?;
        let listener = listen(&runtime, "server.listen", config.listen)?;
        let wyoming =
            config.wyoming.map(|address| listen(&runtime, "server.wyoming", address)).transpose()?;
        let (address, wyoming_address) = (listener.1, wyoming.as_ref().map(|(_, address)| *address));
        let limits = &config.limits;
        let (most, most_of_peer) = (limits.connections, limits.peer_connections);
        let tls = Tls::of(&config)?;
        let services = Services::new(config, engine, tls)?;
        let connections = Connections::new(most, most_of_peer, Arc::clone(&services.metrics));
        let router = router(&services);
        runtime.spawn(network::serve(listener.0, router, Arc::clone(&connections), Arc::clone(&services)));
        if let Some((listener, address)) = wyoming {
            tracing::info!(%address, "listening for Wyoming clients");
            runtime.spawn(wyoming::serve(listener, Arc::clone(&connections), Arc::clone(&services)));
        }
        Ok(Server { runtime: Some(runtime), services, connections, address, wyoming_address })
    }

    /// Returns the address that it listens on.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Returns the address that it listens on for Wyoming clients, if it does.
    pub fn wyoming_address(&self) -> Option<SocketAddr> {
        self.wyoming_address
    }

    /// Returns what its protocols build on.
    pub fn services(&self) -> &Arc<Services> {
        &self.services
    }

    /// Waits until the process is told to end by SIGTERM or SIGINT; SIGHUP meanwhile has the file of keys read again. To be
    /// called outside of asynchronous code.
    ///
    /// # Errors
    /// [`ServerError::Signals`] if the operating system refuses a handler.
    pub fn wait(&self) -> Result<(), ServerError> {
        let Some(runtime) = &self.runtime else { return Ok(()) };
        runtime.block_on(signals::told_to_end(Arc::clone(&self.services))).map_err(ServerError::Signals)
    }

    /// Ends the server within `limit`, and two seconds for last words: no connection is accepted, who holds no slot is sent
    /// away, streams go on. When four fifths of the time are over, streams that have not ended are finished, so that all that
    /// was taken gets its final. Blocks the calling thread.
    pub fn drain(mut self, limit: Duration) -> DrainReport {
        let Some(runtime) = self.runtime.take() else { return DrainReport::default() };
        self.services.drain();
        let (services, connections) = (Arc::clone(&self.services), Arc::clone(&self.connections));
        let (sender, ended) = mpsc::channel();
        runtime.spawn(async move {
            let patience = limit.mul_f64(FINISH_AT);
            let mut is_over = timeout(patience, connections.none_left()).await.is_ok();
            if !is_over {
                services.lifecycle.finish();
                is_over = timeout(limit - patience, connections.none_left()).await.is_ok();
            }
            let cut_connections = if is_over { 0 } else { connections.count() };
            services.lifecycle.end();
            // Those that take longer are cut when the threads end.
            let _ = timeout(CUT_LIMIT, connections.none_left()).await;
            let _ = sender.send(DrainReport { cut_connections });
        });
        let report = ended.recv().unwrap_or_default();
        runtime.shutdown_background();
        report
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.services.drain();
        self.services.lifecycle.end();
        if let Some(runtime) = self.runtime.take() {
            // Also where asynchronous code drops it.
            runtime.shutdown_background();
        }
    }
}

/// Listens on the address that the setting `field` names; with the address that it has when its port is resolved.
fn listen(
    runtime: &Runtime,
    field: &'static str,
    address: SocketAddr,
) -> Result<(tokio::net::TcpListener, SocketAddr), ServerError> {
    let fault = |source| ServerError::Listen { field, address, source };
    let listener = TcpListener::bind(address).map_err(fault)?;
    listener.set_nonblocking(true).map_err(fault)?;
    let address = listener.local_addr().map_err(fault)?;
    let _inside = runtime.enter();
    Ok((tokio::net::TcpListener::from_std(listener).map_err(fault)?, address))
}

/// All routes.
fn router(services: &Arc<Services>) -> Router {
    Router::new()
        .merge(protocols::router())
        .merge(operation::router())
        .merge(page::router())
        .layer(CatchPanicLayer::new())
        .layer(middleware::from_fn(network::with_request_id))
        .with_state(Arc::clone(services))
}
