//! Who is refused is told, and nothing that was accepted is lost.

mod support;

use serde_json::json;
use sha2::{Digest, Sha256};
use std::fs;
use std::time::Duration;
use support::{Client, LONG, bytes, engine, finals, get, server, settings, speech, until, until_free};
use tokio::runtime::Runtime;
use tokio::task::JoinSet;
use tokio::time::timeout;
use voxlane::StreamOptions;
use voxlane_server::config::{LimitsConfig, ServerConfig};
use voxlane_server::{Server, access, operation};

/// A line of a file of keys.
fn line(name: &str, key: &str, limits: &str) -> String {
    let digits: String = Sha256::digest(key).iter().map(|byte| format!("{byte:02x}")).collect();
    format!("{name} sha256:{digits} {limits}\n")
}

#[test]
fn a_full_server_says_when_to_come_again() {
    let server = server(1, ServerConfig { queue: 1, queue_ms: 300, ..settings() });
    Runtime::new().unwrap().block_on(async {
        let part = bytes(&speech()[..16_000]);
        let mut first = Client::start(&server, json!({})).await;
        first.audio(&part).await;
        let services = server.services();
        until("the first has the slot", || services.admission.counts().1 == 1).await;

        let mut waiting = Client::start(&server, json!({})).await;
        waiting.audio(&part).await;
        until("the second waits", || services.admission.counts().0 == 1).await;
        let mut third = Client::start(&server, json!({})).await;
        third.audio(&part).await;
        for (client, code) in [(&mut third, "refused.full"), (&mut waiting, "refused.late")] {
            let (messages, close) = client.rest().await;
            let error = messages.iter().find(|message| message["type"] == "error").unwrap();
            assert_eq!((error["code"].as_str(), close), (Some(code), 1013));
            assert!(error["retry_after_ms"].as_u64().unwrap() > 0);
        }

        // Whoever waits when a slot becomes free gets it.
        let mut patient = Client::start(&server, json!({})).await;
        patient.audio(&part).await;
        until("it waits", || services.admission.counts().0 == 1).await;
        first.say(json!({"type": "finish"})).await;
        assert_eq!(first.rest().await.1, 1000);
        patient.say(json!({"type": "finish"})).await;
        assert_eq!(patient.rest().await.1, 1000);
        until_free(&server, 1).await;
        let page = get(&server, "/metrics", "").await.body;
        assert!(page.contains("voxlane_server_refusals_total{reason=\"refused.full\"} 1"), "{page}");
    });
}

#[test]
fn many_streams_of_one_client_keep_no_other_waiting() {
    let folder = tempfile::tempdir().unwrap();
    let keys = folder.path().join("keys");
    fs::write(&keys, line("many", "m", "") + &line("few", "f", "")).unwrap();
    let access = access::Keyring::load(Some(keys)).unwrap();
    let client = |key: &str| access::Client::of_account(access.find(key).unwrap());
    let (many, few) = (client("m"), client("f"));
    let config = ServerConfig { queue: 16, queue_ms: 60_000, ..settings() };
    let server = Server::start(config, engine(1)).unwrap();
    let admission = &server.services().admission;
    Runtime::new().unwrap().block_on(async {
        let held = admission.open(StreamOptions::default(), &many).await.unwrap();
        let mut waiting = JoinSet::new();
        for (number, client) in [many.clone(), many.clone(), many, few].into_iter().enumerate() {
            let (admission, name) = (admission.clone(), client.name().clone());
            waiting.spawn(async move {
                let admitted = admission.open(StreamOptions::default(), &client).await.unwrap();
                (name, admitted)
            });
            until("it waits", || admission_waits(&server) == number + 1).await;
        }
        drop(held);
        let mut turns = Vec::new();
        while let Some(turn) = timeout(LONG, waiting.join_next()).await.unwrap() {
            turns.push(turn.unwrap().0.to_string());
        }
        assert_eq!(turns, ["few", "many", "many", "many"]);
    });
}

fn admission_waits(server: &Server) -> usize {
    server.services().admission.counts().0
}

#[test]
fn keys_are_asked_for_limited_and_read_anew() {
    let folder = tempfile::tempdir().unwrap();
    let keys = folder.path().join("keys");
    let text = line("ada", "one", "streams=1")
        + &line("bob", "two", "rate=1")
        + &line("eve", "three", "seconds_a_day=1");
    fs::write(&keys, &text).unwrap();
    let server = server(4, ServerConfig { keys: Some(keys.clone()), ..settings() });
    Runtime::new().unwrap().block_on(async {
        for (headers, code) in [
            (vec![], "access.no_key"),
            (vec![("authorization", "Bearer four")], "access.unknown_key"),
            (vec![("sec-websocket-protocol", "token, four")], "access.unknown_key"),
        ] {
            let (status, body) = Client::connect_with(&server, &headers).await.err().unwrap();
            assert_eq!((status, body["error"]["code"].as_str()), (401, Some(code)));
        }
        let ada = [("authorization", "Bearer one")];
        let mut first = Client::connect_with(&server, &ada).await.unwrap();
        let mut second = Client::connect_with(&server, &[("authorization", "Token one")]).await.unwrap();
        for client in [&mut first, &mut second] {
            client.say(json!({"type": "start"})).await;
            assert_eq!(client.next().await.unwrap()["type"], "ready");
        }
        let services = server.services();
        first.audio(&[0; 3_200]).await;
        until("the first has a slot", || services.admission.counts().1 == 1).await;
        second.audio(&[0; 3_200]).await;
        let (messages, close) = second.rest().await;
        assert_eq!((messages.last().unwrap()["code"].as_str(), close), (Some("limit.streams"), 1013));

        let bob = [("sec-websocket-protocol", "token, two")];
        assert!(Client::connect_with(&server, &bob).await.is_ok());
        let (status, body) = Client::connect_with(&server, &bob).await.err().unwrap();
        assert_eq!((status, body["error"]["code"].as_str()), (429, Some("limit.rate")));

        // What was taken before the limit gets its final.
        let mut eve = Client::connect_with(&server, &[("authorization", "Bearer three")]).await.unwrap();
        eve.say(json!({"type": "start"})).await;
        eve.audio(&bytes(&speech()[..32_000])).await;
        eve.audio(&[0; 3_200]).await;
        let (messages, close) = eve.rest().await;
        assert_eq!((messages.last().unwrap()["code"].as_str(), close), (Some("limit.seconds_a_day"), 1013));
        assert!(!finals(&messages).is_empty());

        // The file is replaced: streams that are open stay.
        fs::write(&keys, line("ada", "five", "")).unwrap();
        operation::signals::reload(services);
        assert_eq!(Client::connect_with(&server, &ada).await.err().unwrap().0, 401);
        assert!(Client::connect_with(&server, &[("authorization", "Bearer five")]).await.is_ok());
        first.say(json!({"type": "finish"})).await;
        assert_eq!(first.rest().await.1, 1000);
        // A bad file changes nothing.
        fs::write(&keys, "ada five").unwrap();
        operation::signals::reload(services);
        assert!(Client::connect_with(&server, &[("authorization", "Bearer five")]).await.is_ok());
        assert_eq!(get(&server, "/metrics", "").await.status, 401);
        assert_eq!(get(&server, "/metrics", "authorization: Bearer five\r\n").await.status, 200);
        until_free(&server, 4).await;
    });
}

#[test]
fn pages_of_other_sites_are_refused() {
    let server = server(1, ServerConfig { origins: vec!["https://example.org".into()], ..settings() });
    Runtime::new().unwrap().block_on(async {
        let own = format!("http://{}", server.address());
        for origin in [own.as_str(), "https://example.org"] {
            assert!(Client::connect_with(&server, &[("origin", origin)]).await.is_ok(), "{origin}");
        }
        for origin in ["https://evil.test", "null"] {
            let (status, body) = Client::connect_with(&server, &[("origin", origin)]).await.err().unwrap();
            assert_eq!((status, body["error"]["code"].as_str()), (403, Some("access.origin")));
        }
    });
}

#[test]
fn connections_of_one_address_are_bounded() {
    let limits = LimitsConfig { peer_connections: 2, ..LimitsConfig::default() };
    let server = server(1, ServerConfig { limits, ..settings() });
    Runtime::new().unwrap().block_on(async {
        let first = Client::connect(&server).await;
        let _second = Client::connect(&server).await;
        let answer = get(&server, "/livez", "").await;
        assert_eq!(answer.status, 503);
        assert!(answer.head.contains("retry-after: 1") && answer.body.contains("refused.connections"));
        drop(first);
        let services = server.services();
        until("its place comes back", || services.metrics.connections() < 2).await;
        assert_eq!(get(&server, "/livez", "").await.status, 200);
    });
    assert_eq!(server.drain(Duration::from_secs(10)).cut_connections, 0);
}
