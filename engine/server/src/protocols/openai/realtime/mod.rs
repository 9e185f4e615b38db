//! Live transcription sessions over a WebSocket (`/v1/realtime?intent=transcription`), and short-lived secrets for them.

mod client;
mod connection;
mod conversation;
mod detection;
mod ending;
mod entry;
mod fields;
mod leg;
mod mark;
mod secrets;
mod settings;
mod turns;

pub use client::{ClientEvent, ClientKind};
pub use secrets::Secrets;
pub use settings::Settings;

use super::error::ApiError;
use super::model;
use super::warnings::Warnings;
use crate::admission::Refusal;
use crate::network::Problem;
use crate::services::Services;
use axum::Router;
use axum::extract::ws::WebSocketUpgrade;
use axum::extract::ws::rejection::WebSocketUpgradeRejection;
use axum::extract::{DefaultBodyLimit, Extension, Query, State};
use axum::response::Response;
use axum::routing::{get, post};
use connection::Connection;
use entry::Entry;
use serde::Deserialize;
use std::sync::Arc;

/// The WebSocket subprotocol that browsers ask for beside their key's.
const SUBPROTOCOL: &str = "realtime";

/// The session that is served.
const INTENT: &str = "transcription";

/// The most bytes of a request for a secret: its session is kept.
const SECRET_BYTES: usize = 64 << 10;

/// The query of an upgrade.
#[derive(Debug, Default, Deserialize)]
struct Wanted {
    intent: Option<String>,
    model: Option<String>,
}

/// The routes, and the secrets that they share.
pub fn router() -> Router<Arc<Services>> {
    Router::new()
        .route("/v1/realtime", get(upgrade))
        .route(
            "/v1/realtime/client_secrets",
            post(secrets::create).layer(DefaultBodyLimit::max(SECRET_BYTES)),
        )
        .layer(Extension(Arc::new(Secrets::default())))
}

/// Upgrades a request to a session.
async fn upgrade(
    State(services): State<Arc<Services>>,
    Entry { caller, session }: Entry,
    wanted: Query<Wanted>,
    upgrade: Result<WebSocketUpgrade, WebSocketUpgradeRejection>,
) -> Result<Response, ApiError> {
    let Query(Wanted { intent, model }) = wanted;
    if let Some(intent) = intent.filter(|intent| intent != INTENT) {
        let message = format!("intent: not served (expected {INTENT}, found {intent:?})");
        return Err(ApiError::unsupported("intent", message));
    }
    if let Some(model) = &model {
        model::check(&services.engine, model)?;
    }
    let upgrade = upgrade.map_err(|rejection| {
        let message = format!("websocket: {rejection}");
        ApiError::of_status(rejection.status().as_u16(), "websocket", message)
    })?;
    if services.lifecycle.is_draining() {
        return Err(Problem::from(Refusal::Draining).into());
    }
    let settings = match session {
        Some(session) => session,
        None => Settings::of(&services.engine)?,
    };
    let bytes = services.config.limits.message_bytes;
    let upgrade = upgrade.protocols([SUBPROTOCOL]).max_message_size(bytes).max_frame_size(bytes);
    let engine = Arc::clone(&services.engine);
    let mut response =
        upgrade.on_upgrade(move |socket| Connection::new(services, caller, settings).run(socket));
    Warnings::default().write(response.headers_mut(), &engine);
    Ok(response)
}
