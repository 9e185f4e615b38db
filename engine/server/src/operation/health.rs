//! Whether the process lives, and whether it takes new streams.

use crate::services::Services;
use axum::extract::State;
use axum::http::StatusCode;
use std::sync::Arc;

/// Says that the network's threads answer.
pub(super) async fn live() -> &'static str {
    "live\n"
}

/// Says whether new streams are taken: the engine is warm before the server listens, so a lane must serve, and nobody
/// have told the server to stop.
pub(super) async fn ready(State(services): State<Arc<Services>>) -> (StatusCode, &'static str) {
    if services.is_ready() {
        (StatusCode::OK, "ready\n")
    } else if services.lifecycle.is_draining() {
        (StatusCode::SERVICE_UNAVAILABLE, "draining\n")
    } else {
        (StatusCode::SERVICE_UNAVAILABLE, "no lane serves\n")
    }
}
