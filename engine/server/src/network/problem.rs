//! An error as the server's own routes tell it: a status, and JSON.

use super::request_id::RequestId;
use crate::access::AccessError;
use crate::admission::Refusal;
use axum::Json;
use axum::http::header::{RETRY_AFTER, WWW_AUTHENTICATE};
use axum::http::{HeaderValue, StatusCode};
use axum::response::{IntoResponse, Response};
use serde_json::json;
use std::time::Duration;

/// An error as the server's own routes tell it. Protocols that have errors of their own take its parts.
#[derive(Clone, Debug, PartialEq)]
pub struct Problem {
    /// The HTTP status.
    pub status: u16,
    /// The stable name.
    pub code: &'static str,
    /// What a person reads.
    pub message: String,
    /// The time after which trying again may help.
    pub retry_after: Option<Duration>,
    /// The request that it is about.
    pub request_id: Option<RequestId>,
}

impl Problem {
    /// Creates a problem that trying again does not help.
    pub fn new(status: u16, code: &'static str, message: impl Into<String>) -> Self {
        Problem { status, code, message: message.into(), retry_after: None, request_id: None }
    }

    /// Names the request that it is about.
    #[must_use]
    pub fn of(mut self, request_id: RequestId) -> Self {
        self.request_id = Some(request_id);
        self
    }
}

impl From<AccessError> for Problem {
    fn from(error: AccessError) -> Self {
        let retry_after = error.retry_after();
        Problem { retry_after, ..Problem::new(error.status(), error.code(), error.to_string()) }
    }
}

impl From<Refusal> for Problem {
    fn from(refusal: Refusal) -> Self {
        let retry_after = refusal.retry_after();
        Problem { retry_after, ..Problem::new(refusal.status(), refusal.code(), refusal.to_string()) }
    }
}

impl IntoResponse for Problem {
    fn into_response(self) -> Response {
        let request_id = self.request_id.as_ref().map(RequestId::as_str);
        let body =
            json!({ "error": { "code": self.code, "message": self.message, "request_id": request_id } });
        let status = StatusCode::from_u16(self.status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
        let mut response = (status, Json(body)).into_response();
        let headers = response.headers_mut();
        if let Some(retry_after) = self.retry_after {
            headers.insert(RETRY_AFTER, HeaderValue::from(retry_after.as_secs_f64().ceil().max(1.0) as u64));
        }
        if status == StatusCode::UNAUTHORIZED {
            headers.insert(WWW_AUTHENTICATE, HeaderValue::from_static("Bearer"));
        }
        response
    }
}
