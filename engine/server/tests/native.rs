//! The native protocol, from outside.

mod support;

use serde_json::{Value, json};
use std::time::Duration;
use support::{Client, bytes, exact_server, finals, in_process, server, settings, speech, until_free};
use tokio::runtime::Runtime;
use tokio_tungstenite::tungstenite::Message;
use voxlane::StreamOptions;
use voxlane_server::config::ServerConfig;

#[test]
fn texts_are_the_librarys_however_bytes_are_split() {
    let server = exact_server(4, settings());
    let (samples, engine) = (speech(), &server.services().engine);
    let expected = in_process(engine, StreamOptions::new(16_000), &samples);
    assert!(expected.len() >= 2 && expected.iter().any(|(text, ..)| !text.is_empty()), "{expected:?}");
    let all = bytes(&samples);
    Runtime::new().unwrap().block_on(async {
        for size in [all.len() / 3 + 1, 3_201, 640] {
            let mut client = Client::start(&server, json!({})).await;
            for part in all.chunks(size) {
                client.audio(part).await;
            }
            client.say(json!({"type": "finish"})).await;
            let (messages, code) = client.rest().await;
            assert_eq!(finals(&messages), expected, "{size}");
            assert_eq!((messages.last().unwrap()["type"].as_str(), code), (Some("closed"), 1000));
        }
        // One byte a message: of the beginning, to save time.
        let start = &samples[..24_000];
        let expected = in_process(engine, StreamOptions::new(16_000), start);
        let mut client = Client::start(&server, json!({"options": {"events": ["final"]}})).await;
        for byte in bytes(start) {
            client.audio(&[byte]).await;
        }
        client.audio(&[]).await;
        client.say(json!({"type": "finish"})).await;
        let (messages, _) = client.rest().await;
        assert_eq!(finals(&messages), expected);
        assert!(messages.iter().all(|message| message["type"] == "final" || message["type"] == "closed"));
        until_free(&server, 4).await;
    });
}

#[test]
fn telephone_audio_and_channels_are_streams_of_their_own() {
    let server = exact_server(4, settings());
    let samples = &speech()[..57_600];
    let interleaved: Vec<u8> =
        samples.iter().flat_map(|&sample| [sample, 0]).flat_map(i16::to_le_bytes).collect();
    let expected = in_process(&server.services().engine, StreamOptions::new(16_000), samples);
    Runtime::new().unwrap().block_on(async {
        let start = json!({"channels": 2, "channel_mode": "separate"});
        let mut client = Client::start(&server, start).await;
        for part in interleaved.chunks(4_001) {
            client.audio(part).await;
        }
        client.say(json!({"type": "mark"})).await;
        client.say(json!({"type": "finish"})).await;
        let (messages, code) = client.rest().await;
        assert_eq!(code, 1000);
        let of = |channel: usize| -> Vec<Value> {
            messages.iter().filter(|message| message["channel"] == channel).cloned().collect()
        };
        assert_eq!(finals(&of(0)), expected);
        for channel in [0, 1] {
            let kinds: Vec<_> = of(channel).iter().map(|message| message["type"].clone()).collect();
            assert!(kinds.contains(&json!("marker")) && kinds.last() == Some(&json!("closed")), "{kinds:?}");
        }

        let mut client = Client::start(&server, json!({"encoding": "mulaw", "sample_rate": 8000})).await;
        client.audio(&[0xFF; 8_000]).await;
        client.say(json!({"type": "finish"})).await;
        assert_eq!(client.rest().await.1, 1000);
        until_free(&server, 4).await;
    });
}

#[test]
fn markers_are_answered_in_order_and_requests_are_told() {
    let server = server(2, settings());
    Runtime::new().unwrap().block_on(async {
        let mut client = Client::start(&server, json!({})).await;
        // Before any audio there is nothing to wait for.
        client.say(json!({"type": "mark"})).await;
        assert_eq!(client.next().await.unwrap()["marker"], 1);
        let all = bytes(&speech());
        for part in all.chunks(all.len() / 8) {
            client.audio(part).await;
            client.say(json!({"type": "mark"})).await;
        }
        client.say(json!({"type": "end_segment"})).await;
        client.say(json!({"type": "ping", "id": {"n": 7}})).await;
        assert_eq!(client.until("pong").await["id"], json!({"n": 7}));
        client.say(json!({"type": "finish"})).await;
        client.audio(&[0, 0]).await;
        let (messages, code) = client.rest().await;
        let markers: Vec<_> = messages.iter().filter(|message| message["type"] == "marker").collect();
        let asked = 1 + all.chunks(all.len() / 8).count() as u64;
        assert_eq!((markers.last().unwrap()["marker"].as_u64(), code), (Some(asked), 1000));
        until_free(&server, 2).await;
    });
}

#[test]
fn idle_streams_give_their_slot_back_and_go_on() {
    let server = exact_server(1, ServerConfig { idle_s: 1, ..settings() });
    let samples = &speech()[..57_600];
    Runtime::new().unwrap().block_on(async {
        let mut client = Client::start(&server, json!({})).await;
        client.audio(&bytes(samples)).await;
        let first = client.until("final").await;
        until_free(&server, 1).await;
        // Somebody else uses it meanwhile.
        let mut other = Client::start(&server, json!({})).await;
        other.audio(&bytes(samples)).await;
        other.say(json!({"type": "finish"})).await;
        assert_eq!(other.rest().await.1, 1000);
        until_free(&server, 1).await;

        client.say(json!({"type": "mark"})).await;
        client.audio(&bytes(samples)).await;
        client.say(json!({"type": "mark"})).await;
        client.say(json!({"type": "finish"})).await;
        let (messages, code) = client.rest().await;
        let second = messages.iter().rfind(|message| message["type"] == "final").unwrap();
        assert_eq!((&second["text"], code), (&first["text"], 1000));
        assert_eq!(second["stream"], first["stream"]);
        let number = |said: &Value, field: &str| said[field].as_f64().unwrap();
        assert!(number(second, "segment") > number(&first, "segment"));
        let seconds = samples.len() as f64 / 16_000.0;
        assert!((number(second, "start") - number(&first, "start") - seconds).abs() < 1e-6, "{second}");
        let markers: Vec<_> = messages.iter().filter_map(|message| message["marker"].as_u64()).collect();
        assert_eq!(markers, [1, 2]);
    });
}

#[test]
fn what_is_no_message_has_a_stated_answer() {
    let limits = voxlane_server::config::LimitsConfig { message_bytes: 65_536, ..Default::default() };
    let server = server(1, ServerConfig { limits, ..settings() });
    let start = |message: Value| Message::text(message.to_string());
    let good = start(json!({"type": "start"}));
    let nan = f32::NAN.to_le_bytes().to_vec();
    let cases: Vec<(Vec<Message>, &str, u16)> = vec![
        (vec![Message::binary(vec![0; 64])], "protocol.start", 1008),
        (vec![Message::text("{\"type\":\"mark\"}")], "protocol.start", 1008),
        (vec![Message::text("")], "protocol.message", 1007),
        (vec![Message::text("RIFF")], "protocol.message", 1007),
        (vec![good.clone(), Message::text("\u{0}\u{1}garbage")], "protocol.message", 1007),
        (vec![good.clone(), good.clone()], "protocol.started", 1008),
        (vec![good.clone(), Message::binary(vec![0; 100_000])], "protocol.too_large", 1009),
        (
            vec![start(json!({"type": "start", "encoding": "linear32"})), Message::binary(nan)],
            "audio.sample",
            1007,
        ),
        (vec![start(json!({"type": "start", "sample_rate": 1}))], "audio.sample_rate", 1008),
        (vec![start(json!({"type": "start", "channels": 0}))], "audio.channels", 1008),
        (
            vec![start(json!({"type": "start", "channels": 9, "channel_mode": "separate"}))],
            "audio.channels",
            1008,
        ),
        (vec![start(json!({"type": "start", "options": {"language": "xx"}}))], "open.language", 1008),
        (vec![start(json!({"type": "start", "options": {"endpoint": {"silence": 1}}}))], "open.rules", 1008),
        (
            vec![start(json!({"type": "start", "options": {"endpoint": {"threshold": 7.0}}}))],
            "open.rules",
            1008,
        ),
        (vec![start(json!({"type": "start", "options": {"prompt": "so"}}))], "open.prompt", 1008),
        (vec![start(json!({"type": "start", "volume": 11}))], "protocol.message", 1007),
    ];
    Runtime::new().unwrap().block_on(async {
        for (messages, code, close) in cases {
            let mut client = Client::connect(&server).await;
            for message in messages.clone() {
                client.send(message).await;
            }
            let (answers, closed) = client.rest().await;
            let last = answers.last().unwrap_or_else(|| panic!("{messages:?}"));
            assert_eq!((last["code"].as_str(), closed), (Some(code), close), "{last} {messages:?}");
            assert!(last["request_id"].as_str().is_some_and(|id| !id.is_empty()));
        }
        until_free(&server, 1).await;
    });
}

#[test]
fn a_client_that_says_nothing_is_told_so() {
    let limits = voxlane_server::config::LimitsConfig { header_ms: 200, ..Default::default() };
    let server = server(1, ServerConfig { limits, ..settings() });
    Runtime::new().unwrap().block_on(async {
        let mut client = Client::connect(&server).await;
        let (answers, closed) = client.rest().await;
        assert_eq!((answers[0]["code"].as_str(), closed), (Some("protocol.start"), 1008));
        tokio::time::sleep(Duration::from_millis(1)).await;
    });
}
