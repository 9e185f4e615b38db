//! OpenAI's protocol for recordings, from outside.

mod support;

use serde_json::{Value, json};
use sha2::{Digest, Sha256};
use support::realtime::Realtime;
use support::{
    Answer, exact_server, get, in_process, object, post, server, settings, speech, until, until_free, wav,
};
use tokio::io::AsyncWriteExt;
use tokio::net::TcpStream;
use tokio::runtime::Runtime;
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

async fn transcribe(server: &Server, fields: &[(&str, &str)], file: Option<&[u8]>) -> Answer {
    let kind = format!("content-type: multipart/form-data; boundary={BOUNDARY}\r\n");
    post(server, "/v1/audio/transcriptions", &kind, &form(fields, file)).await
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
