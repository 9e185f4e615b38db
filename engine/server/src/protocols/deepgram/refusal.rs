//! Errors as Deepgram tells them before a stream begins: a status, and JSON.

use crate::network::{Problem, RequestId};
use axum::Json;
use axum::http::header::{RETRY_AFTER, WWW_AUTHENTICATE};
use axum::http::{HeaderMap, HeaderName, HeaderValue, StatusCode};
use axum::response::{IntoResponse, Response};
use serde_json::json;
use std::time::Duration;

/// The header that names the request.
const REQUEST_ID: &str = "dg-request-id";

/// The header that tells a client of a WebSocket, which often sees no body, why it was refused.
const ERROR: &str = "dg-error";

/// The longest value of a header.
const HEADER_CHARS: usize = 4096;

/// An error before a stream or an answer begins.
#[derive(Clone, Debug, PartialEq)]
pub struct Refusal {
    pub(super) status: u16,
    pub(super) message: String,
    pub(super) retry_after: Option<Duration>,
    pub(super) request_id: Option<RequestId>,
}

impl Refusal {
    /// What the client asked for cannot be had.
    pub(super) fn bad_request(message: impl Into<String>) -> Self {
        Refusal { status: 400, message: message.into(), retry_after: None, request_id: None }
    }

    /// Names the request that it is about.
    #[must_use]
    pub(super) fn of(mut self, request_id: &RequestId) -> Self {
        self.request_id = Some(request_id.clone());
        self
    }

    /// Deepgram's name for the kind of error.
    fn code(&self) -> &'static str {
        match self.status {
            400 => "Bad Request",
            401 => "INVALID_AUTH",
            403 => "FORBIDDEN",
            413 => "PAYLOAD_TOO_LARGE",
            415 => "UNSUPPORTED_MEDIA_TYPE",
            426 => "UPGRADE_REQUIRED",
            429 => "TOO_MANY_REQUESTS",
            503 => "SERVICE_UNAVAILABLE",
            _ => "INTERNAL_SERVER_ERROR",
        }
    }
}

impl From<Problem> for Refusal {
    fn from(problem: Problem) -> Self {
        let Problem { status, message, retry_after, request_id, .. } = problem;
        Refusal { status, message, retry_after, request_id }
    }
}

impl IntoResponse for Refusal {
    fn into_response(self) -> Response {
        let request_id = self.request_id.as_ref().map(RequestId::as_str);
        let body = json!({ "err_code": self.code(), "err_msg": self.message, "request_id": request_id });
        let status = StatusCode::from_u16(self.status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
        let mut response = (status, Json(body)).into_response();
        let headers = response.headers_mut();
        set(headers, ERROR, &self.message);
        if let Some(request_id) = request_id {
            set(headers, REQUEST_ID, request_id);
        }
        if let Some(retry_after) = self.retry_after {
            headers.insert(RETRY_AFTER, HeaderValue::from(retry_after.as_secs_f64().ceil().max(1.0) as u64));
        }
        if status == StatusCode::UNAUTHORIZED {
            headers.insert(WWW_AUTHENTICATE, HeaderValue::from_static("Token"));
        }
        response
    }
}

/// Sets a header to a text that a client may have a part in; what is no plain letter becomes a question mark.
pub(super) fn set(headers: &mut HeaderMap, name: &'static str, value: &str) {
    let plain = |letter: char| if (' '..='~').contains(&letter) { letter } else { '?' };
    let value: String = value.chars().map(plain).take(HEADER_CHARS).collect();
    if let Ok(value) = HeaderValue::from_str(&value) {
        headers.insert(HeaderName::from_static(name), value);
    }
}

/// Says in an answer's headers which request it is, what ran, and what had no effect.
pub(super) fn describe(
    headers: &mut HeaderMap,
    request_id: &RequestId,
    model: (&str, &str),
    warnings: &[String],
) {
    set(headers, REQUEST_ID, request_id.as_str());
    set(headers, "dg-model-name", model.0);
    set(headers, "dg-model-uuid", model.1);
    if !warnings.is_empty() {
        set(headers, "dg-warnings", &warnings.join("; "));
    }
}
