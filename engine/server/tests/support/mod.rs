//! A server with the model that is part of the library, and clients that check every message against the schema.

#![allow(dead_code, reason = "each test program uses its part")]

#[path = "../../../voxlane/tests/support/mod.rs"]
mod toy;

pub mod realtime;

use futures_util::{SinkExt, StreamExt};
use jsonschema::Validator;
use serde_json::{Value, json};
use std::path::Path;
use std::sync::{Arc, LazyLock};
use std::time::Duration;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::time::{sleep, timeout};
use tokio_tungstenite::tungstenite::client::IntoClientRequest;
use tokio_tungstenite::tungstenite::protocol::CloseFrame;
use tokio_tungstenite::tungstenite::{self, Message};
use tokio_tungstenite::{WebSocketStream, client_async};
use voxlane::config::{DetectorKind, EndpointConfig, LaneConfig, PartialConfig};
use voxlane::{Config, Engine, Event, StreamOptions};
use voxlane_server::Server;
use voxlane_server::config::ServerConfig;

/// Longer than anything takes on a busy machine.
pub const LONG: Duration = Duration::from_secs(60);

/// A read sentence and a pause, twice: 16 kHz.
pub fn speech() -> Vec<i16> {
    let file = Path::new(env!("CARGO_MANIFEST_DIR")).join("../voxlane/assets/warm-speech.s16le");
    let bytes = std::fs::read(file).unwrap();
    let mut samples: Vec<i16> =
        bytes.as_chunks().0.iter().map(|&sample| i16::from_le_bytes(sample)).collect();
    samples.resize(samples.len() + 16_000, 0);
    samples.repeat(2)
}

pub fn bytes(samples: &[i16]) -> Vec<u8> {
    samples.iter().flat_map(|sample| sample.to_le_bytes()).collect()
}

/// What engines of tests have in common: segments are found by loudness, so that nothing need be fetched.
fn config(slots: usize) -> Config {
    let endpoint = EndpointConfig { detector: DetectorKind::Energy, ..EndpointConfig::default() };
    Config {
        model: "commands".into(),
        lanes: vec![LaneConfig::with_slots(slots)],
        endpoint,
        partial: PartialConfig { every_ms: 250 },
        ..Config::default()
    }
}

/// An engine whose texts are checksums of each 100 ms of audio: one sample that is lost or changed shows.
pub fn exact_engine(slots: usize) -> Arc<Engine> {
    Arc::new(Engine::with_model(config(slots), Arc::new(toy::Toy::default()), Arc::new(toy::Hex)).unwrap())
}

/// An engine with the model that is part of the library.
pub fn engine(slots: usize) -> Arc<Engine> {
    Arc::new(Engine::start(config(slots)).unwrap())
}

/// Settings with a free port, and no patience that a test would have to wait for.
pub fn settings() -> ServerConfig {
    ServerConfig { listen: ([127, 0, 0, 1], 0).into(), ..ServerConfig::default() }
}

/// A server whose texts are checksums.
pub fn exact_server(slots: usize, config: ServerConfig) -> Server {
    Server::start(config, exact_engine(slots)).unwrap()
}

pub fn server(slots: usize, config: ServerConfig) -> Server {
    Server::start(config, engine(slots)).unwrap()
}

/// Texts, starts and ends of the finals that the library itself gives.
pub fn in_process(engine: &Engine, options: StreamOptions, samples: &[i16]) -> Vec<(String, f64, f64)> {
    let (mut input, mut output) = engine.open_within(options, LONG).unwrap().split();
    let mut finals = Vec::new();
    std::thread::scope(|scope| {
        scope.spawn(move || {
            input.push_wait(samples).unwrap();
            input.finish().unwrap();
        });
        while !output.is_closed() {
            if let Some(Event::Final(said)) = output.next_timeout(LONG) {
                finals.push((said.text, said.start, said.end));
            }
        }
    });
    finals
}

/// The finals among messages, as [`in_process`] has them.
pub fn finals(messages: &[Value]) -> Vec<(String, f64, f64)> {
    let finals = messages.iter().filter(|message| message["type"] == "final");
    finals
        .map(|said| {
            let number = |field: &str| said[field].as_f64().unwrap();
            (said["text"].as_str().unwrap().to_owned(), number("start"), number("end"))
        })
        .collect()
}

/// Waits until something holds.
pub async fn until(what: &str, holds: impl Fn() -> bool) {
    let waited = timeout(LONG, async {
        while !holds() {
            sleep(Duration::from_millis(5)).await;
        }
    });
    assert!(waited.await.is_ok(), "{what}");
}

/// Waits until every slot is free and counted as such.
pub async fn until_free(server: &Server, slots: usize) {
    let services = server.services();
    until("all slots come back", || {
        services.engine.vacancies() == slots && services.admission.counts() == (0, 0)
    })
    .await;
}

fn schema(definition: &str) -> Validator {
    let file = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/protocol.schema.json");
    let mut schema: Value = serde_json::from_slice(&std::fs::read(file).unwrap()).unwrap();
    let schema = schema.as_object_mut().unwrap();
    schema.remove("oneOf");
    schema.insert("$ref".into(), json!(format!("#/$defs/{definition}")));
    jsonschema::validator_for(&json!(schema)).unwrap()
}

static SERVERS: LazyLock<Validator> = LazyLock::new(|| schema("server"));
static CLIENTS: LazyLock<Validator> = LazyLock::new(|| schema("client"));

/// A client of `/v1/stream`.
pub struct Client {
    socket: WebSocketStream<TcpStream>,
}

impl Client {
    pub async fn connect(server: &Server) -> Client {
        Self::connect_with(server, &[]).await.unwrap()
    }

    /// Connects with headers; the status and the body where the server refuses.
    pub async fn connect_with(
        server: &Server,
        headers: &[(&'static str, &str)],
    ) -> Result<Client, (u16, Value)> {
        let address = server.address();
        let mut request = format!("ws://{address}/v1/stream").into_client_request().unwrap();
        for (name, value) in headers {
            request.headers_mut().insert(*name, value.parse().unwrap());
        }
        let stream = TcpStream::connect(address).await.unwrap();
        match timeout(LONG, client_async(request, stream)).await.unwrap() {
            Ok((socket, _)) => Ok(Client { socket }),
            Err(tungstenite::Error::Http(response)) => {
                let body = response.body().as_deref().unwrap_or_default();
                Err((response.status().as_u16(), serde_json::from_slice(body).unwrap_or_default()))
            }
            Err(error) => panic!("{error}"),
        }
    }

    /// Connects, and starts with `message`.
    pub async fn start(server: &Server, mut message: Value) -> Client {
        let mut client = Self::connect(server).await;
        message["type"] = json!("start");
        client.say(message).await;
        let ready = client.next().await.unwrap();
        assert_eq!(ready["type"], "ready", "{ready}");
        client
    }

    /// Sends a message, which is one of the schema's.
    pub async fn say(&mut self, message: Value) {
        if let Err(error) = CLIENTS.validate(&message) {
            panic!("{message}: {error}");
        }
        self.send(Message::text(message.to_string())).await;
    }

    pub async fn send(&mut self, message: Message) {
        timeout(LONG, self.socket.send(message)).await.unwrap().unwrap();
    }

    /// Sends a message to a server that may have gone.
    pub async fn try_send(&mut self, message: Message) -> bool {
        timeout(LONG, self.socket.send(message)).await.unwrap().is_ok()
    }

    pub async fn audio(&mut self, bytes: &[u8]) {
        self.send(Message::binary(bytes.to_vec())).await;
    }

    /// The next message, checked; the close frame, if that is what comes.
    pub async fn next(&mut self) -> Result<Value, Option<CloseFrame>> {
        loop {
            match timeout(LONG, self.socket.next()).await.expect("the server answers") {
                Some(Ok(Message::Text(text))) => {
                    let message: Value = serde_json::from_str(&text).unwrap();
                    if let Err(error) = SERVERS.validate(&message) {
                        panic!("{message}: {error}");
                    }
                    return Ok(message);
                }
                Some(Ok(Message::Close(frame))) => return Err(frame),
                Some(Ok(_)) => {}
                Some(Err(error)) => panic!("{error}"),
                None => return Err(None),
            }
        }
    }

    /// All messages up to the close frame, and its code.
    pub async fn rest(&mut self) -> (Vec<Value>, u16) {
        let mut messages = Vec::new();
        loop {
            match self.next().await {
                Ok(message) => messages.push(message),
                Err(frame) => return (messages, frame.map_or(0, |frame| frame.code.into())),
            }
        }
    }

    /// The next message of a type.
    pub async fn until(&mut self, kind: &str) -> Value {
        loop {
            match self.next().await {
                Ok(message) if message["type"] == kind => return message,
                Ok(_) => {}
                Err(frame) => panic!("closed before {kind}: {frame:?}"),
            }
        }
    }

    /// The stream below, to read no more of it.
    pub fn into_inner(self) -> TcpStream {
        self.socket.into_inner()
    }
}

/// An answer to a plain request.
pub struct Answer {
    pub status: u16,
    pub head: String,
    pub body: String,
}

/// Asks for a page, with lines of headers.
pub async fn get(server: &Server, path: &str, headers: &str) -> Answer {
    let mut stream = TcpStream::connect(server.address()).await.unwrap();
    let request =
        format!("GET {path} HTTP/1.1\r\nhost: {}\r\nconnection: close\r\n{headers}\r\n", server.address());
    stream.write_all(request.as_bytes()).await.unwrap();
    let mut answer = Vec::new();
    timeout(LONG, stream.read_to_end(&mut answer)).await.unwrap().unwrap();
    let answer = String::from_utf8(answer).unwrap();
    let (head, body) = answer.split_once("\r\n\r\n").unwrap();
    let status = head.split(' ').nth(1).unwrap().parse().unwrap();
    Answer { status, head: head.to_lowercase(), body: body.to_owned() }
}

/// Sends a body, with lines of headers. A server that refuses early need not read all of it.
pub async fn post(server: &Server, path: &str, headers: &str, body: &[u8]) -> Answer {
    let mut stream = TcpStream::connect(server.address()).await.unwrap();
    let (host, length) = (server.address(), body.len());
    let head = format!(
        "POST {path} HTTP/1.1\r\nhost: {host}\r\nconnection: close\r\ncontent-length: {length}\r\n{headers}\r\n"
    );
    let mut answer = Vec::new();
    let exchange = async {
        stream.write_all(head.as_bytes()).await.unwrap();
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

/// The JSON of an answer.
pub fn object(answer: &Answer) -> Value {
    serde_json::from_str(&answer.body).unwrap_or_else(|error| panic!("{error}: {}", answer.body))
}

/// A WAV file of 16 kHz.
pub fn wav(samples: &[i16]) -> Vec<u8> {
    let data = bytes(samples);
    let number = |value: usize| u32::try_from(value).unwrap().to_le_bytes();
    let mut file = b"RIFF".to_vec();
    file.extend_from_slice(&number(36 + data.len()));
    file.extend_from_slice(b"WAVEfmt \x10\0\0\0\x01\0\x01\0\x80\x3e\0\0\0\x7d\0\0\x02\0\x10\0data");
    file.extend_from_slice(&number(data.len()));
    file.extend_from_slice(&data);
    file
}
