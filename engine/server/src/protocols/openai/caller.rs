//! Who sends a request: the same as for all protocols, with OpenAI's errors.

use super::error::ApiError;
use crate::network;
use crate::services::Services;
use axum::extract::FromRequestParts;
use axum::http::request::Parts;
use std::sync::Arc;

/// Who sends a request: an extractor that refuses whoever may not, in OpenAI's words.
#[derive(Clone, Debug)]
pub struct Caller(pub network::Caller);

impl FromRequestParts<Arc<Services>> for Caller {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, services: &Arc<Services>) -> Result<Self, ApiError> {
        Ok(Caller(network::Caller::from_request_parts(parts, services).await?))
    }
}
