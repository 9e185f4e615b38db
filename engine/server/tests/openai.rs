//! OpenAI's protocols, from outside.

mod support;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use futures_util::{SinkExt, StreamExt};
use serde_json::{Value, json};
use sha2::{Digest, Sha256};
use std::time::Duration;
use support::{
    Answer, LONG, bytes, exact_server, get, in_process, server, settings, speech, until, until_free,
};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::runtime::Runtime;
use tokio::time::timeout;
use tokio_tungstenite::tungstenite::Message;
use tokio_tungstenite::tungstenite::client::IntoClientRequest;
use tokio_tungstenite::{WebSocketStream, client_async};
use voxlane::config::{DetectorKind, EndpointConfig, PartialConfig, TurnRule};
use voxlane::{Engine, Event, StreamError, StreamOptions};
use voxlane_server::Server;
use voxlane_server::config::{LimitsConfig, ServerConfig};
use voxlane_server::recording::RecordingOptions;

const BOUNDARY: &str = "7f3a";

/// A form of fields, and a file.
fn form(fields: &[(&str, &str)], file: Option<&[u8]>) -> Vec<u8> {
    let mut body = Vec::new();
    for (name, value) in fields {
        body.extend_from_slice(
            format!("--{BOUNDARY}\r\ncontent-disposition: form-data; name=\"{name}\"\r\n\r\n{value}\r\n")
                .as_bytes(),
        );
    }
    if let Some(file) = file {
        let head =
            "content-disposition: form-data; name=\"file\"; filename=\"a.wav\"\r\ncontent-type: audio/x-wav";
        body.extend_from_slice(format!("--{BOUNDARY}\r\n{head}\r\n\r\n").as_bytes());
        body.extend_from_slice(file);
        body.extend_from_slice(b"\r\n");
    }
    body.extend_from_slice(format!("--{BOUNDARY}--\r\n").as_bytes());
    body
}

/// A WAV file of 16 kHz.
fn wav(samples: &[i16]) -> Vec<u8> {
    let data = bytes(samples);
    let number = |value: usize| u32::try_from(value).unwrap().to_le_bytes();
    let mut file = b"RIFF".to_vec();
    file.extend_from_slice(&number(36 + data.len()));
    file.extend_from_slice(b"WAVEfmt \x10\0\0\0\x01\0\x01\0\x80\x3e\0\0\0\x7d\0\0\x02\0\x10\0data");
    file.extend_from_slice(&number(data.len()));
    file.extend_from_slice(&data);
    file
}

async fn post(server: &Server, path: &str, headers: &str, body: &[u8]) -> Answer {
    let mut stream = TcpStream::connect(server.address()).await.unwrap();
    let (host, length) = (server.address(), body.len());
    let head = format!(
        "POST {path} HTTP/1.1\r\nhost: {host}\r\nconnection: close\r\ncontent-length: {length}\r\n{headers}\r\n"
    );
    let mut answer = Vec::new();
    let exchange = async {
        stream.write_all(head.as_bytes()).await.unwrap();
        // Who is refused early need not read all.
        let _ = stream.write_all(body).await;
        let _ = stream.read_to_end(&mut answer).await;
    };
    timeout(LONG, exchange).await.unwrap();
    let answer = String::from_utf8(answer).unwrap();
    let (head, body) = answer.split_once("\r\n\r\n").unwrap_or((&answer, ""));
    let status = head.split(' ').nth(1).unwrap_or("0").parse().unwrap();
    let is_chunked = head.to_lowercase().contains("transfer-encoding: chunked");
    let body = if is_chunked { unchunked(body) } else { body.to_owned() };
    Answer { status, head: head.to_lowercase(), body }
}

fn unchunked(mut body: &str) -> String {
    let mut whole = String::new();
    while let Some((size, rest)) = body.split_once("\r\n") {
        let size = usize::from_str_radix(size, 16).unwrap();
        whole += &rest[..size];
        body = &rest[size + 2..];
        if size == 0 {
            break;
        }
    }
    whole
}

async fn transcribe(server: &Server, fields: &[(&str, &str)], file: Option<&[u8]>) -> Answer {
    let kind = format!("content-type: multipart/form-data; boundary={BOUNDARY}\r\n");
    post(server, "/v1/audio/transcriptions", &kind, &form(fields, file)).await
}

fn object(answer: &Answer) -> Value {
    serde_json::from_str(&answer.body).unwrap_or_else(|error| panic!("{error}: {}", answer.body))
}

/// The texts, starts and ends of a recording's segments, by the library alone.
fn expected(server: &Server, samples: &[i16]) -> Vec<(String, f64, f64)> {
    let engine = &server.services().engine;
    in_process(engine, RecordingOptions::default().stream_options(engine, 16_000), samples)
}

fn joined(segments: &[(String, f64, f64)]) -> String {
    let texts = segments.iter().map(|(text, ..)| text.trim()).filter(|text| !text.is_empty());
    texts.collect::<Vec<_>>().join(" ")
}

#[test]
fn every_format_has_the_librarys_text() {
    let server = exact_server(2, settings());
    let samples = speech().repeat(3);
    let (segments, file) = (expected(&server, &samples), wav(&samples));
    let text = joined(&segments);
    assert!(!text.is_empty());
    Runtime::new().unwrap().block_on(async {
        let ask = async |format: &str, more: &[(&str, &str)]| {
            let fields = [&[("model", "whisper-1"), ("response_format", format)], more].concat();
            let answer = transcribe(&server, &fields, Some(&file)).await;
            assert_eq!(answer.status, 200, "{}", answer.body);
            assert!(answer.head.contains("x-voxlane-model: commands"), "{}", answer.head);
            answer
        };
        let answer = object(&ask("json", &[("language", "en")]).await);
        assert_eq!((answer["text"].as_str(), &answer["usage"]["type"]), (Some(&*text), &json!("duration")));
        assert_eq!(answer["usage"]["seconds"], samples.len() as f64 / 16_000.0);
        assert_eq!(ask("text", &[]).await.body, format!("{text}\n"));

        let granularities = [("timestamp_granularities[]", "word"), ("timestamp_granularities[]", "segment")];
        let verbose = object(&ask("verbose_json", &granularities).await);
        assert_eq!((verbose["text"].as_str(), verbose["language"].as_str()), (Some(&*text), Some("en")));
        let told: Vec<_> = verbose["segments"]
            .as_array()
            .unwrap()
            .iter()
            .map(|segment| {
                (
                    segment["text"].as_str().unwrap().to_owned(),
                    segment["start"].as_f64().unwrap(),
                    segment["end"].as_f64().unwrap(),
                )
            })
            .collect();
        assert_eq!(told.len(), segments.len());
        for (told, segment) in told.iter().zip(&segments) {
            assert_eq!(told.0, segment.0.trim());
            assert!(
                (told.1 - segment.1).abs() < 1e-5 && (told.2 - segment.2).abs() < 1e-5,
                "{told:?} {segment:?}"
            );
        }
        let words: Vec<_> =
            verbose["words"].as_array().unwrap().iter().map(|word| word["word"].as_str().unwrap()).collect();
        assert_eq!(words.join(" "), text);

        let srt = ask("srt", &[]).await.body;
        assert!(srt.starts_with("1\n00:00:") && srt.contains(" --> "), "{srt}");
        let vtt = ask("vtt", &[("temperature", "0.2")]).await;
        assert!(vtt.body.starts_with("WEBVTT\n\n"), "{}", vtt.body);
        assert!(vtt.head.contains("x-voxlane-warnings: temperature: no effect"), "{}", vtt.head);

        let probable = object(&ask("json", &[("include[]", "logprobs")]).await);
        let tokens = probable["logprobs"].as_array().unwrap();
        assert!(tokens.iter().all(|token| token["logprob"].as_f64().unwrap() <= 0.0), "{tokens:?}");
        until_free(&server, 2).await;
    });
}

#[test]
fn a_stream_of_events_grows_to_the_text() {
    let server = exact_server(1, settings());
    let samples = speech().repeat(3);
    let text = joined(&expected(&server, &samples));
    Runtime::new().unwrap().block_on(async {
        let fields =
            [("model", "gpt-4o-transcribe"), ("stream", "true"), ("timestamp_granularities[]", "segment")];
        let answer = transcribe(&server, &fields, Some(&wav(&samples))).await;
        assert_eq!(answer.status, 200, "{}", answer.body);
        assert!(answer.head.contains("content-type: text/event-stream"), "{}", answer.head);
        let events: Vec<_> =
            answer.body.split_terminator("\n\n").map(|event| event.strip_prefix("data: ").unwrap()).collect();
        assert_eq!(events.last(), Some(&"[DONE]"));
        let events: Vec<Value> =
            events[..events.len() - 1].iter().map(|event| serde_json::from_str(event).unwrap()).collect();
        let of = |kind: &str| events.iter().filter(|event| event["type"] == kind).collect::<Vec<_>>();
        let deltas: String =
            of("transcript.text.delta").iter().map(|event| event["delta"].as_str().unwrap()).collect();
        assert_eq!(deltas, text);
        assert_eq!(of("transcript.text.segment").len(), of("transcript.text.delta").len());
        let done = events.last().unwrap();
        assert_eq!(
            (done["type"].as_str(), done["text"].as_str()),
            (Some("transcript.text.done"), Some(&*text))
        );
        until_free(&server, 1).await;
    });
}

#[test]
fn what_cannot_be_had_is_an_error_that_names_the_parameter() {
    let limits = LimitsConfig { upload_bytes: 200_000, ..LimitsConfig::default() };
    let server = server(1, ServerConfig { limits, ..settings() });
    let (small, large) = (wav(&speech()[..16_000]), wav(&vec![0; 150_000]));
    Runtime::new().unwrap().block_on(async {
        let model = ("model", "whisper-1");
        for (fields, file, status, param, code) in [
            (vec![], Some(&small), 400, "model", "missing_required_parameter"),
            (vec![model], None, 400, "file", "missing_required_parameter"),
            (vec![("model", "other")], Some(&small), 404, "model", "model_not_found"),
            (vec![model, ("language", "xx")], Some(&small), 400, "language", "unsupported_value"),
            (
                vec![model, ("response_format", "diarized_json")],
                Some(&small),
                400,
                "response_format",
                "unsupported_value",
            ),
            (vec![model, ("response_format", "xml")], Some(&small), 400, "response_format", "invalid_value"),
            (
                vec![model, ("response_format", "srt"), ("stream", "true")],
                Some(&small),
                400,
                "response_format",
                "unsupported_value",
            ),
            (vec![model, ("temperature", "7")], Some(&small), 400, "temperature", "invalid_value"),
            (vec![model, ("include[]", "x")], Some(&small), 400, "include", "invalid_value"),
            (
                vec![model, ("chunking_strategy[silence_duration_ms]", "1")],
                Some(&small),
                400,
                "chunking_strategy",
                "open.rules",
            ),
            (vec![model], Some(&large), 413, "file", "upload.too_large"),
            (vec![model], Some(&b"words, no audio".to_vec()), 400, "file", "audio.not_audio"),
        ] {
            let answer = transcribe(&server, &fields, file.map(Vec::as_slice)).await;
            let error = &object(&answer)["error"];
            let told = (answer.status, error["param"].as_str(), error["code"].as_str());
            assert_eq!(told, (status, Some(param), Some(code)), "{fields:?}: {error}");
        }
        let kind = format!("content-type: multipart/form-data; boundary={BOUNDARY}\r\n");
        let answer = post(&server, "/v1/audio/translations", &kind, &form(&[model], Some(&small))).await;
        assert_eq!((answer.status, &object(&answer)["error"]["code"]), (400, &json!("unsupported_value")));
        let answer =
            post(&server, "/v1/audio/transcriptions", "content-type: text/plain\r\n", b"words").await;
        assert_eq!((answer.status, &object(&answer)["error"]["code"]), (400, &json!("invalid_form")));
        until_free(&server, 1).await;
    });
}

#[test]
fn models_are_the_served_one_and_names_that_stand_for_it() {
    let server = server(1, settings());
    Runtime::new().unwrap().block_on(async {
        let list = object(&get(&server, "/v1/models", "").await);
        assert_eq!(
            (list["object"].as_str(), list["data"][0]["id"].as_str()),
            (Some("list"), Some("commands"))
        );
        assert_eq!(object(&get(&server, "/v1/models/whisper-1", "").await)["id"], "whisper-1");
        let unknown = get(&server, "/v1/models/other", "").await;
        assert_eq!((unknown.status, &object(&unknown)["error"]["code"]), (404, &json!("model_not_found")));
    });
}

#[test]
fn keys_are_asked_for_in_the_protocols_words() {
    let folder = tempfile::tempdir().unwrap();
    let keys = folder.path().join("keys");
    let digits: String = Sha256::digest("k1").iter().map(|byte| format!("{byte:02x}")).collect();
    std::fs::write(&keys, format!("one sha256:{digits}\n")).unwrap();
    let server = server(1, ServerConfig { keys: Some(keys), ..settings() });
    Runtime::new().unwrap().block_on(async {
        let refused = transcribe(&server, &[("model", "whisper-1")], Some(&wav(&speech()[..8_000]))).await;
        let error = &object(&refused)["error"];
        let told = (refused.status, error["type"].as_str(), error["code"].as_str());
        assert_eq!(told, (401, Some("authentication_error"), Some("invalid_api_key")));
        let key = "authorization: Bearer k1\r\n";
        assert_eq!(get(&server, "/v1/models", key).await.status, 200);
        // A browser's session, whose key is no header.
        let protocols = [("sec-websocket-protocol", "realtime, openai-insecure-api-key.k1")];
        let mut client = Realtime::connect_with(&server, &protocols).await;
        assert_eq!(client.next().await["type"], "session.created");
        let wish = post(&server, "/v1/realtime/client_secrets", key, b"").await;
        let secret = object(&wish)["value"].as_str().unwrap().to_owned();
        let mut client =
            Realtime::connect_with(&server, &[("authorization", &format!("Bearer {secret}"))]).await;
        assert_eq!(client.next().await["type"], "session.created");
    });
}

#[test]
fn a_recording_that_finds_no_slot_is_told_when_to_come_again() {
    let server = server(1, ServerConfig { queue: 0, ..settings() });
    Runtime::new().unwrap().block_on(async {
        let mut first = Realtime::connect(&server).await;
        first.audio(&[0; 24_000]).await;
        until("the first has the slot", || server.services().admission.counts().1 == 1).await;
        let file = wav(&speech()[..8_000]);
        for fields in [vec![("model", "whisper-1")], vec![("model", "whisper-1"), ("stream", "true")]] {
            let refused = transcribe(&server, &fields, Some(&file)).await;
            assert_eq!((refused.status, &object(&refused)["error"]["code"]), (503, &json!("refused.full")));
            assert!(refused.head.contains("retry-after: 1"), "{}", refused.head);
        }
        drop(first);
        until_free(&server, 1).await;
    });
}

#[test]
fn whoever_goes_away_gives_the_slot_back() {
    let server = server(1, settings());
    let body = form(&[("model", "whisper-1"), ("stream", "true")], Some(&wav(&speech().repeat(40))));
    let head = format!(
        "POST /v1/audio/transcriptions HTTP/1.1\r\nhost: a\r\ncontent-type: multipart/form-data; \
         boundary={BOUNDARY}\r\ncontent-length: {}\r\n\r\n",
        body.len()
    );
    Runtime::new().unwrap().block_on(async {
        let mut half = TcpStream::connect(server.address()).await.unwrap();
        half.write_all(head.as_bytes()).await.unwrap();
        half.write_all(&body[..body.len() / 2]).await.unwrap();
        drop(half);
        let mut whole = TcpStream::connect(server.address()).await.unwrap();
        whole.write_all(head.as_bytes()).await.unwrap();
        whole.write_all(&body).await.unwrap();
        until("it has the slot", || server.services().admission.counts().1 == 1).await;
        drop(whole);
        until_free(&server, 1).await;
        until("connections end", || server.services().metrics.connections() == 0).await;
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

#[test]
fn broken_forms_are_refused_and_nothing_is_kept() {
    let server = server(2, settings());
    let whole =
        form(&[("model", "whisper-1"), ("prompt", "a"), ("stream", "true")], Some(&wav(&speech()[..8_000])));
    Runtime::new().unwrap().block_on(async {
        let kind = format!("content-type: multipart/form-data; boundary={BOUNDARY}\r\n");
        let mut seed = 0x2545_F491_4F6C_DD1D_u64;
        let mut random = |below: usize| {
            seed ^= seed << 13;
            seed ^= seed >> 7;
            seed ^= seed << 17;
            (seed % below as u64) as usize
        };
        for _ in 0..200 {
            let mut body = whole.clone();
            for _ in 0..=random(4) {
                // The heads of the parts, mostly.
                let at = if random(4) == 0 { random(body.len()) } else { random(400.min(body.len())) };
                match random(4) {
                    0 => body[at] = random(256) as u8,
                    1 => body.truncate(at.max(1)),
                    2 => body.insert(at, random(256) as u8),
                    _ => drop(body.remove(at)),
                }
                if body.is_empty() {
                    body.push(b'-');
                }
            }
            let answer = post(&server, "/v1/audio/transcriptions", &kind, &body).await;
            assert!([200, 400, 404, 413].contains(&answer.status), "{}: {}", answer.status, answer.body);
        }
        until_free(&server, 2).await;
    });
}

/// A client of `/v1/realtime`.
struct Realtime(WebSocketStream<TcpStream>);

impl Realtime {
    async fn connect(server: &Server) -> Self {
        let mut client = Self::connect_with(server, &[]).await;
        assert_eq!(client.next().await["type"], "session.created");
        client
    }

    async fn connect_with(server: &Server, headers: &[(&'static str, &str)]) -> Self {
        let address = server.address();
        let mut request =
            format!("ws://{address}/v1/realtime?intent=transcription").into_client_request().unwrap();
        for (name, value) in headers {
            request.headers_mut().insert(*name, value.parse().unwrap());
        }
        let stream = TcpStream::connect(address).await.unwrap();
        Realtime(timeout(LONG, client_async(request, stream)).await.unwrap().unwrap().0)
    }

    async fn say(&mut self, message: Value) {
        self.send(&message.to_string()).await;
    }

    async fn send(&mut self, text: &str) {
        timeout(LONG, self.0.send(Message::text(text))).await.unwrap().unwrap();
    }

    async fn audio(&mut self, bytes: &[u8]) {
        for part in bytes.chunks(24_000) {
            self.say(json!({"type": "input_audio_buffer.append", "audio": STANDARD.encode(part)})).await;
        }
    }

    async fn update(&mut self, input: Value) -> Value {
        self.say(json!({"type": "session.update", "session": {"type": "transcription", "audio": {"input": input}}})).await;
        self.next().await
    }

    async fn next(&mut self) -> Value {
        loop {
            match timeout(LONG, self.0.next()).await.expect("the server answers") {
                Some(Ok(Message::Text(text))) => return serde_json::from_str(&text).unwrap(),
                Some(Ok(Message::Close(frame))) => {
                    return json!({"type": "close", "code": frame.map_or(0, |frame| frame.code.into())});
                }
                Some(Ok(_)) => {}
                end => panic!("{end:?}"),
            }
        }
    }

    async fn until(&mut self, kind: &str) -> Vec<Value> {
        let mut events = Vec::new();
        loop {
            let event = self.next().await;
            assert_ne!(event["type"], "close", "{events:?}");
            events.push(event);
            if events.last().unwrap()["type"] == kind {
                return events;
            }
        }
    }
}

const COMPLETED: &str = "conversation.item.input_audio_transcription.completed";
const DELTA: &str = "conversation.item.input_audio_transcription.delta";

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
