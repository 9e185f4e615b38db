//! Who opens a session: the holder of a key, or of a secret that such a one was given.

use super::secrets::Secrets;
use super::settings::Settings;
use crate::access::presented_key;
use crate::network::{Caller, Peer, Problem, RequestId};
use crate::protocols::openai::error::ApiError;
use crate::services::Services;
use axum::extract::FromRequestParts;
use axum::http::header::{AUTHORIZATION, SEC_WEBSOCKET_PROTOCOL};
use axum::http::request::Parts;
use axum::http::{HeaderMap, HeaderValue};
use std::sync::Arc;

/// The start of the subprotocol by which a browser, which cannot set headers, names its key.
const KEY_PROTOCOL: &str = "openai-insecure-api-key.";

/// Who opens a session, and the session that its secret is for.
pub struct Entry {
    /// The client.
    pub caller: Caller,
    /// The session, if a secret has one.
    pub session: Option<Settings>,
}

impl FromRequestParts<Arc<Services>> for Entry {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, services: &Arc<Services>) -> Result<Self, ApiError> {
        adopt_protocol_key(&mut parts.headers);
        let secrets = parts.extensions.get::<Arc<Secrets>>().cloned().unwrap_or_default();
        if let Some((client, session)) = presented_key(&parts.headers).and_then(|key| secrets.find(key)) {
            services.access.check_origin(&parts.headers).map_err(Problem::from)?;
            let request_id = parts.extensions.get::<RequestId>().cloned().unwrap_or_else(RequestId::random);
            let connection = parts.extensions.get::<Peer>().map(|peer| Arc::clone(&peer.connection));
            return Ok(Entry { caller: Caller { client, request_id, connection }, session: Some(session) });
        }
        let caller = Caller::from_request_parts(parts, services).await?;
        Ok(Entry { caller, session: None })
    }
}

/// Takes a key among the subprotocols for that of the request, if it has no other.
fn adopt_protocol_key(headers: &mut HeaderMap) {
    if headers.contains_key(AUTHORIZATION) {
        return;
    }
    let lines = headers.get_all(SEC_WEBSOCKET_PROTOCOL).iter().filter_map(|line| line.to_str().ok());
    let key = lines.flat_map(|line| line.split(',')).find_map(|word| word.trim().strip_prefix(KEY_PROTOCOL));
    if let Some(value) = key.and_then(|key| HeaderValue::from_str(&format!("Bearer {key}")).ok()) {
        headers.insert(AUTHORIZATION, value);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_browsers_key_stands_among_the_subprotocols() {
        let mut headers = HeaderMap::new();
        headers
            .insert(SEC_WEBSOCKET_PROTOCOL, HeaderValue::from_static("realtime, openai-insecure-api-key.k1"));
        adopt_protocol_key(&mut headers);
        assert_eq!(presented_key(&headers), Some("k1"));
        headers.insert(AUTHORIZATION, HeaderValue::from_static("Bearer k2"));
        adopt_protocol_key(&mut headers);
        assert_eq!(presented_key(&headers), Some("k2"));
    }
}
