//! Errors as OpenAI's clients read them.

use crate::network::Problem;
use crate::recording::RecordingError;
use axum::Json;
use axum::http::header::RETRY_AFTER;
use axum::http::{HeaderValue, StatusCode};
use axum::response::{IntoResponse, Response};
use serde_json::{Value, json};
use std::time::Duration;

/// An error as OpenAI's clients read it: a status, and an object with a message, a type, a parameter and a code.
#[derive(Clone, Debug, PartialEq)]
pub struct ApiError {
    /// The HTTP status.
    pub status: u16,
    /// The stable name: OpenAI's where there is one, otherwise the server's.
    pub code: &'static str,
    /// What a person reads.
    pub message: String,
    /// The parameter at fault.
    pub param: Option<String>,
    /// The time after which trying again may help.
    pub retry_after: Option<Duration>,
}

impl ApiError {
    /// Creates an error in what the client asks.
    pub fn new(code: &'static str, param: &str, message: impl Into<String>) -> Self {
        ApiError { param: Some(param.to_owned()), ..ApiError::of_status(400, code, message) }
    }

    /// Creates an error that is about no parameter.
    pub fn of_status(status: u16, code: &'static str, message: impl Into<String>) -> Self {
        ApiError { status, code, message: message.into(), param: None, retry_after: None }
    }

    /// A value that is not one of those that are taken.
    pub fn value(param: &str, message: impl Into<String>) -> Self {
        ApiError::new("invalid_value", param, message)
    }

    /// A value of the protocol that this model or server cannot honour.
    pub fn unsupported(param: &str, message: impl Into<String>) -> Self {
        ApiError::new("unsupported_value", param, message)
    }

    /// Returns the kind of error, of OpenAI's few.
    pub fn kind(&self) -> &'static str {
        match self.status {
            401 => "authentication_error",
            403 => "permission_error",
            429 => "rate_limit_error",
            500.. => "server_error",
            _ => "invalid_request_error",
        }
    }

    /// Returns the object that describes it.
    pub fn object(&self) -> Value {
        json!({ "message": self.message, "type": self.kind(), "param": self.param, "code": self.code })
    }
}

impl From<Problem> for ApiError {
    fn from(problem: Problem) -> Self {
        let Problem { status, code, message, retry_after, .. } = problem;
        let code = match status {
            401 => "invalid_api_key",
            429 => "rate_limit_exceeded",
            _ => code,
        };
        ApiError { retry_after, ..ApiError::of_status(status, code, message) }
    }
}

impl From<RecordingError> for ApiError {
    fn from(error: RecordingError) -> Self {
        let (status, retry_after) = (error.status(), error.retry_after());
        let mut told =
            ApiError::from(Problem { retry_after, ..Problem::new(status, error.code(), error.to_string()) });
        told.param = match &error {
            RecordingError::Upload(_) | RecordingError::Audio(_) | RecordingError::TooLong { .. } => {
                Some("file".to_owned())
            }
            RecordingError::Session(_) if status == 400 => {
                told.message.split(['=', ':', ' ']).next().map(parameter)
            }
            _ => None,
        };
        told
    }
}

/// The parameter whose value became an option of the engine.
fn parameter(option: &str) -> String {
    match option {
        "hotword" | "hotwords" => "keywords",
        option if option.starts_with("endpoint.") => "chunking_strategy",
        option => option,
    }
    .to_owned()
}

impl IntoResponse for ApiError {
    fn into_response(self) -> Response {
        let status = StatusCode::from_u16(self.status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
        let mut response = (status, Json(json!({ "error": self.object() }))).into_response();
        if let Some(retry_after) = self.retry_after {
            let seconds = retry_after.as_secs_f64().ceil().max(1.0) as u64;
            response.headers_mut().insert(RETRY_AFTER, HeaderValue::from(seconds));
        }
        response
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::admission::Refusal;

    #[test]
    fn statuses_say_the_type_and_the_time_to_try_again() {
        let full = ApiError::from(RecordingError::from(Refusal::Full { waiting: 3 }));
        assert_eq!((full.status, full.kind(), full.code), (503, "server_error", "refused.full"));
        assert_eq!(full.into_response().headers()["retry-after"], "1");
        let key = ApiError::from(Problem::new(401, "access.no_key", "key: missing"));
        assert_eq!((key.kind(), key.code), ("authentication_error", "invalid_api_key"));
    }

    #[test]
    fn options_that_the_engine_refuses_name_the_parameter() {
        let refused = voxlane::OpenError::Rules {
            field: "endpoint.silence_ms",
            value: "1".into(),
            allowed: "must be from 32 to 10000".into(),
        };
        let error = ApiError::from(RecordingError::from(Refusal::Options(refused)));
        assert_eq!((error.status, error.param.as_deref()), (400, Some("chunking_strategy")));
    }
}
