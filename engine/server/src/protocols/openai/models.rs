//! `GET /v1/models` and `GET /v1/models/{id}`.

use super::caller::Caller;
use super::error::ApiError;
use super::model;
use crate::services::Services;
use axum::Json;
use axum::extract::{Path, State};
use serde_json::{Value, json};
use std::sync::Arc;
use std::time::{SystemTime, UNIX_EPOCH};

/// The served model. Names that stand for it are not listed: they can be asked for.
pub(super) async fn list(State(services): State<Arc<Services>>, _: Caller) -> Json<Value> {
    let model = object(&services, services.engine.model());
    Json(json!({ "object": "list", "data": [model] }))
}

/// The served model, or a name that stands for it.
pub(super) async fn one(
    State(services): State<Arc<Services>>,
    _: Caller,
    Path(name): Path<String>,
) -> Result<Json<Value>, ApiError> {
    model::check(&services.engine, &name)?;
    Ok(Json(object(&services, &name)))
}

fn object(services: &Services, name: &str) -> Value {
    let started = SystemTime::now().checked_sub(services.started.elapsed());
    let created =
        started.and_then(|time| time.duration_since(UNIX_EPOCH).ok()).map_or(0, |time| time.as_secs());
    json!({ "id": name, "object": "model", "created": created, "owned_by": "voxlane" })
}
