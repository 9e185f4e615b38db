//! The page at `/`: its files, with the headers that keep it to itself. A browser tries it in `page/page_test.py`.

mod support;

use support::{get, server, settings};
use tokio::runtime::Runtime;
use voxlane_server::config::ServerConfig;

/// The value of a header.
fn header<'a>(head: &'a str, name: &str) -> &'a str {
    let mut lines = head.lines().filter_map(|line| line.split_once(": "));
    lines.find(|(found, _)| found.eq_ignore_ascii_case(name)).map_or("", |(_, value)| value.trim())
}

#[test]
fn files_are_served_without_a_key_and_with_the_right_headers() {
    let folder = tempfile::tempdir().unwrap();
    let keys = folder.path().join("keys");
    std::fs::write(&keys, format!("ada sha256:{}\n", "0".repeat(64))).unwrap();
    let server = server(1, ServerConfig { keys: Some(keys), ..settings() });
    Runtime::new().unwrap().block_on(async {
        let mut version = String::new();
        for (path, kind, start) in [
            ("/", "text/html; charset=utf-8", "<!doctype html>"),
            ("/page/style.css", "text/css; charset=utf-8", ":root"),
            ("/page/main.js", "text/javascript; charset=utf-8", "//"),
            ("/page/capture.js", "text/javascript; charset=utf-8", "//"),
            ("/page/icon.svg", "image/svg+xml", "<svg"),
        ] {
            let answer = get(&server, path, "").await;
            assert_eq!(answer.status, 200, "{path}");
            assert!(answer.body.starts_with(start), "{path}: {}", answer.body);
            let head = &answer.head;
            assert_eq!(header(head, "content-type"), kind, "{path}");
            assert_eq!(header(head, "cache-control"), "no-cache", "{path}");
            assert_eq!(header(head, "x-content-type-options"), "nosniff", "{path}");
            let policy = header(head, "content-security-policy");
            assert!(policy.starts_with("default-src 'none'; script-src 'self';"), "{path}: {policy}");
            assert!(!policy.contains("unsafe") && !policy.contains("http"), "{path}: {policy}");
            version = header(head, "etag").to_owned();
        }
        let answer = get(&server, "/", &format!("if-none-match: {version}\r\n")).await;
        assert_eq!((answer.status, answer.body.as_str()), (304, ""));
        assert_eq!(get(&server, "/", "if-none-match: \"other\"\r\n").await.status, 200);
        for path in ["/page/", "/page/mod.rs", "/page/..%2flib.rs", "/index.html"] {
            assert_eq!(get(&server, path, "").await.status, 404, "{path}");
        }
        assert_eq!(get(&server, "/metrics", "").await.status, 401);
    });
}
