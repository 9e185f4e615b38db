//! The name of a request, by which its client, logs and errors speak of it.

use axum::extract::Request;
use axum::http::HeaderValue;
use axum::middleware::Next;
use axum::response::Response;
use std::fmt;
use std::hash::{BuildHasher, RandomState};
use std::sync::Arc;
use std::sync::LazyLock;
use std::sync::atomic::{AtomicU64, Ordering};

const HEADER: &str = "x-request-id";

/// The longest that is taken from a client.
const LONGEST: usize = 128;

/// The name of a request: what the client calls it, or a random one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RequestId(Arc<str>);

impl RequestId {
    /// Makes a name.
    pub fn random() -> Self {
        static KEYS: LazyLock<[RandomState; 2]> = LazyLock::new(|| [RandomState::new(), RandomState::new()]);
        static NEXT: AtomicU64 = AtomicU64::new(0);
        let number = NEXT.fetch_add(1, Ordering::Relaxed);
        let [high, low] = [0, 1].map(|half| KEYS[half].hash_one(number));
        RequestId(format!("{high:016x}{low:016x}").into())
    }

    /// Takes a client's name, if it is of visible characters and not too long.
    fn taken(value: &HeaderValue) -> Option<Self> {
        let text = value.to_str().ok()?;
        let is_plain =
            !text.is_empty() && text.len() <= LONGEST && text.bytes().all(|b| b.is_ascii_graphic());
        is_plain.then(|| RequestId(text.into()))
    }

    /// Returns the name.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for RequestId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// Gives each request its name, and says it in the answer.
pub async fn with_request_id(mut request: Request, next: Next) -> Response {
    let taken = request.headers().get(HEADER).and_then(RequestId::taken);
    let id = taken.unwrap_or_else(RequestId::random);
    request.extensions_mut().insert(id.clone());
    let mut response = next.run(request).await;
    if let Ok(value) = HeaderValue::from_str(id.as_str()) {
        response.headers_mut().insert(HEADER, value);
    }
    response
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_differ_and_odd_ones_are_not_taken() {
        assert_ne!(RequestId::random(), RequestId::random());
        assert_eq!(RequestId::random().as_str().len(), 32);
        let taken = |text: &str| RequestId::taken(&HeaderValue::from_str(text).unwrap());
        assert_eq!(taken("call-7").unwrap().as_str(), "call-7");
        assert!(taken("").is_none() && taken("a b").is_none() && taken(&"x".repeat(129)).is_none());
    }
}
