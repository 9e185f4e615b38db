//! The protocols that clients speak, a folder each. They build on sessions, and none knows another.

pub mod deepgram;
pub mod native;
pub mod openai;
pub mod wyoming;

use crate::services::Services;
use axum::Router;
use std::sync::Arc;

/// The routes of all protocols over HTTP.
pub fn router() -> Router<Arc<Services>> {
    Router::new().merge(deepgram::router()).merge(native::router()).merge(openai::router())
}
