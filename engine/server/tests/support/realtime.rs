//! A client of `/v1/realtime`.

use super::LONG;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use futures_util::{SinkExt, StreamExt};
use serde_json::{Value, json};
use tokio::net::TcpStream;
use tokio::time::timeout;
use tokio_tungstenite::tungstenite::Message;
use tokio_tungstenite::tungstenite::client::IntoClientRequest;
use tokio_tungstenite::{WebSocketStream, client_async};
use voxlane_server::Server;

pub const COMPLETED: &str = "conversation.item.input_audio_transcription.completed";
pub const DELTA: &str = "conversation.item.input_audio_transcription.delta";

/// A client of `/v1/realtime`.
pub struct Realtime(WebSocketStream<TcpStream>);

impl Realtime {
    pub async fn connect(server: &Server) -> Self {
        let mut client = Self::connect_with(server, &[]).await;
        assert_eq!(client.next().await["type"], "session.created");
        client
    }

    pub async fn connect_with(server: &Server, headers: &[(&'static str, &str)]) -> Self {
        let address = server.address();
        let mut request =
            format!("ws://{address}/v1/realtime?intent=transcription").into_client_request().unwrap();
        for (name, value) in headers {
            request.headers_mut().insert(*name, value.parse().unwrap());
        }
        let stream = TcpStream::connect(address).await.unwrap();
        Realtime(timeout(LONG, client_async(request, stream)).await.unwrap().unwrap().0)
    }

    pub async fn say(&mut self, message: Value) {
        self.send(&message.to_string()).await;
    }

    pub async fn send(&mut self, text: &str) {
        timeout(LONG, self.0.send(Message::text(text))).await.unwrap().unwrap();
    }

    pub async fn audio(&mut self, bytes: &[u8]) {
        for part in bytes.chunks(24_000) {
            self.say(json!({"type": "input_audio_buffer.append", "audio": STANDARD.encode(part)})).await;
        }
    }

    pub async fn update(&mut self, input: Value) -> Value {
        self.say(json!({"type": "session.update", "session": {"type": "transcription", "audio": {"input": input}}})).await;
        self.next().await
    }

    pub async fn next(&mut self) -> Value {
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

    pub async fn until(&mut self, kind: &str) -> Vec<Value> {
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
