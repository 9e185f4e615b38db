//! The Wyoming protocol, from outside.

mod support;

use serde_json::{Map, Value, json};
use std::net::SocketAddr;
use std::time::Duration;
use support::{LONG, bytes, exact_server, in_process, server, settings, speech, until_free};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::runtime::Runtime;
use tokio::time::timeout;
use voxlane::{Engine, StreamOptions};
use voxlane_server::Server;
use voxlane_server::config::{LimitsConfig, ServerConfig};
use voxlane_server::protocols::wyoming::{ClientEvent, Frame, FrameLimits, Frames};

const LIMITS: FrameLimits = FrameLimits { line: 1 << 16, data: 1 << 16, payload: 1 << 16 };

fn with_wyoming(config: ServerConfig) -> ServerConfig {
    ServerConfig { wyoming: Some(SocketAddr::from(([127, 0, 0, 1], 0))), ..config }
}

struct Client {
    stream: TcpStream,
    frames: Frames,
}

impl Client {
    async fn connect(server: &Server) -> Client {
        let stream = TcpStream::connect(server.wyoming_address().unwrap()).await.unwrap();
        Client { stream, frames: Frames::new(LIMITS) }
    }

    async fn write(&mut self, bytes: &[u8]) {
        timeout(LONG, self.stream.write_all(bytes)).await.unwrap().unwrap();
    }

    async fn say(&mut self, kind: &str, data: Value, payload: &[u8]) {
        self.write(&event(kind, &data, payload)).await;
    }

    /// The next event; nothing at the end.
    async fn next(&mut self) -> Option<(String, Value)> {
        loop {
            if let Some(Frame { kind, data, .. }) = self.frames.next().unwrap() {
                return Some((kind, Value::Object(data)));
            }
            let mut piece = [0; 4096];
            match timeout(LONG, self.stream.read(&mut piece)).await.expect("the server answers") {
                Ok(0) | Err(_) => return None,
                Ok(count) => self.frames.push(&piece[..count]),
            }
        }
    }

    /// The events up to one of a kind, which is the last.
    async fn until(&mut self, kind: &str) -> Vec<(String, Value)> {
        let mut events = Vec::new();
        loop {
            let event = self.next().await.unwrap_or_else(|| panic!("closed before {kind}: {events:?}"));
            events.push(event);
            if events.last().is_some_and(|(last, _)| last == kind) {
                return events;
            }
        }
    }

    /// The code of the error, behind which the connection closes.
    async fn error(&mut self) -> String {
        let events = self.until("error").await;
        assert_eq!(self.next().await, None);
        events.last().unwrap().1["code"].as_str().unwrap().to_owned()
    }

    async fn utterance(&mut self, format: &Value, audio: &[u8], piece: usize) -> Vec<(String, Value)> {
        self.say("audio-start", format.clone(), &[]).await;
        for piece in audio.chunks(piece) {
            self.say("audio-chunk", format.clone(), piece).await;
        }
        self.say("audio-stop", json!({}), &[]).await;
        self.until("transcript-stop").await
    }
}

fn event(kind: &str, data: &Value, payload: &[u8]) -> Vec<u8> {
    let data = if data.as_object().is_some_and(Map::is_empty) { String::new() } else { data.to_string() };
    let line = json!({"type": kind, "version": "1.10.2", "data_length": data.len(), "payload_length": payload.len()});
    [format!("{line}\n{data}").as_bytes(), payload].concat()
}

fn format(rate: u32, width: usize, channels: usize) -> Value {
    json!({"rate": rate, "width": width, "channels": channels, "timestamp": 0})
}

fn expected(engine: &Engine, samples: &[i16]) -> String {
    let finals = in_process(engine, StreamOptions::new(16_000), samples);
    let texts: Vec<String> =
        finals.into_iter().map(|(text, ..)| text).filter(|text| !text.is_empty()).collect();
    texts.join(" ")
}

fn text(events: &[(String, Value)]) -> &str {
    let (_, data) = events.iter().find(|(kind, _)| kind == "transcript").unwrap();
    data["text"].as_str().unwrap()
}

fn chunks(events: &[(String, Value)]) -> String {
    events
        .iter()
        .filter(|(kind, _)| kind == "transcript-chunk")
        .filter_map(|(_, data)| data["text"].as_str())
        .collect()
}

#[test]
fn texts_are_the_librarys_and_utterances_follow_each_other() {
    let server = exact_server(2, with_wyoming(settings()));
    let samples = speech();
    let expected = expected(&server.services().engine, &samples);
    assert!(!expected.is_empty());
    let audio = bytes(&samples);
    Runtime::new().unwrap().block_on(async {
        let mut client = Client::connect(&server).await;
        client.say("select-program", json!({"name": "voxlane"}), &[]).await;
        for piece in [2_048, 3_201, 60_000] {
            let request =
                json!({"language": "en-US", "context": {"id": 7}, "name": server.services().engine.model()});
            client.say("transcribe", request, &[]).await;
            let events = client.utterance(&format(16_000, 2, 1), &audio, piece).await;
            assert_eq!(
                (text(&events), chunks(&events).as_str()),
                (expected.as_str(), expected.as_str()),
                "{piece}"
            );
            let kinds: Vec<&str> = events.iter().map(|(kind, _)| kind.as_str()).collect();
            assert_eq!(kinds[kinds.len() - 2..], ["transcript", "transcript-stop"]);
            let count = |wanted: &str| kinds.iter().filter(|&&kind| kind == wanted).count();
            assert_eq!((count("transcript-start"), count("user-event")), (1, 0), "{kinds:?}");
            assert!(
                count("voice-started") >= 2 && count("voice-started") == count("voice-stopped"),
                "{kinds:?}"
            );
            for (kind, data) in &events {
                if kind == "transcript" || kind == "transcript-start" {
                    assert_eq!((&data["language"], &data["context"]), (&json!("en-US"), &json!({"id": 7})));
                }
            }
        }
        // Nothing is left of the request before; no speech is no text.
        let events = client.utterance(&format(16_000, 2, 1), &[0; 32_000], 4_096).await;
        let kinds: Vec<&str> = events.iter().map(|(kind, _)| kind.as_str()).collect();
        assert_eq!(kinds, ["transcript-start", "transcript", "transcript-stop"]);
        assert_eq!(events[1].1, json!({"text": ""}));
        until_free(&server, 2).await;
    });
}

#[test]
fn widths_channels_and_times_are_the_clients() {
    let server = exact_server(2, with_wyoming(settings()));
    let samples = speech();
    let wanted = expected(&server.services().engine, &samples);
    let wide = |zeros: usize| -> Vec<u8> {
        samples.iter().flat_map(|sample| [vec![0; zeros], sample.to_le_bytes().to_vec()].concat()).collect()
    };
    let stereo: Vec<u8> =
        samples.iter().flat_map(|&sample| [sample, sample]).flat_map(i16::to_le_bytes).collect();
    Runtime::new().unwrap().block_on(async {
        for (form, audio) in
            [(format(16_000, 3, 1), wide(1)), (format(16_000, 4, 1), wide(2)), (format(16_000, 2, 2), stereo)]
        {
            let mut client = Client::connect(&server).await;
            let events = client.utterance(&form, &audio, 5_001).await;
            assert_eq!(text(&events), wanted, "{form}");
        }
        // Eight bits are the upper ones; half a frame at the end is told.
        let mut client = Client::connect(&server).await;
        let upper: Vec<i16> = samples.iter().map(|&sample| sample >> 8 << 8).collect();
        let eight: Vec<u8> = samples.iter().map(|&sample| ((sample >> 8) + 128) as u8).collect();
        let events = client.utterance(&format(16_000, 1, 1), &eight, 999).await;
        assert_eq!(text(&events), expected(&server.services().engine, &upper));
        let mut form = format(16_000, 2, 1);
        form["timestamp"] = json!(5_000);
        let events = client.utterance(&form, &[bytes(&samples), vec![1]].concat(), 5_001).await;
        let started = events.iter().find(|(kind, _)| kind == "voice-started").unwrap();
        assert!(started.1["timestamp"].as_u64().is_some_and(|time| time >= 5_000), "{started:?}");
        let warning = events.iter().find(|(kind, _)| kind == "user-event").unwrap();
        assert_eq!(
            (&warning.1["name"], &warning.1["data"]["code"]),
            (&json!("warning"), &json!("audio.partial_frame"))
        );
        // Audio without a start has the format of its first chunk.
        let mut client = Client::connect(&server).await;
        client.say("audio-chunk", format(16_000, 2, 1), &bytes(&samples)[..40_000]).await;
        client.say("audio-stop", json!({}), &[]).await;
        client.until("transcript").await;
        until_free(&server, 2).await;
    });
}

#[test]
fn what_there_is_is_described_and_odd_wishes_are_told() {
    let server = server(1, with_wyoming(settings()));
    Runtime::new().unwrap().block_on(async {
        let mut client = Client::connect(&server).await;
        client.say("describe", json!({}), &[]).await;
        let (kind, info) = client.next().await.unwrap();
        let program = &info["asr"][0];
        assert_eq!((kind.as_str(), &program["models"][0]["name"]), ("info", &json!("commands")));
        assert_eq!(program["models"][0]["languages"], json!(["en"]));
        assert_eq!(program["supports_transcript_streaming"], true);
        client.say("ping", json!({"text": "a\nb"}), &[]).await;
        assert_eq!(client.next().await.unwrap(), ("pong".into(), json!({"text": "a\nb"})));
        // Dropped, as the protocol has it.
        client.say("played", json!({"odd": [1]}), &[1, 2, 3]).await;
        let request = json!({"name": "whisper-1", "vad_sensitivity": "aggressive", "transcript_names": ["Ada"], "transcript_terms": ["kettle", "oven"], "more": 1});
        client.say("transcribe", request, &[]).await;
        let events = client.utterance(&format(16_000, 2, 1), &[0; 3_200], 320).await;
        let codes: Vec<&str> = events.iter().filter_map(|(_, data)| data["data"]["code"].as_str()).collect();
        assert_eq!(codes, ["transcribe.name", "transcribe.vad_sensitivity", "hotwords.spelling"]);
        until_free(&server, 1).await;
    });
}

#[test]
fn what_is_wrong_is_answered_and_closed() {
    let limits = LimitsConfig { header_ms: 300, message_bytes: 65_536, ..LimitsConfig::default() };
    let server = server(1, with_wyoming(ServerConfig { limits, ..settings() }));
    let good = format(16_000, 2, 1);
    let start = event("audio-start", &good, &[]);
    let with = |kind: &str, data: Value| event(kind, &data, &[]);
    let cases = [
        (b"GET / HTTP/1.1\r\n".to_vec(), "protocol.message"),
        (b"\xFF\n".to_vec(), "protocol.message"),
        (vec![b'x'; 40_000], "protocol.too_large"),
        (b"{\"type\":\"audio-chunk\",\"payload_length\":50000000}\n".to_vec(), "protocol.too_large"),
        (b"{\"type\":\"describe\"".to_vec(), "protocol.late"),
        (Vec::new(), "protocol.late"),
        (with("audio-start", json!({"rate": 16_000})), "protocol.message"),
        (with("audio-stop", json!({})), "protocol.order"),
        ([start.clone(), start.clone()].concat(), "protocol.order"),
        ([start.clone(), with("transcribe", json!({}))].concat(), "protocol.order"),
        ([start.clone(), event("audio-chunk", &format(8_000, 2, 1), &[0; 64])].concat(), "audio.format"),
        (with("audio-start", format(16_000, 5, 1)), "audio.width"),
        (with("audio-start", format(16_000, 0, 1)), "audio.width"),
        (with("audio-start", format(1, 2, 1)), "audio.sample_rate"),
        (with("audio-start", format(16_000, 2, 0)), "audio.channels"),
        ([with("transcribe", json!({"language": "xx"})), start].concat(), "open.language"),
        (with("select-program", json!({"name": "other"})), "protocol.program"),
        (with("synthesize", json!({"text": "hello"})), "protocol.service"),
    ];
    Runtime::new().unwrap().block_on(async {
        for (sent, code) in cases {
            let mut client = Client::connect(&server).await;
            client.write(&sent).await;
            assert_eq!(
                client.error().await,
                code,
                "{}",
                String::from_utf8_lossy(&sent[..sent.len().min(99)])
            );
        }
        until_free(&server, 1).await;
    });
}

#[test]
fn who_finds_no_slot_is_told_and_who_vanishes_gives_his_back() {
    let server = server(1, with_wyoming(ServerConfig { queue: 0, ..settings() }));
    let audio = bytes(&speech());
    Runtime::new().unwrap().block_on(async {
        let mut first = Client::connect(&server).await;
        first.say("audio-chunk", format(16_000, 2, 1), &audio[..40_000]).await;
        support::until("the slot is taken", || server.services().admission.counts().1 == 1).await;
        let mut second = Client::connect(&server).await;
        second.say("audio-chunk", format(16_000, 2, 1), &audio[..40_000]).await;
        let (kind, error) = second.next().await.unwrap();
        assert_eq!((kind.as_str(), &error["code"]), ("error", &json!("refused.full")));
        assert!(error["retry_after_ms"].as_u64().is_some_and(|time| time > 0));
        assert_eq!(second.next().await, None);
        drop(first);
        until_free(&server, 1).await;
    });
}

#[test]
fn too_many_connections_are_told_and_a_slow_reader_is_cut() {
    let limits = LimitsConfig { connections: 1, unsent: 16, send_ms: 200, ..LimitsConfig::default() };
    let server = server(1, with_wyoming(ServerConfig { limits, ..settings() }));
    Runtime::new().unwrap().block_on(async {
        let mut slow = Client::connect(&server).await;
        slow.say("ping", json!({}), &[]).await;
        slow.until("pong").await;
        let mut other = Client::connect(&server).await;
        assert_eq!(other.error().await, "refused.connections");
        // Whoever asks and never reads the answers.
        let ask = event("describe", &json!({}), &[]).repeat(1_000);
        while timeout(Duration::from_secs(1), slow.stream.write_all(&ask))
            .await
            .is_ok_and(|sent| sent.is_ok())
        {}
        support::until("the slow one is gone", || server.services().metrics.connections() == 0).await;
        let mut other = Client::connect(&server).await;
        other.say("ping", json!({"text": "x"}), &[]).await;
        assert_eq!(other.next().await.unwrap().1, json!({"text": "x"}));
    });
}

#[test]
fn a_drain_finishes_utterances_and_sends_others_away() {
    let server = exact_server(1, with_wyoming(settings()));
    let runtime = Runtime::new().unwrap();
    let samples = speech();
    let wanted = expected(&server.services().engine, &samples);
    let (mut busy, mut idle) = runtime.block_on(async {
        let mut busy = Client::connect(&server).await;
        for piece in bytes(&samples).chunks(32_000) {
            busy.say("audio-chunk", format(16_000, 2, 1), piece).await;
        }
        support::until("the slot is taken", || server.services().admission.counts().1 == 1).await;
        let mut idle = Client::connect(&server).await;
        idle.say("ping", json!({}), &[]).await;
        idle.until("pong").await;
        (busy, idle)
    });
    let drained = std::thread::spawn(move || server.drain(Duration::from_secs(5)));
    runtime.block_on(async {
        assert_eq!(idle.error().await, "refused.draining");
        let events = busy.until("transcript-stop").await;
        assert_eq!(text(&events), wanted);
        assert_eq!(busy.error().await, "refused.draining");
        // It lingers for the end of what is sent.
        drop((busy, idle));
    });
    assert_eq!(drained.join().unwrap().cut_connections, 0);
}

/// The same numbers in every run.
struct Dice(u64);

impl Dice {
    fn roll(&mut self, below: usize) -> usize {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 33) as usize % below
    }
}

#[test]
fn no_bytes_are_too_odd_for_the_parser() {
    let corpus: Vec<Vec<u8>> = vec![
        event("describe", &json!({}), &[]),
        event(
            "transcribe",
            &json!({"language": "en", "context": {"a": [1, {"b": null}]}, "transcript_names": ["x"]}),
            &[],
        ),
        [
            event("audio-start", &format(16_000, 2, 1), &[]),
            event("audio-chunk", &format(16_000, 2, 1), &[7; 100]),
        ]
        .concat(),
        b"{\"type\":\"ping\",\"data\":{\"text\":\"\\u0000\"},\"data_length\":13}\n{\"text\":\"xy\"}".to_vec(),
        [b"{\"type\":\"a\",\"data\":".to_vec(), b"[".repeat(5_000), b"\n".to_vec()].concat(),
    ];
    let limits = FrameLimits { line: 8_192, data: 4_096, payload: 4_096 };
    let mut dice = Dice(1);
    let (mut frames_read, mut faults) = (0_u64, 0_u64);
    for round in 0..20_000 {
        let mut bytes = corpus[round % corpus.len()].clone();
        for _ in 0..1 + dice.roll(4) {
            let at = dice.roll(bytes.len().max(1));
            match dice.roll(5) {
                0 if at < bytes.len() => bytes[at] = dice.roll(256) as u8,
                1 if at < bytes.len() => bytes[at] ^= 1 << dice.roll(8),
                2 => bytes.truncate(at),
                3 => bytes.insert(at, b"\n{}[]\",:0-9e"[dice.roll(12)]),
                _ => {
                    let other = &corpus[dice.roll(corpus.len())];
                    let from = dice.roll(other.len());
                    bytes.extend_from_slice(&other[from..]);
                }
            }
        }
        // Whatever it is, it reads the same in one piece and in several.
        let read = |piece: usize| {
            let (mut frames, mut found) = (Frames::new(limits), Vec::new());
            for piece in bytes.chunks(piece) {
                frames.push(piece);
                loop {
                    match frames.next() {
                        Ok(Some(frame)) => found.push(frame),
                        Ok(None) => break,
                        Err(fault) => return (found, Some(fault.code())),
                    }
                }
            }
            (found, None)
        };
        let whole = read(bytes.len().max(1));
        assert_eq!(read(1 + dice.roll(40)), whole, "{}", String::from_utf8_lossy(&bytes));
        frames_read += whole.0.len() as u64;
        faults += u64::from(whole.1.is_some());
        for frame in whole.0 {
            // Whether it is an event or none, it is said.
            let _ = ClientEvent::of(frame);
        }
    }
    assert!(frames_read > 5_000 && faults > 2_000, "{frames_read} frames, {faults} faults");
}
