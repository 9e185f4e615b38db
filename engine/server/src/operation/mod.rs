//! What an operator sees of a server, and tells it: health, measurements, logs, signals.

mod health;
pub mod log;
mod report;
pub mod signals;

use crate::services::Services;
use axum::Router;
use axum::routing::get;
use std::sync::Arc;

/// The operator's routes. Health needs no key; measurements do where clients do.
pub fn router() -> Router<Arc<Services>> {
    Router::new()
        .route("/livez", get(health::live))
        .route("/readyz", get(health::ready))
        .route("/metrics", get(report::metrics))
        .route("/v1/report", get(report::report))
}
