//! Which pages may use the server: browsers say whose page sends a request, and enforce nothing for WebSockets.

use super::error::AccessError;
use axum::http::HeaderMap;
use axum::http::header::{HOST, ORIGIN};

/// Refuses requests of pages of other sites than the server's own and the `allowed` ones. Programs name no origin.
pub(super) fn check(headers: &HeaderMap, allowed: &[String]) -> Result<(), AccessError> {
    let Some(origin) = headers.get(ORIGIN) else { return Ok(()) };
    let origin = origin.to_str().map_err(|_| AccessError::Origin)?;
    let host = headers.get(HOST).and_then(|host| host.to_str().ok());
    let is_own = origin.split_once("://").is_some_and(|(_, site)| host.is_some_and(|host| same(site, host)));
    let is_allowed = is_own || allowed.iter().any(|allowed| same(allowed, origin));
    if is_allowed { Ok(()) } else { Err(AccessError::Origin) }
}

fn same(one: &str, other: &str) -> bool {
    one.eq_ignore_ascii_case(other)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn own_and_named_origins_are_allowed() {
        let allowed = ["https://example.org".to_owned()];
        let ask = |origin: Option<&str>| {
            let mut headers = HeaderMap::new();
            headers.insert(HOST, "localhost:8080".parse().unwrap());
            if let Some(origin) = origin {
                headers.insert(ORIGIN, origin.parse().unwrap());
            }
            check(&headers, &allowed)
        };
        for origin in [None, Some("http://localhost:8080"), Some("https://Example.org")] {
            assert_eq!(ask(origin), Ok(()), "{origin:?}");
        }
        for origin in ["null", "http://localhost", "https://example.org.evil.test", "localhost:8080"] {
            assert_eq!(ask(Some(origin)), Err(AccessError::Origin), "{origin}");
        }
    }
}
