//! OpenAI's protocols: recordings and models over HTTP, and live transcription over a WebSocket (`/v1/realtime`). `docs/openai.md`
//! says what becomes of every option.

mod answer;
mod caller;
mod chunking;
mod error;
mod form;
mod listening;
mod logprobs;
mod model;
mod models;
mod options;
pub mod realtime;
mod request;
mod sse;
mod transcriptions;
mod values;
mod warnings;

pub use answer::{Answer, Heard};
pub use error::ApiError;
pub use form::{Form, FormLimits};
pub use model::{ALIASES, MODEL_HEADER};
pub use options::{REALTIME, RECORDING, Rule, Treatment, table};
pub use request::{Request, ResponseFormat};
pub use warnings::{WARNINGS_HEADER, Warnings};

use crate::services::Services;
use axum::Router;
use axum::routing::{get, post};
use std::sync::Arc;

/// The protocols' routes.
pub fn router() -> Router<Arc<Services>> {
    Router::new()
        .route("/v1/audio/transcriptions", post(transcriptions::transcribe))
        .route("/v1/audio/translations", post(transcriptions::translate))
        .route("/v1/models", get(models::list))
        .route("/v1/models/{id}", get(models::one))
        .merge(realtime::router())
}
