//! What goes wrong on a network: afterwards slots and connections are where they were, and the server is ready.

mod support;

use serde_json::json;
use std::time::Duration;
use support::{
    Client, LONG, bytes, exact_server, finals, get, in_process, server, settings, speech, until, until_free,
};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::runtime::Runtime;
use tokio::time::timeout;
use tokio_tungstenite::tungstenite::Message;
use voxlane::StreamOptions;
use voxlane_server::Server;
use voxlane_server::config::{LimitsConfig, ServerConfig};

/// The server is as at its start.
async fn is_as_before(server: &Server, slots: usize) {
    until_free(server, slots).await;
    until("all connections are gone", || server.services().metrics.connections() == 0).await;
    assert_eq!(get(server, "/readyz", "").await.status, 200);
}

#[test]
fn a_client_that_vanishes_mid_word_leaves_nothing() {
    let server = server(2, settings());
    Runtime::new().unwrap().block_on(async {
        for _ in 0..8 {
            let mut client = Client::start(&server, json!({})).await;
            client.audio(&bytes(&speech()[..12_000])).await;
            client.until("speech_start").await;
            drop(client.into_inner());
        }
        is_as_before(&server, 2).await;
    });
}

#[test]
fn a_message_of_fifty_megabytes_is_refused_before_it_is_read() {
    let server = server(1, settings());
    Runtime::new().unwrap().block_on(async {
        let mut client = Client::start(&server, json!({})).await;
        client.audio(&bytes(&speech()[..16_000])).await;
        // The server stops reading: whether all of it can be sent is up to buffers.
        let huge = vec![0; 50_000_000];
        let mut raw = client.into_inner();
        let head = [&[0x82, 0xFF][..], &50_000_000_u64.to_be_bytes(), &[0; 4]].concat();
        raw.write_all(&head).await.unwrap();
        let (mut reader, mut writer) = raw.split();
        let answer = async {
            let mut answer = Vec::new();
            let mut buffer = [0; 4096];
            while let Ok(count @ 1..) = reader.read(&mut buffer).await {
                answer.extend_from_slice(&buffer[..count]);
            }
            answer
        };
        let send = async {
            // It fails when the server has had enough.
            let _ = writer.write_all(&huge).await;
        };
        let (answer, ()) = timeout(LONG, async { tokio::join!(answer, send) }).await.unwrap();
        let answer = String::from_utf8_lossy(&answer);
        assert!(answer.contains("protocol.too_large"), "{answer}");
        is_as_before(&server, 1).await;
    });
}

#[test]
fn a_client_that_reads_nothing_is_disconnected() {
    let limits = LimitsConfig { unsent: 16, send_ms: 300, ..LimitsConfig::default() };
    let server = server(1, ServerConfig { limits, ..settings() });
    Runtime::new().unwrap().block_on(async {
        let mut client = Client::start(&server, json!({})).await;
        client.audio(&bytes(&speech()[..16_000])).await;
        // Answers of 100 kB each that nobody reads fill every buffer between.
        let ping = json!({"type": "ping", "id": "x".repeat(100_000)}).to_string();
        let sent = timeout(LONG, async { while client.try_send(Message::text(ping.clone())).await {} });
        assert!(sent.await.is_ok(), "the server gives the client up");
        is_as_before(&server, 1).await;
        assert!(get(&server, "/metrics", "").await.body.contains("voxlane_server_slow_clients_total 1"));
    });
}

#[test]
fn requests_that_never_come_to_an_end_are_given_up() {
    let limits = LimitsConfig { header_ms: 300, ..LimitsConfig::default() };
    let server = server(1, ServerConfig { limits, ..settings() });
    Runtime::new().unwrap().block_on(async {
        let mut slow = TcpStream::connect(server.address()).await.unwrap();
        slow.write_all(b"GET /v1/stream HTTP/1.1\r\nhost: x\r\nx-a").await.unwrap();
        let mut rest = Vec::new();
        // An answer or a reset: the connection ends.
        let _ = timeout(LONG, slow.read_to_end(&mut rest)).await.expect("the server gives it up");
        let mut garbage = TcpStream::connect(server.address()).await.unwrap();
        garbage.write_all(&[0xFF; 512]).await.unwrap();
        let _ = timeout(LONG, garbage.read_to_end(&mut rest)).await.expect("the server gives it up");
        let mut long = TcpStream::connect(server.address()).await.unwrap();
        let head = format!("GET /livez HTTP/1.1\r\nhost: x\r\nx-a: {}\r\n\r\n", "a".repeat(100_000));
        let _ = long.write_all(head.as_bytes()).await;
        let _ = timeout(LONG, long.read_to_end(&mut rest)).await.expect("the server gives it up");
        is_as_before(&server, 1).await;
    });
}

#[test]
fn many_connections_that_come_and_go_leave_nothing() {
    let server = server(1, settings());
    Runtime::new().unwrap().block_on(async {
        for number in 0..500 {
            let stream = TcpStream::connect(server.address()).await.unwrap();
            if number % 2 == 0 {
                drop(stream);
            } else {
                Client::connect(&server).await;
            }
        }
        is_as_before(&server, 1).await;
    });
}

#[test]
fn a_server_that_is_stopped_under_load_loses_nothing() {
    let server = exact_server(4, settings());
    let samples = speech();
    let expected = in_process(&server.services().engine, StreamOptions::new(16_000), &samples);
    Runtime::new().unwrap().block_on(async {
        let mut busy = Vec::new();
        for _ in 0..3 {
            let mut client = Client::start(&server, json!({})).await;
            client.audio(&bytes(&samples)).await;
            busy.push(client);
        }
        let mut idle = Client::start(&server, json!({})).await;
        let services = server.services().clone();
        until("all have slots", || services.admission.counts().1 == 3).await;
        let drained = tokio::task::spawn_blocking(move || server.drain(Duration::from_secs(4)));

        // Who holds no slot is sent away at once; one stream ends by itself, the others are finished.
        let (messages, close) = idle.rest().await;
        assert_eq!((messages.last().unwrap()["code"].as_str(), close), (Some("refused.draining"), 1001));
        assert!(!services.is_ready());
        busy[0].say(json!({"type": "finish"})).await;
        for (mut client, code) in busy.into_iter().zip([1000, 1001, 1001]) {
            let (messages, close) = client.rest().await;
            assert_eq!((finals(&messages), close), (expected.clone(), code));
        }
        assert_eq!(timeout(LONG, drained).await.unwrap().unwrap().cut_connections, 0);
        until("all slots come back", || services.engine.vacancies() == 4).await;
    });
}
