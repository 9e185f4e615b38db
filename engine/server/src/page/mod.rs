//! The page at `/`: live captions of a microphone or a file, and the server's latencies. A client of the native protocol like
//! any other; its files are part of the program, and it loads nothing from elsewhere.

use axum::Router;
use axum::extract::Path;
use axum::http::header::{
    CACHE_CONTROL, CONTENT_SECURITY_POLICY, CONTENT_TYPE, ETAG, IF_NONE_MATCH, REFERRER_POLICY,
    X_CONTENT_TYPE_OPTIONS,
};
use axum::http::{HeaderMap, HeaderName, StatusCode};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use sha2::{Digest, Sha256};
use std::sync::LazyLock;

const HTML: &str = "text/html; charset=utf-8";
const CSS: &str = "text/css; charset=utf-8";
const SCRIPT: &str = "text/javascript; charset=utf-8";
const IMAGE: &str = "image/svg+xml";

/// Nothing but the page's own files, none of it inside the document, and in no other page's frame.
const POLICY: &str = "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self'; \
                      base-uri 'none'; form-action 'none'; frame-ancestors 'none'";

/// A copy may be kept, and is asked about each time: a new version of the server has its files at once.
const CACHE: &str = "no-cache";

/// The first page, and its files by name.
const INDEX: (&str, &str, &str) = ("", HTML, include_str!("index.html"));
const FILES: [(&str, &str, &str); 12] = [
    ("capture.js", SCRIPT, include_str!("capture.js")),
    ("captions.js", SCRIPT, include_str!("captions.js")),
    ("chart.js", SCRIPT, include_str!("chart.js")),
    ("events.js", SCRIPT, include_str!("events.js")),
    ("file.js", SCRIPT, include_str!("file.js")),
    ("icon.svg", IMAGE, include_str!("icon.svg")),
    ("latencies.js", SCRIPT, include_str!("latencies.js")),
    ("main.js", SCRIPT, include_str!("main.js")),
    ("metrics.js", SCRIPT, include_str!("metrics.js")),
    ("microphone.js", SCRIPT, include_str!("microphone.js")),
    ("stream.js", SCRIPT, include_str!("stream.js")),
    ("style.css", CSS, include_str!("style.css")),
];

/// The name of this version of the files.
static VERSION: LazyLock<String> = LazyLock::new(|| {
    let mut hash = Sha256::new();
    for (_, _, text) in FILES.iter().chain([&INDEX]) {
        hash.update(text);
    }
    let hex: String = hash.finalize()[..8].iter().map(|byte| format!("{byte:02x}")).collect();
    format!("\"{hex}\"")
});

/// The page's routes. They need no key: the page asks for one where the server does.
pub fn router<S: Clone + Send + Sync + 'static>() -> Router<S> {
    Router::new().route("/", get(index)).route("/page/{name}", get(file))
}

async fn index(headers: HeaderMap) -> Response {
    answer(&headers, INDEX.1, INDEX.2)
}

async fn file(Path(name): Path<String>, headers: HeaderMap) -> Response {
    match FILES.iter().find(|(known, _, _)| *known == name) {
        Some((_, kind, text)) => answer(&headers, kind, text),
        None => StatusCode::NOT_FOUND.into_response(),
    }
}

fn answer(headers: &HeaderMap, kind: &'static str, text: &'static str) -> Response {
    let known = headers.get(IF_NONE_MATCH).and_then(|value| value.to_str().ok());
    let is_known = known.is_some_and(|known| known.split(',').any(|tag| tag.trim() == VERSION.as_str()));
    let common = [
        (ETAG, VERSION.as_str()),
        (CACHE_CONTROL, CACHE),
        (CONTENT_SECURITY_POLICY, POLICY),
        (X_CONTENT_TYPE_OPTIONS, "nosniff"),
        (REFERRER_POLICY, "no-referrer"),
        (HeaderName::from_static("permissions-policy"), "microphone=(self), camera=(), geolocation=()"),
        (HeaderName::from_static("cross-origin-opener-policy"), "same-origin"),
        (HeaderName::from_static("cross-origin-resource-policy"), "same-origin"),
    ];
    if is_known {
        return (StatusCode::NOT_MODIFIED, common).into_response();
    }
    (common, [(CONTENT_TYPE, kind)], text).into_response()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_is_loaded_that_is_not_here_and_nothing_stands_inside_the_document() {
        for (name, _, text) in FILES.iter().chain([&INDEX]) {
            for outside in ["https://", "//cdn", "@import", "eval(", "innerHTML"] {
                assert!(!text.contains(outside), "{name}: {outside}");
            }
        }
        let page = INDEX.2;
        assert!(!page.contains("<style") && !page.contains(" style=") && !page.contains(" onclick="));
        let named = page.split('"').filter_map(|word| word.strip_prefix("/page/"));
        for name in named {
            assert!(FILES.iter().any(|(known, _, _)| *known == name), "{name}");
        }
        for (name, _, text) in FILES {
            let imports = text.lines().filter_map(|line| line.strip_prefix("import ")?.split("\"./").nth(1));
            for import in imports {
                let import = import.trim_end_matches("\";");
                assert!(FILES.iter().any(|(known, _, _)| *known == import), "{name}: {import}");
            }
        }
    }
}
