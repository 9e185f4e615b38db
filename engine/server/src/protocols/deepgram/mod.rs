//! Deepgram's protocols: `/v1/listen` live and for recordings, and `/v2/listen` with turns (Flux). `docs/deepgram.md` says
//! what works, and names every option.
//!
//! Segments and texts are those of the native protocol: what a client asks of `endpointing` or thresholds decides what it is
//! told about them, and Flux's rules are the endpoint rules of its stream.

mod caller;
mod clock;
mod closing;
mod dialect;
mod flux;
mod intake;
mod listen;
mod marks;
mod model;
mod notes;
mod options;
mod outlet;
mod pump;
mod recorded;
mod refusal;
mod said;
mod streams;
mod taking;
mod talk;

pub use options::{OPTIONS, OptionRow, Treatment, table};

use crate::services::Services;
use axum::Router;
use axum::extract::DefaultBodyLimit;
use axum::routing::get;
use std::sync::Arc;

/// The protocols' routes.
pub fn router() -> Router<Arc<Services>> {
    Router::new()
        .route(
            "/v1/listen",
            get(listen::listen).post(recorded::transcribe).layer(DefaultBodyLimit::disable()),
        )
        .route("/v2/listen", get(flux::listen))
}
