//! OpenAI's Realtime transcription sessions, from outside.

mod support;

use serde_json::{Value, json};
use std::time::Duration;
use support::realtime::{COMPLETED, DELTA, Realtime};
use support::{
    LONG, bytes, exact_server, in_process, object, post, server, settings, speech, until, until_free,
};
use tokio::runtime::Runtime;
use voxlane::config::{DetectorKind, EndpointConfig, PartialConfig, TurnRule};
use voxlane::{Engine, Event, StreamError, StreamOptions};

/// Samples of 24 kHz that stand for those of 16: every other one twice.
fn at_24_khz(samples: &[i16]) -> Vec<i16> {
    samples.iter().enumerate().flat_map(|(index, &sample)| vec![sample; 1 + index % 2]).collect()
}

#[test]
fn a_detector_ends_turns_and_events_come_in_order() {
    let server = exact_server(1, settings());
    let samples = at_24_khz(&speech());
    let own = server.services().engine.stream_rules().endpoint;
    let rules = EndpointConfig {
        turn: TurnRule::Off,
        silence_ms: 300,
        silence_without_speech_ms: own.silence_without_speech_ms.max(300),
        ..own
    };
    let options = StreamOptions::new(24_000).endpoint(rules).partial(PartialConfig { every_ms: 160 });
    let expected = in_process(&server.services().engine, options, &samples);
    Runtime::new().unwrap().block_on(async {
        let mut client = Realtime::connect(&server).await;
        let updated = client
            .update(json!({
                "transcription": {"model": "whisper-1", "delay": "minimal"},
                "turn_detection": {"type": "server_vad", "silence_duration_ms": 300},
                "noise_reduction": {"type": "near_field"},
            }))
            .await;
        assert_eq!(updated["type"], "session.updated", "{updated}");
        assert_eq!(updated["session"]["warnings"].as_array().unwrap().len(), 1);
        client.audio(&bytes(&samples)).await;
        let mut previous = Value::Null;
        for (text, start, end) in &expected[..expected.len() - 1] {
            let events = client.until(COMPLETED).await;
            let kinds: Vec<_> = events
                .iter()
                .map(|event| event["type"].as_str().unwrap())
                .filter(|kind| *kind != DELTA)
                .collect();
            assert_eq!(
                kinds,
                [
                    "input_audio_buffer.speech_started",
                    "input_audio_buffer.speech_stopped",
                    "input_audio_buffer.committed",
                    "conversation.item.added",
                    "conversation.item.created",
                    "conversation.item.done",
                    COMPLETED,
                ]
            );
            let of = |kind: &str| events.iter().find(|event| event["type"] == kind).unwrap();
            let (started, stopped) =
                (of("input_audio_buffer.speech_started"), of("input_audio_buffer.speech_stopped"));
            assert_eq!(started["audio_start_ms"].as_f64().unwrap(), (start * 1e3).round());
            assert!((stopped["audio_end_ms"].as_f64().unwrap() - end * 1e3).abs() <= 1.0);
            let committed = of("input_audio_buffer.committed");
            assert_eq!(committed["previous_item_id"], previous);
            previous = committed["item_id"].clone();
            assert!(of(COMPLETED)["item_id"] == previous && started["item_id"] == previous);
            assert_eq!(of(COMPLETED)["transcript"], text.trim());
            let deltas: String = events
                .iter()
                .filter(|event| event["type"] == DELTA)
                .map(|event| event["delta"].as_str().unwrap())
                .collect();
            assert_eq!(deltas, text.trim());
        }
        drop(client);
        until_free(&server, 1).await;
    });
}

/// The texts of parts, after each of which the client ends the segment.
fn turns(engine: &Engine, options: StreamOptions, parts: &[&[i16]]) -> Vec<String> {
    let (mut input, mut output) = engine.open_within(options, LONG).unwrap().split();
    std::thread::scope(|scope| {
        scope.spawn(move || {
            for part in parts {
                input.push_wait(part).unwrap();
                while matches!(input.end_segment(), Err(StreamError::Full)) {
                    std::thread::yield_now();
                }
            }
            input.finish().unwrap();
        });
        let mut texts = Vec::new();
        while !output.is_closed() {
            if let Some(Event::Final(said)) = output.next_timeout(LONG) {
                texts.push(said.text);
            }
        }
        texts
    })
}

#[test]
fn a_client_ends_turns_itself_and_forgets_audio() {
    let server = exact_server(1, settings());
    let samples = at_24_khz(&speech());
    let (first, second) = samples.split_at(samples.len() / 2);
    let own = server.services().engine.stream_rules().endpoint;
    let rules = EndpointConfig { detector: DetectorKind::Off, turn: TurnRule::Off, ..own };
    let options = StreamOptions::new(24_000).endpoint(rules).partial(PartialConfig::default());
    let expected = turns(&server.services().engine, options, &[second, first, first]);
    Runtime::new().unwrap().block_on(async {
        let mut client = Realtime::connect(&server).await;
        assert_eq!(client.update(json!({"turn_detection": null})).await["session"]["audio"]["input"]["turn_detection"], Value::Null);
        client.say(json!({"type": "input_audio_buffer.commit", "event_id": "mine"})).await;
        let error = client.next().await;
        assert_eq!((error["error"]["code"].as_str(), error["error"]["event_id"].as_str()), (Some("input_audio_buffer_commit_empty"), Some("mine")));
        client.audio(&bytes(second)).await;
        client.say(json!({"type": "input_audio_buffer.clear"})).await;
        assert_eq!(client.next().await["type"], "input_audio_buffer.cleared");
        for text in &expected[1..3] {
            client.audio(&bytes(first)).await;
            client.say(json!({"type": "input_audio_buffer.commit"})).await;
            let events = client.until(COMPLETED).await;
            assert_eq!(events[0]["type"], "input_audio_buffer.committed");
            let last = events.last().unwrap();
            assert!((last["usage"]["seconds"].as_f64().unwrap() - first.len() as f64 / 24_000.0).abs() < 1e-3, "{last}");
            assert_eq!(last["transcript"], *text);
        }
        drop(client);
        until_free(&server, 1).await;
    });
}

#[test]
fn odd_messages_are_told_and_the_session_goes_on() {
    let server = server(1, settings());
    Runtime::new().unwrap().block_on(async {
        let mut client = Realtime::connect(&server).await;
        let whole = json!({"type": "session.update", "event_id": "e", "session": {"type": "transcription", "audio": {"input": {
            "format": {"type": "audio/pcmu"}, "turn_detection": {"type": "server_vad", "threshold": 0.5}}}}}).to_string();
        for text in [
            whole.replace("audio/pcmu", "audio/opus"),
            whole.replace("transcription", "realtime"),
            whole.replace("threshold", "level"),
            whole.replace("0.5", "7"),
            whole.replace("server_vad", "semantic_vad").replace("threshold", "eagerness").replace("0.5", "\"high\""),
            "{\"type\":\"response.create\"}".into(),
            "nonsense".into(),
        ] {
            client.send(&text).await;
            let error = client.next().await;
            assert_eq!(error["type"], "error", "{text}");
            assert_eq!(error["error"]["type"], "invalid_request_error", "{error}");
        }
        let mut seed = 0x9E37_79B9_7F4A_7C15_u64;
        let mut random = |below: usize| {
            seed ^= seed << 13;
            seed ^= seed >> 7;
            seed ^= seed << 17;
            (seed % below as u64) as usize
        };
        for _ in 0..500 {
            let mut text: Vec<char> = whole.chars().collect();
            for _ in 0..=random(3) {
                let at = random(text.len());
                match random(3) {
                    0 => text[at] = char::from(32 + random(95) as u8),
                    1 => drop(text.remove(at)),
                    _ => text.insert(at, ['{', '}', '"', ',', '0', '[', 'é'][random(7)]),
                }
            }
            client.send(&text.into_iter().collect::<String>()).await;
            let answer = client.next().await;
            assert!(["error", "session.updated"].contains(&answer["type"].as_str().unwrap()), "{answer}");
        }
        client.send(&whole).await;
        assert_eq!(client.next().await["session"]["audio"]["input"]["format"]["type"], "audio/pcmu");
        client.audio(&[0xFF; 8_000]).await;
        drop(client);
        until_free(&server, 1).await;
    });
}

#[test]
fn a_secret_opens_the_session_that_it_was_made_for() {
    let server = server(1, settings());
    Runtime::new().unwrap().block_on(async {
        let session = json!({"type": "transcription", "audio": {"input": {"turn_detection": null}}});
        let wish =
            json!({"expires_after": {"anchor": "created_at", "seconds": 60}, "session": session}).to_string();
        let kind = "content-type: application/json\r\n";
        let answer = object(&post(&server, "/v1/realtime/client_secrets", kind, wish.as_bytes()).await);
        let secret = answer["value"].as_str().unwrap();
        assert!(secret.starts_with("ek_") && answer["expires_at"].as_u64().is_some(), "{answer}");
        let mut client =
            Realtime::connect_with(&server, &[("authorization", &format!("Bearer {secret}"))]).await;
        let created = client.next().await;
        assert_eq!(created["session"]["audio"]["input"]["turn_detection"], Value::Null, "{created}");
        let wrong =
            post(&server, "/v1/realtime/client_secrets", kind, br#"{"expires_after":{"seconds":1}}"#).await;
        assert_eq!((wrong.status, &object(&wrong)["error"]["param"]), (400, &json!("expires_after.seconds")));
    });
}

#[test]
fn a_server_that_stops_tells_what_it_has_taken() {
    let server = exact_server(1, settings());
    let samples = at_24_khz(&speech());
    let runtime = Runtime::new().unwrap();
    let mut client = runtime.block_on(async {
        let mut client = Realtime::connect(&server).await;
        client.update(json!({"turn_detection": null})).await;
        client.audio(&bytes(&samples[..48_000])).await;
        until("it has the slot", || server.services().admission.counts().1 == 1).await;
        // What has been sent has been taken when this is answered.
        client.send("nonsense").await;
        client.next().await;
        client
    });
    let stopping = std::thread::spawn(move || server.drain(Duration::from_secs(2)));
    runtime.block_on(async {
        let events = client.until(COMPLETED).await;
        assert!(!events.last().unwrap()["transcript"].as_str().unwrap().is_empty());
        assert_eq!(client.next().await["error"]["code"], "refused.draining");
        assert_eq!(client.next().await["code"], 1001);
    });
    drop(client);
    stopping.join().unwrap();
}
