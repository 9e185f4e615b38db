//! Deepgram's protocols, from outside. Official clients run in `tests/clients`.

mod support;

use futures_util::{SinkExt, StreamExt};
use serde_json::{Value, json};
use support::{LONG, bytes, exact_server, in_process, server, settings, speech, until_free};
use tokio::net::TcpStream;
use tokio::runtime::Runtime;
use tokio::time::timeout;
use tokio_tungstenite::tungstenite::client::IntoClientRequest;
use tokio_tungstenite::tungstenite::{self, Message};
use tokio_tungstenite::{WebSocketStream, client_async};
use voxlane::StreamOptions;
use voxlane_server::Server;
use voxlane_server::config::{LimitsConfig, ServerConfig};

/// A client of either version.
struct Socket {
    stream: WebSocketStream<TcpStream>,
    headers: Vec<(String, String)>,
}

impl Socket {
    async fn open(server: &Server, path: &str) -> Socket {
        Self::try_open(server, path, &[]).await.unwrap()
    }

    async fn try_open(
        server: &Server,
        path: &str,
        headers: &[(&'static str, &str)],
    ) -> Result<Socket, (u16, Value)> {
        let address = server.address();
        let mut request = format!("ws://{address}{path}").into_client_request().unwrap();
        for (name, value) in headers {
            request.headers_mut().insert(*name, value.parse().unwrap());
        }
        let stream = TcpStream::connect(address).await.unwrap();
        match timeout(LONG, client_async(request, stream)).await.unwrap() {
            Ok((stream, response)) => {
                let text = |value: &tungstenite::http::HeaderValue| value.to_str().unwrap().to_owned();
                let headers = response.headers().iter().map(|(name, value)| (name.to_string(), text(value)));
                Ok(Socket { stream, headers: headers.collect() })
            }
            Err(tungstenite::Error::Http(response)) => {
                let body = response.body().as_deref().unwrap_or_default();
                Err((response.status().as_u16(), serde_json::from_slice(body).unwrap_or_default()))
            }
            Err(error) => panic!("{error}"),
        }
    }

    fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(found, _)| found == name).map(|(_, value)| value.as_str())
    }

    async fn say(&mut self, message: Value) {
        self.send(Message::text(message.to_string())).await;
    }

    async fn audio(&mut self, bytes: &[u8]) {
        self.send(Message::binary(bytes.to_vec())).await;
    }

    async fn send(&mut self, message: Message) {
        timeout(LONG, self.stream.send(message)).await.unwrap().unwrap();
    }

    /// The next message, or the close frame.
    async fn next(&mut self) -> Result<Value, (u16, String)> {
        loop {
            match timeout(LONG, self.stream.next()).await.expect("the server answers") {
                Some(Ok(Message::Text(text))) => return Ok(serde_json::from_str(&text).unwrap()),
                Some(Ok(Message::Close(frame))) => {
                    let frame = frame.unwrap();
                    return Err((frame.code.into(), frame.reason.to_string()));
                }
                Some(Ok(_)) => {}
                other => panic!("{other:?}"),
            }
        }
    }

    async fn rest(&mut self) -> (Vec<Value>, u16, String) {
        let mut messages = Vec::new();
        loop {
            match self.next().await {
                Ok(message) => messages.push(message),
                Err((code, reason)) => return (messages, code, reason),
            }
        }
    }

    async fn until(&mut self, is_it: impl Fn(&Value) -> bool) -> Value {
        loop {
            let message = self.next().await.unwrap();
            if is_it(&message) {
                return message;
            }
        }
    }

    /// Sends all of `audio` and the end; all messages, and the close code.
    async fn hear(&mut self, audio: &[u8], part: usize) -> (Vec<Value>, u16) {
        for part in audio.chunks(part) {
            self.audio(part).await;
        }
        self.say(json!({"type": "CloseStream"})).await;
        let (messages, code, _) = self.rest().await;
        (messages, code)
    }
}

/// Texts, starts and ends of the finals, as `in_process` has them.
fn finals(messages: &[Value]) -> Vec<(String, f64, f64)> {
    let finals = messages.iter().filter(|message| message["is_final"] == true);
    finals
        .map(|said| {
            let text = said["channel"]["alternatives"][0]["transcript"].as_str().unwrap().to_owned();
            let (start, duration) = (said["start"].as_f64().unwrap(), said["duration"].as_f64().unwrap());
            (text, start, start + duration)
        })
        .collect()
}

fn rounded(finals: &[(String, f64, f64)]) -> Vec<(String, i64, i64)> {
    let millis = |seconds: f64| (seconds * 1000.0).round() as i64;
    finals.iter().map(|(text, start, end)| (text.trim().to_owned(), millis(*start), millis(*end))).collect()
}

/// A WAV file, with its length or as a stream without one.
fn wav(samples: &[i16], channels: u16, has_length: bool) -> Vec<u8> {
    let data = bytes(samples);
    let length = |extra: u32| if has_length { data.len() as u32 + extra } else { u32::MAX };
    let mut file = b"RIFF".to_vec();
    file.extend(length(36).to_le_bytes());
    file.extend(b"WAVEfmt \x10\0\0\0\x01\0");
    file.extend(channels.to_le_bytes());
    file.extend(16_000_u32.to_le_bytes());
    file.extend((32_000 * u32::from(channels)).to_le_bytes());
    file.extend((2 * channels).to_le_bytes());
    file.extend(b"\x10\0data");
    file.extend(length(0).to_le_bytes());
    file.extend(&data);
    file
}

const RAW: &str = "/v1/listen?model=nova-3&encoding=linear16&sample_rate=16000";

#[test]
fn live_texts_are_the_librarys_however_audio_comes() {
    let server = exact_server(4, settings());
    let mut samples = speech();
    // A pause at the end that is as long as any that is asked for.
    samples.resize(samples.len() + 24_000, 0);
    let expected = in_process(&server.services().engine, StreamOptions::new(16_000), &samples);
    let expected = rounded(&expected);
    Runtime::new().unwrap().block_on(async {
        let all = bytes(&samples);
        // What is asked about pauses and partials changes no text.
        for (query, part) in [
            ("", all.len() / 3 + 1),
            ("&endpointing=false&interim_results=true", 3_201),
            ("&endpointing=2000&vad_events=true&interim_results=true&utterance_end_ms=1000", 640),
        ] {
            let mut socket = Socket::open(&server, &format!("{RAW}{query}")).await;
            assert!(socket.header("dg-request-id").is_some_and(|id| !id.is_empty()));
            let (messages, code) = socket.hear(&all, part).await;
            let texts: Vec<_> =
                rounded(&finals(&messages)).into_iter().filter(|(text, ..)| !text.is_empty()).collect();
            let wanted: Vec<_> = expected.iter().filter(|(text, ..)| !text.is_empty()).cloned().collect();
            assert_eq!((texts, code), (wanted, 1000), "{query}");
            let last = messages.last().unwrap();
            assert_eq!((&last["type"], &last["channels"]), (&json!("Metadata"), &json!(1)));
            assert_eq!(last["duration"].as_f64().unwrap(), samples.len() as f64 / 16_000.0);
            assert_eq!(last["sha256"].as_str().unwrap().len(), 64);
            let has = |kind: &str| messages.iter().any(|message| message["type"] == kind);
            assert_eq!(has("SpeechStarted"), query.contains("vad_events"));
            assert_eq!(has("UtteranceEnd"), query.contains("utterance_end"));
            assert_eq!(messages.iter().any(|said| said["is_final"] == false), query.contains("interim"));
            let speech_finals = messages.iter().filter(|said| said["speech_final"] == true).count();
            assert_eq!(speech_finals > 0, !query.contains("endpointing=false"), "{query}");
        }
        for has_length in [true, false] {
            let mut socket = Socket::open(&server, "/v1/listen?model=nova-3").await;
            let (messages, code) = socket.hear(&wav(&samples, 1, has_length), 1_000).await;
            assert_eq!((rounded(&finals(&messages)), code), (expected.clone(), 1000));
        }
        until_free(&server, 4).await;
    });
}

#[test]
fn channels_are_streams_of_their_own() {
    let server = exact_server(4, settings());
    let samples = &speech()[..57_600];
    let interleaved: Vec<i16> = samples.iter().flat_map(|&sample| [0, sample]).collect();
    let expected = in_process(&server.services().engine, StreamOptions::new(16_000), samples);
    Runtime::new().unwrap().block_on(async {
        let mut socket = Socket::open(&server, &format!("{RAW}&channels=2&multichannel=true")).await;
        let (messages, code) = socket.hear(&bytes(&interleaved), 4_001).await;
        let of = |channel: u64| -> Vec<Value> {
            messages
                .iter()
                .filter(|message| message["channel_index"] == json!([channel, 2]))
                .cloned()
                .collect()
        };
        assert_eq!((rounded(&finals(&of(1))), code), (rounded(&expected), 1000));
        assert_eq!(finals(&of(0)), []);
        assert_eq!(messages.last().unwrap()["channels"], 2);
        let mut socket =
            Socket::open(&server, "/v1/listen?encoding=mulaw&sample_rate=8000&no_delay=true").await;
        assert_eq!(socket.header("dg-warnings"), None);
        assert_eq!(socket.hear(&[0xFF; 8_000], 160).await.1, 1000);
        until_free(&server, 4).await;
    });
}

#[test]
fn finalize_is_answered_whether_or_not_something_was_said() {
    let server = exact_server(2, settings());
    Runtime::new().unwrap().block_on(async {
        let mut socket = Socket::open(&server, RAW).await;
        let is_answer = |message: &Value| message["from_finalize"] == true;
        socket.say(json!({"type": "Finalize"})).await;
        assert_eq!(socket.until(is_answer).await["channel"]["alternatives"][0]["transcript"], "");
        // In the middle of a sentence.
        socket.audio(&bytes(&speech()[..24_000])).await;
        socket.say(json!({"type": "Finalize"})).await;
        let answer = socket.until(is_answer).await;
        assert_eq!((&answer["is_final"], &answer["speech_final"]), (&json!(true), &json!(false)));
        assert!(answer["duration"].as_f64().unwrap() > 0.5, "{answer}");
        for bad in ["", "{\"type\":\"Stop\"}", "RIFF"] {
            socket.send(Message::text(bad)).await;
            let error = socket.until(|message| message["type"] == "Error").await;
            assert_eq!((&error["variant"], &error["message"]), (&json!("SchemaError"), &json!(bad)));
        }
        socket.say(json!({"type": "Finalize", "channel": 7})).await;
        assert_eq!(socket.next().await.unwrap()["variant"], "SchemaError");
        socket.say(json!({"type": "Configure", "keyterms": ["tea"]})).await;
        let failure = socket.until(|message| message["type"] == "ConfigureFailure").await;
        assert_eq!(failure["code"], "CONFIGURE_KEYTERMS_NOT_SUPPORTED");
        socket.say(json!({"type": "Configure", "features": {"punctuate": true}})).await;
        socket.until(|message| message["type"] == "ConfigureSuccess").await;
        socket.say(json!({"type": "KeepAlive"})).await;
        // An empty message ends the stream too.
        socket.audio(&[]).await;
        let (messages, code, _) = socket.rest().await;
        assert_eq!((&messages.last().unwrap()["type"], code), (&json!("Metadata"), 1000));
        until_free(&server, 2).await;
    });
}

#[test]
fn options_are_refused_or_told() {
    let server = server(1, settings());
    Runtime::new().unwrap().block_on(async {
        for (query, expected) in [
            ("encoding=speex&sample_rate=8000", "encoding: not supported"),
            ("encoding=linear16", "sample_rate: missing"),
            ("encoding=linear16&sample_rate=1", "sample_rate: not supported"),
            ("redact=pci", "redact: refused"),
            ("callback=http%3A%2F%2Fx", "callback: refused"),
            ("model=gpt", "model: not served"),
            ("language=xx", "language: the model lacks it"),
            ("utterance_end_ms=1000", "utterance_end_ms: needs"),
            ("multichannel=true", "multichannel: needs"),
            ("interim_results=7", "interim_results: not a switch"),
            ("keyterm=tea", "hotword \"tea\": "),
        ] {
            let (status, body) =
                Socket::try_open(&server, &format!("/v1/listen?{query}"), &[]).await.err().unwrap();
            assert_eq!((status, &body["err_code"]), (400, &json!("Bad Request")), "{query}");
            assert!(body["err_msg"].as_str().unwrap().starts_with(expected), "{body}");
            assert!(body["request_id"].as_str().is_some_and(|id| !id.is_empty()));
        }
        let server = exact_server(1, settings());
        let query = "diarize=true&speed=2&keyterm=tea&tag=a&extra=k:v&language=en-US";
        let mut socket = Socket::open(&server, &format!("{RAW}&{query}")).await;
        let warnings = socket.header("dg-warnings").unwrap().to_owned();
        assert_eq!(socket.header("dg-model-name"), Some("commands"));
        let (messages, _) = socket.hear(&[0; 640], 640).await;
        let metadata = messages.last().unwrap();
        for name in ["diarize: ", "speed: ", "keyterm: "] {
            assert!(warnings.contains(name) && metadata["warnings"].to_string().contains(name), "{warnings}");
        }
        assert_eq!((&metadata["tags"], &metadata["extra"]), (&json!(["a"]), &json!(["k:v"])));
    });
}

#[test]
fn bad_audio_and_silence_have_their_close_codes() {
    let limits = LimitsConfig { message_bytes: 65_536, ..Default::default() };
    let server = server(1, ServerConfig { limits, ..settings() });
    Runtime::new().unwrap().block_on(async {
        let nan = f32::NAN.to_le_bytes().to_vec();
        for (path, audio, code, name) in [
            ("/v1/listen?encoding=linear32&sample_rate=16000", nan, 1008, "DATA-0000"),
            ("/v1/listen", b"hello, this is text and no audio".repeat(200), 1008, "DATA-0000"),
            (RAW, vec![0; 100_000], 1009, "DATA-0001"),
        ] {
            let mut socket = Socket::open(&server, path).await;
            socket.audio(&audio).await;
            let (messages, closed, reason) = socket.rest().await;
            let last = messages.last().unwrap();
            assert_eq!((&last["type"], &last["variant"], closed), (&json!("Error"), &json!(name), code));
            assert!(reason.starts_with(name), "{reason}");
        }
        let mut socket = Socket::open(&server, RAW).await;
        socket.audio(&bytes(&speech()[..24_000])).await;
        let (messages, closed, reason) = socket.rest().await;
        assert_eq!((finals(&messages).len(), closed), (1, 1011), "what was taken is told");
        assert!(reason.starts_with("NET-0001"), "{reason}");
        until_free(&server, 1).await;
    });
}

#[test]
fn a_recording_is_answered() {
    let server = exact_server(2, settings());
    let samples = speech();
    Runtime::new().unwrap().block_on(async {
        let path = "/v1/listen?model=nova-3&utterances=true&paragraphs=true&smart_format=true&tag=a";
        let (status, body) = post(&server, path, "audio/wav", &wav(&samples, 1, true)).await;
        assert_eq!(status, 200, "{body}");
        let text = body["results"]["channels"][0]["alternatives"][0]["transcript"].as_str().unwrap();
        assert!(!text.is_empty());
        let metadata = &body["metadata"];
        assert_eq!(metadata["duration"].as_f64().unwrap(), samples.len() as f64 / 16_000.0);
        assert_eq!((&metadata["channels"], &metadata["tags"]), (&json!(1), &json!(["a"])));
        let uuid = metadata["models"][0].as_str().unwrap();
        assert_eq!(metadata["model_info"][uuid]["name"], "commands");
        assert!(!body["results"]["utterances"].as_array().unwrap().is_empty());

        let stereo: Vec<i16> = samples.iter().flat_map(|&sample| [sample, 0]).collect();
        let (_, both) =
            post(&server, "/v1/listen?multichannel=true", "audio/wav", &wav(&stereo, 2, true)).await;
        let channels = both["results"]["channels"].as_array().unwrap();
        assert_eq!((channels.len(), &channels[0]["alternatives"][0]["transcript"]), (2, &json!(text)));

        for (kind, body, expected, message) in [
            ("application/json", br#"{"url":"http://x/a.wav"}"#.to_vec(), 400, "url: "),
            ("audio/wav", b"hello, this is text".to_vec(), 400, "file: not an audio file"),
            ("audio/wav", Vec::new(), 400, "body: empty"),
            ("multipart/form-data; boundary=x", b"--x".to_vec(), 415, "body: a form"),
        ] {
            let (status, answer) = post(&server, "/v1/listen", kind, &body).await;
            assert_eq!(status, expected, "{answer}");
            assert!(answer["err_msg"].as_str().unwrap().starts_with(message), "{answer}");
        }
        until_free(&server, 2).await;
    });
}

#[test]
fn turns_have_the_librarys_texts() {
    let server = exact_server(2, settings());
    let samples = speech();
    let expected = in_process(&server.services().engine, StreamOptions::new(16_000), &samples);
    let expected: Vec<_> = expected.into_iter().map(|(text, ..)| text.trim().to_owned()).collect();
    let expected: Vec<_> = expected.into_iter().filter(|text| !text.is_empty()).collect();
    Runtime::new().unwrap().block_on(async {
        let path = "/v2/listen?model=flux-general-en&encoding=linear16&sample_rate=16000&eot_threshold=0.8";
        let mut socket = Socket::open(&server, path).await;
        let connected = socket.next().await.unwrap();
        assert_eq!((&connected["type"], &connected["sequence_id"]), (&json!("Connected"), &json!(0)));
        socket.say(json!({"type": "ForceEndTurn"})).await;
        assert_eq!(socket.next().await.unwrap()["code"], "NO_ACTIVE_TURN");
        socket.say(json!({"type": "Configure", "thresholds": {"eot_threshold": 0.5}})).await;
        assert_eq!(socket.next().await.unwrap()["type"], "ConfigureFailure");
        let (messages, code) = socket.hear(&bytes(&samples), 2_560).await;
        assert_eq!(code, 1000);
        for (index, message) in messages.iter().enumerate() {
            assert_eq!(message["sequence_id"], index + 3);
        }
        let ends: Vec<_> = messages.iter().filter(|message| message["event"] == "EndOfTurn").collect();
        let texts: Vec<_> = ends.iter().map(|end| end["transcript"].as_str().unwrap().to_owned()).collect();
        assert_eq!(texts, expected);
        for (index, end) in ends.iter().enumerate() {
            assert_eq!(end["turn_index"], index);
            let starts =
                |message: &&Value| message["event"] == "StartOfTurn" && message["turn_index"] == index;
            assert_eq!(messages.iter().filter(starts).count(), 1);
        }
        // How many there are depends on load.
        for update in messages.iter().filter(|message| message["event"] == "Update") {
            assert!(update["transcript"].is_string() && update["turn_index"].is_u64(), "{update}");
        }
        assert!(Socket::try_open(&server, "/v2/listen", &[]).await.is_err());
        until_free(&server, 2).await;
    });
}

#[test]
fn keys_come_in_each_way() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("keys");
    let digest = {
        use sha2::{Digest, Sha256};
        Sha256::digest(b"k1").iter().map(|byte| format!("{byte:02x}")).collect::<String>()
    };
    std::fs::write(&file, format!("ada sha256:{digest}\n")).unwrap();
    let server = server(1, ServerConfig { keys: Some(file), ..settings() });
    Runtime::new().unwrap().block_on(async {
        for header in [
            ("authorization", "Token k1"),
            ("authorization", "Bearer k1"),
            ("sec-websocket-protocol", "token, k1"),
        ] {
            assert!(Socket::try_open(&server, RAW, &[header]).await.is_ok(), "{header:?}");
        }
        let (status, body) =
            Socket::try_open(&server, RAW, &[("authorization", "Token k2")]).await.err().unwrap();
        assert_eq!((status, &body["err_code"]), (401, &json!("INVALID_AUTH")));
    });
}

/// Sends a body; the status and the answer.
async fn post(server: &Server, path: &str, kind: &str, body: &[u8]) -> (u16, Value) {
    let answer = support::post(server, path, &format!("content-type: {kind}\r\n"), body).await;
    (answer.status, serde_json::from_str(&answer.body).unwrap_or_default())
}
