//! One stream of the load.

use super::feeder::BLOCK;
use crate::live::feed::Said;
use anyhow::{Context, Result, bail};
use futures_util::stream::{SplitSink, SplitStream};
use futures_util::{SinkExt, StreamExt};
use serde_json::{Value, json};
use std::sync::Arc;
use std::time::{Duration, Instant};
use tokio::net::TcpStream;
use tokio::sync::mpsc::UnboundedReceiver;
use tokio::time::timeout;
use tokio_tungstenite::tungstenite::client::IntoClientRequest;
use tokio_tungstenite::tungstenite::{Error, Message};
use tokio_tungstenite::{MaybeTlsStream, WebSocketStream, connect_async_with_config};

/// A connection.
pub type Socket = WebSocketStream<MaybeTlsStream<TcpStream>>;

/// How long the server may say nothing before a stream counts as forgotten.
const PATIENCE: Duration = Duration::from_secs(60);

/// Where the server is, and by what key.
#[derive(Clone, Debug)]
pub struct Target {
    /// The address, such as `ws://127.0.0.1:8080/v1/stream`.
    pub url: String,
    /// The API key.
    pub key: Option<String>,
}

/// A word of the server that it does not serve a stream.
#[derive(Clone, Debug, PartialEq)]
pub struct Refusal {
    /// The stable name of the reason.
    pub reason: String,
    /// The time after which to try again, in seconds, if the server says one.
    pub retry_after: Option<f64>,
}

/// How a stream ended.
#[derive(Clone, Debug, PartialEq)]
pub enum End {
    /// All was said, and the server closed.
    Closed,
    /// The server said that it does not serve it (any more).
    Refused(Refusal),
    /// Without a word.
    Broken(String),
}

/// What came of a stream.
#[derive(Clone, Debug)]
pub struct StreamRun {
    /// From the beginning of the connection to the server's `ready`, in milliseconds.
    pub connect_ms: Option<f64>,
    /// The end.
    pub end: End,
    /// What was said, timed from when the stream's first sample was spoken.
    pub said: Vec<Said>,
    /// Segments that were opened.
    pub opened: usize,
    /// Whether the server took audio: it has said something about it.
    pub is_heard: bool,
    /// Bytes of messages that were sent.
    pub sent_bytes: u64,
    /// Bytes of messages that were received.
    pub received_bytes: u64,
}

/// Connects.
///
/// # Errors
/// If the server cannot be reached, or is none; a [`Refusal`] is no error.
pub async fn connect(target: &Target) -> Result<Result<Socket, Refusal>> {
    let mut request = target.url.as_str().into_client_request().with_context(|| target.url.clone())?;
    if let Some(key) = &target.key {
        let value = format!("Bearer {key}").parse().context("--key: not of visible characters")?;
        request.headers_mut().insert("authorization", value);
    }
    let connected =
        timeout(PATIENCE, connect_async_with_config(request, None, true)).await.context("no answer")?;
    match connected {
        Ok((socket, _)) => Ok(Ok(socket)),
        Err(Error::Http(response)) => {
            let body = response.body().as_deref().unwrap_or_default();
            let body: Value = serde_json::from_slice(body).unwrap_or_default();
            let status = response.status().as_u16();
            let reason =
                body["error"]["code"].as_str().map_or_else(|| format!("status {status}"), str::to_owned);
            let retry_after =
                response.headers().get("retry-after").and_then(|value| value.to_str().ok()?.parse().ok());
            Ok(Err(Refusal { reason, retry_after }))
        }
        Err(error) => Err(error.into()),
    }
}

/// Says the first message, and waits for the answer.
///
/// # Errors
/// If there is none; a [`Refusal`] is no error.
pub async fn start(socket: &mut Socket) -> Result<Result<(), Refusal>> {
    let message =
        json!({ "type": "start", "encoding": "linear16", "sample_rate": crate::recordings::SAMPLE_RATE });
    socket.send(Message::text(message.to_string())).await?;
    loop {
        match timeout(PATIENCE, socket.next()).await.context("no answer")? {
            Some(Ok(Message::Text(text))) => {
                let message: Value = serde_json::from_str(&text)?;
                if message["type"] == "ready" {
                    return Ok(Ok(()));
                }
                if let Some(refusal) = refusal(&message) {
                    return Ok(Err(refusal));
                }
            }
            Some(Ok(_)) => {}
            Some(Err(error)) => return Err(error.into()),
            None => bail!("closed before an answer"),
        }
    }
}

/// Plays `samples` to the server, block by block as `due` says, and takes down what it answers. The stream's first sample is
/// spoken at `spoken`, when it also connects.
pub async fn play(
    target: Target,
    samples: Arc<Vec<i16>>,
    due: UnboundedReceiver<usize>,
    spoken: Instant,
) -> StreamRun {
    let mut run = StreamRun {
        connect_ms: None,
        end: End::Broken(String::new()),
        said: Vec::new(),
        opened: 0,
        is_heard: false,
        sent_bytes: 0,
        received_bytes: 0,
    };
    tokio::time::sleep_until(spoken.into()).await;
    run.end = match talk(&target, samples, due, spoken, &mut run).await {
        Ok(end) => end,
        Err(error) => End::Broken(format!("{error:#}")),
    };
    run
}

async fn talk(
    target: &Target,
    samples: Arc<Vec<i16>>,
    due: UnboundedReceiver<usize>,
    spoken: Instant,
    run: &mut StreamRun,
) -> Result<End> {
    let begun = Instant::now();
    let mut socket = match connect(target).await? {
        Ok(socket) => socket,
        Err(refusal) => return Ok(End::Refused(refusal)),
    };
    if let Err(refusal) = start(&mut socket).await? {
        return Ok(End::Refused(refusal));
    }
    run.connect_ms = Some(begun.elapsed().as_secs_f64() * 1e3);
    let (sink, stream) = socket.split();
    // Writing never keeps from reading.
    let writer = tokio::spawn(write(sink, samples, due));
    let end = listen(stream, spoken, run).await;
    writer.abort();
    run.sent_bytes = writer.await.unwrap_or_default();
    end
}

async fn write(
    mut sink: SplitSink<Socket, Message>,
    samples: Arc<Vec<i16>>,
    mut due: UnboundedReceiver<usize>,
) -> u64 {
    let mut sent = 0;
    while let Some(block) = due.recv().await {
        let block = &samples[block * BLOCK..((block + 1) * BLOCK).min(samples.len())];
        let bytes: Vec<u8> = block.iter().flat_map(|sample| sample.to_le_bytes()).collect();
        sent += bytes.len() as u64;
        if sink.send(Message::binary(bytes)).await.is_err() {
            // What the server says, or does not, is taken down on the other side.
            return sent;
        }
    }
    let _ = sink.send(Message::text(r#"{"type":"finish"}"#)).await;
    sent
}

async fn listen(mut stream: SplitStream<Socket>, spoken: Instant, run: &mut StreamRun) -> Result<End> {
    let mut has_closed = false;
    let mut refused = None;
    loop {
        let message = timeout(PATIENCE, stream.next()).await.context("the server says nothing any more")?;
        let at = spoken.elapsed().as_secs_f64();
        match message {
            Some(Ok(Message::Text(text))) => {
                run.received_bytes += text.len() as u64;
                let message: Value = serde_json::from_str(&text)?;
                refused = refusal(&message).or(refused);
                has_closed |= message["type"] == "closed";
                run.take(&message, at);
            }
            Some(Ok(Message::Close(frame))) => {
                let code = frame.map_or(1005, |frame| frame.code.into());
                return Ok(match refused {
                    Some(refusal) => End::Refused(refusal),
                    None if has_closed && code == 1000 => End::Closed,
                    None => End::Broken(format!("close {code}")),
                });
            }
            Some(Ok(_)) => {}
            Some(Err(error)) => {
                return Ok(refused.map_or_else(|| End::Broken(error.to_string()), End::Refused));
            }
            None => return Ok(refused.map_or_else(|| End::Broken("no close frame".into()), End::Refused)),
        }
    }
}

/// The error of a connection, if the message is one: those of a stream have no code.
fn refusal(message: &Value) -> Option<Refusal> {
    let reason = message["code"].as_str().filter(|_| message["type"] == "error")?.to_owned();
    Some(Refusal { reason, retry_after: message["retry_after_ms"].as_f64().map(|ms| ms / 1e3) })
}

impl StreamRun {
    /// Takes down an event.
    pub(super) fn take(&mut self, event: &Value, at: f64) {
        let is_final = match event["type"].as_str() {
            Some("speech_start") => {
                self.opened += 1;
                self.is_heard = true;
                return;
            }
            Some("final") => true,
            Some("partial") => false,
            _ => return,
        };
        let text = |field: &str| event[field].as_str().unwrap_or_default().to_owned();
        let number = |field: &str| event[field].as_f64().unwrap_or_default();
        let latency = |field: &str| event["latency_ms"][field].as_f64();
        let after_endpoint_ms = match (latency("total"), latency("endpoint_wait")) {
            (Some(total), Some(wait)) if is_final => Some(total - wait),
            _ => None,
        };
        self.said.push(Said {
            at,
            segment: event["segment"].as_u64().and_then(|number| number.try_into().ok()).unwrap_or_default(),
            is_final,
            start: number("start"),
            end: number("end"),
            text: text("text"),
            stable: text("stable"),
            revised: event["revised"].as_bool().unwrap_or_default(),
            after_endpoint_ms,
            total_ms: latency("total"),
            is_last: false,
            tokens: Vec::new(),
        });
    }

    /// Finals that came.
    pub fn finals(&self) -> usize {
        self.said.iter().filter(|said| said.is_final).count()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_error_of_the_connection_is_told_from_one_of_the_stream() {
        let error = json!({"type": "error", "code": "refused.full", "message": "…", "retry_after_ms": 1500});
        let expected = Refusal { reason: "refused.full".into(), retry_after: Some(1.5) };
        assert_eq!(refusal(&error), Some(expected));
        assert_eq!(refusal(&json!({"type": "error", "stream": 0, "error": "clipping"})), None);
        assert_eq!(refusal(&json!({"type": "notice", "code": "stream.finished"})), None);
    }
}
