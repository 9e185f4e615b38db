//! The library's own events over a WebSocket: `/v1/stream`. `docs/protocol.md` describes every message.

mod connection;
mod context;
mod message;
mod reading;
mod start;
mod streams;
mod talk;

pub use message::{ClientMessage, ServerMessage};
pub use start::{EventKind, Start, StartOptions};

use crate::access::SUBPROTOCOL;
use crate::network::Caller;
use crate::network::Problem;
use crate::services::Services;
use axum::Router;
use axum::extract::State;
use axum::extract::ws::WebSocketUpgrade;
use axum::extract::ws::rejection::WebSocketUpgradeRejection;
use axum::response::Response;
use axum::routing::get;
use connection::Connection;
use std::sync::Arc;

/// The version of the protocol, which `ready` names. It is raised when a field goes or changes its meaning.
pub const VERSION: u32 = 1;

/// Buffers of a connection, each way: thousands of connections that say nothing should take little.
const BUFFER_BYTES: usize = 8 << 10;

/// The protocol's route.
pub fn router() -> Router<Arc<Services>> {
    Router::new().route("/v1/stream", get(stream))
}

/// Upgrades a request to a stream.
async fn stream(
    State(services): State<Arc<Services>>,
    caller: Caller,
    upgrade: Result<WebSocketUpgrade, WebSocketUpgradeRejection>,
) -> Result<Response, Problem> {
    let upgrade = upgrade.map_err(|rejection| {
        let message = format!("websocket: {rejection}");
        Problem::new(rejection.status().as_u16(), "protocol.upgrade", message).of(caller.request_id.clone())
    })?;
    if services.lifecycle.is_draining() {
        return Err(Problem::from(crate::admission::Refusal::Draining).of(caller.request_id));
    }
    let bytes = services.config.limits.message_bytes;
    let upgrade = upgrade
        .protocols([SUBPROTOCOL])
        .max_message_size(bytes)
        .max_frame_size(bytes)
        .read_buffer_size(BUFFER_BYTES)
        .write_buffer_size(BUFFER_BYTES);
    Ok(upgrade.on_upgrade(move |socket| Connection::new(services, caller).run(socket)))
}
