//! What an operator sees.

mod support;

use serde_json::{Value, json};
use std::time::Duration;
use support::{Client, bytes, get, server, settings, speech};
use tokio::runtime::Runtime;

#[test]
fn pages_have_what_they_should() {
    let server = server(2, settings());
    Runtime::new().unwrap().block_on(async {
        let mut client = Client::start(&server, json!({})).await;
        client.audio(&bytes(&speech())).await;
        client.say(json!({"type": "finish"})).await;
        assert_eq!(client.rest().await.1, 1000);

        for path in ["/livez", "/readyz"] {
            assert_eq!(get(&server, path, "").await.status, 200, "{path}");
        }
        let metrics = get(&server, "/metrics", "").await;
        assert!(metrics.head.contains("content-type: text/plain; version=0.0.4"), "{}", metrics.head);
        for line in [
            "voxlane_stage_seconds_count{lane=\"0\",stage=\"emit\",measure=\"final\"}",
            "voxlane_lane_restarts_total 0",
            "voxlane_server_streams_opened_total 1",
            "voxlane_server_slots{state=\"free\"}",
            "voxlane_server_slot_wait_seconds_count 1",
            "voxlane_server_breaker_state 0",
            "voxlane_server_dropped_log_lines 0",
            "voxlane_server_connections ",
        ] {
            assert!(metrics.body.contains(line), "{line}: {}", metrics.body);
        }
        assert!(get(&server, "/v1/report", "").await.body.contains("final_after_endpoint"));
        assert!(get(&server, "/v1/report?format=hlog", "").await.body.starts_with('#'));
        assert_eq!(get(&server, "/v1/report?format=pdf", "").await.status, 400);
        assert_eq!(get(&server, "/nothing", "").await.status, 404);
    });
    assert_eq!(server.drain(Duration::from_secs(10)).cut_connections, 0);
}

#[test]
fn requests_have_names() {
    let server = server(1, settings());
    Runtime::new().unwrap().block_on(async {
        let answer = get(&server, "/livez", "x-request-id: call-7\r\n").await;
        assert!(answer.head.contains("x-request-id: call-7"), "{}", answer.head);
        let answer = get(&server, "/livez", "x-request-id: a b\r\n").await;
        assert!(answer.head.contains("x-request-id: ") && !answer.head.contains("a b"), "{}", answer.head);
        // No upgrade: an error that names the request.
        let answer = get(&server, "/v1/stream", "x-request-id: call-8\r\n").await;
        let body: Value = serde_json::from_str(&answer.body).unwrap();
        assert!(answer.status >= 400);
        assert_eq!(body["error"]["request_id"], "call-8");
        let mut client = Client::connect_with(&server, &[("x-request-id", "call-9")]).await.ok().unwrap();
        client.say(json!({"type": "start"})).await;
        assert_eq!(client.next().await.ok().unwrap()["request_id"], "call-9");
    });
}
