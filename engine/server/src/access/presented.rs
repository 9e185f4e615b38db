//! Where a request brings its key.

use axum::http::HeaderMap;
use axum::http::header::{AUTHORIZATION, SEC_WEBSOCKET_PROTOCOL};

/// The WebSocket subprotocol behind which a browser, which cannot set headers, names its key: `token, KEY`.
pub const SUBPROTOCOL: &str = "token";

/// Returns the key that a request brings: `Authorization: Bearer KEY` or `Token KEY`, or the WebSocket subprotocols
/// `token, KEY`.
pub fn presented_key(headers: &HeaderMap) -> Option<&str> {
    if let Some(value) = headers.get(AUTHORIZATION) {
        let (scheme, key) = value.to_str().ok()?.trim().split_once(' ')?;
        let is_known = ["bearer", "token"].iter().any(|known| scheme.eq_ignore_ascii_case(known));
        return Some(key.trim()).filter(|key| is_known && !key.is_empty());
    }
    let lines = headers.get_all(SEC_WEBSOCKET_PROTOCOL).iter().filter_map(|line| line.to_str().ok());
    let mut words = lines.flat_map(|line| line.split(',')).map(str::trim);
    words.find(|word| word.eq_ignore_ascii_case(SUBPROTOCOL))?;
    words.next().filter(|key| !key.is_empty())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_stands_in_the_header_or_among_the_subprotocols() {
        let ask = |name: &'static str, value: &str| {
            let mut headers = HeaderMap::new();
            headers.insert(name, value.parse().unwrap());
            presented_key(&headers).map(str::to_owned)
        };
        for (name, value) in [
            ("authorization", "Bearer k1"),
            ("authorization", "token  k1"),
            ("sec-websocket-protocol", "token, k1"),
            ("sec-websocket-protocol", "v1, token,k1, other"),
        ] {
            assert_eq!(ask(name, value).as_deref(), Some("k1"), "{value}");
        }
        for (name, value) in [
            ("authorization", "k1"),
            ("authorization", "Basic k1"),
            ("authorization", "Bearer "),
            ("sec-websocket-protocol", "k1"),
            ("sec-websocket-protocol", "token"),
        ] {
            assert_eq!(ask(name, value), None, "{value}");
        }
    }
}
