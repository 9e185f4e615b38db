//! Who sends a request: the same as for all protocols, with Deepgram's errors.

use super::refusal::Refusal;
use crate::network;
use crate::services::Services;
use axum::extract::FromRequestParts;
use axum::http::request::Parts;
use std::sync::Arc;

/// Who sends a request: an extractor that refuses whoever may not, in Deepgram's words.
#[derive(Clone, Debug)]
pub(super) struct Caller(pub(super) network::Caller);

impl FromRequestParts<Arc<Services>> for Caller {
    type Rejection = Refusal;

    async fn from_request_parts(parts: &mut Parts, services: &Arc<Services>) -> Result<Self, Refusal> {
        Ok(Caller(network::Caller::from_request_parts(parts, services).await?))
    }
}
