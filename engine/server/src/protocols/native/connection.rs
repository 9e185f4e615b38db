//! One connection, from its first message to its last.

use super::VERSION;
use super::message::{ClientMessage, Own};
use super::streams::{End, Fault, Streams};
use crate::close_code::{BAD_DATA, GOING_AWAY, INTERNAL, NORMAL, POLICY, TOO_LARGE, TRY_AGAIN_LATER};
use crate::network::{Caller, Ending, Outbox, Problem, linger};
use crate::services::Services;
use crate::session::SessionError;
use axum::extract::ws::{Message, WebSocket};
use futures_util::StreamExt;
use futures_util::stream::SplitStream;
use std::sync::Arc;
use std::time::Duration;
use tokio::time::{Instant, interval_at, timeout};
use voxlane::StreamFault;

/// How often the server asks whether the client is still there.
const PING: Duration = Duration::from_secs(15);

/// A client of whom nothing has come for so long, not even an answer to a ping, has gone.
const SILENCE: Duration = Duration::from_secs(45);

/// See the module.
pub(super) struct Connection {
    services: Arc<Services>,
    caller: Caller,
}

/// What comes next on a connection.
enum Next {
    Binary(axum::body::Bytes),
    Text(ClientMessage),
    /// A message of the WebSocket itself.
    Nothing,
    /// What is none of the protocol's messages.
    Ending(Ending),
    /// What is no WebSocket message, or the client's disappearance.
    Broken(Ending),
}

impl Connection {
    pub(super) fn new(services: Arc<Services>, caller: Caller) -> Self {
        Connection { services, caller }
    }

    /// Talks to the client until either side ends it. All slots have been given back when it returns.
    pub(super) async fn run(self, socket: WebSocket) {
        let (sink, mut stream) = socket.split();
        let slow =
            self.error(POLICY, "stream.slow_client", "events: the client leaves too many unread", None);
        let slow = Ending { is_slow: true, ..slow };
        let (outbox, writer) = Outbox::start(sink, &self.services.config.limits, slow);
        let ending = tokio::select! {
            ending = self.talk(&mut stream, &outbox) => ending,
            () = outbox.ended() => None,
            () = self.services.lifecycle.ended() => Some(self.going_away()),
        };
        if let Some(ending) = ending {
            outbox.end(ending);
        }
        if let Some(ending) = outbox.ending() {
            if ending.is_slow && ending.code == POLICY {
                self.services.metrics.slow_client();
            }
            let (code, reason) = (ending.code, &ending.reason);
            tracing::info!(request_id = %self.caller.request_id, client = %self.caller.client, code, reason, "a stream ended");
        }
        drop(outbox);
        // A writer that panicked has written its last.
        let _ = writer.await;
        linger(stream).await;
    }

    /// The ending that the talk comes to; none if the client has gone.
    async fn talk(&self, stream: &mut SplitStream<WebSocket>, outbox: &Outbox) -> Option<Ending> {
        let mut streams = match self.greet(stream, outbox).await? {
            Ok(streams) => streams,
            Err(ending) => return Some(ending),
        };
        let lifecycle = &self.services.lifecycle;
        let mut ping = interval_at(Instant::now() + PING, PING);
        let (mut last_heard, mut has_drained) = (Instant::now(), false);
        // By the client, or because the server is being stopped.
        let (mut is_finished, mut is_stopped) = (false, false);
        loop {
            let next = tokio::select! {
                end = streams.ended() => match self.ending_of(end, is_finished) {
                    Some(ending) => return Some(ending),
                    None => continue,
                },
                message = stream.next() => {
                    last_heard = Instant::now();
                    self.read(message?)
                }
                _ = ping.tick() => {
                    if last_heard.elapsed() > SILENCE {
                        return Some(self.error(POLICY, "protocol.silence", "connection: the client does not answer pings", None));
                    }
                    outbox.send(Message::Ping(axum::body::Bytes::new()));
                    continue;
                }
                () = lifecycle.draining(), if !has_drained => {
                    has_drained = true;
                    if !streams.holds_slot() && !is_finished {
                        return Some(self.going_away());
                    }
                    continue;
                }
                () = lifecycle.finishing(), if !is_finished && !is_stopped => {
                    is_stopped = true;
                    match streams.finish().await {
                        Ok(_) => continue,
                        Err(error) => return Some(self.fault(error.into())),
                    }
                }
            };
            let done = match next {
                Next::Ending(ending) => {
                    self.finish_anyway(&mut streams).await;
                    return Some(ending);
                }
                Next::Broken(ending) => return Some(ending),
                Next::Nothing => Ok(()),
                Next::Text(ClientMessage::Ping { id }) => {
                    outbox.send(Own::Pong { id }.text());
                    Ok(())
                }
                _ if is_finished => {
                    let message =
                        "stream: finished already; what comes behind `finish` is not taken".to_owned();
                    outbox.send(Own::Notice { code: "stream.finished", message }.text());
                    Ok(())
                }
                _ if is_stopped => {
                    let message = "server: is being stopped; nothing more is taken".to_owned();
                    outbox.send(Own::Notice { code: "refused.draining", message }.text());
                    Ok(())
                }
                Next::Binary(bytes) => streams.push(&bytes).await,
                Next::Text(ClientMessage::Start(_)) => {
                    let message = "start: sent already (expected once)";
                    self.finish_anyway(&mut streams).await;
                    return Some(self.error(POLICY, "protocol.started", message, None));
                }
                Next::Text(ClientMessage::Mark {}) => streams.mark().await.map_err(Fault::from),
                Next::Text(ClientMessage::EndSegment {}) => streams.end_segment().await.map_err(Fault::from),
                Next::Text(ClientMessage::Hotwords { hotwords }) => {
                    streams.set_hotwords(&hotwords).await.map_err(Fault::from)
                }
                Next::Text(ClientMessage::Finish {}) => {
                    is_finished = true;
                    match streams.finish().await {
                        Ok(0) => Ok(()),
                        Ok(bytes) => {
                            let message =
                                format!("audio: ends within a sample frame; {bytes} bytes were left out");
                            outbox.send(Own::Notice { code: "audio.partial_frame", message }.text());
                            Ok(())
                        }
                        Err(error) => Err(error.into()),
                    }
                }
            };
            match done {
                Ok(()) => {}
                // Its events say better what became of it.
                Err(Fault::Session(SessionError::Stream(error))) if is_lost(&error) => {}
                Err(fault) => {
                    let ending = self.fault(fault);
                    self.finish_anyway(&mut streams).await;
                    return Some(ending);
                }
            }
        }
    }

    /// Has what was taken before a fault decoded and told: nothing accepted is lost.
    async fn finish_anyway(&self, streams: &mut Streams) {
        // It ends with a fault in any case.
        let told = async {
            let _ = streams.finish().await;
            while streams.ended().await.is_some() {}
        };
        let _ = timeout(self.services.config.limits.send(), told).await;
    }

    /// Waits for `start`, and answers it. None if the client has gone.
    async fn greet(
        &self,
        stream: &mut SplitStream<WebSocket>,
        outbox: &Outbox,
    ) -> Option<Result<Streams, Ending>> {
        let expected = |found: &str| {
            let message = format!("start: missing (expected as the first message, found {found})");
            self.error(POLICY, "protocol.start", &message, None)
        };
        let limit = self.services.config.limits.header();
        let first = timeout(limit, async {
            loop {
                match self.read(stream.next().await?) {
                    Next::Nothing => {}
                    next => return Some(next),
                }
            }
        });
        let first = tokio::select! {
            first = first => first,
            () = self.services.lifecycle.draining() => return Some(Err(self.going_away())),
        };
        let start = match first {
            Ok(None) => return None,
            Err(_) => return Some(Err(expected("nothing"))),
            Ok(Some(Next::Ending(ending) | Next::Broken(ending))) => return Some(Err(ending)),
            Ok(Some(Next::Text(ClientMessage::Start(start)))) => *start,
            Ok(Some(Next::Binary(_))) => return Some(Err(expected("audio"))),
            Ok(Some(_)) => return Some(Err(expected("another message"))),
        };
        let Services { engine, .. } = &*self.services;
        Some(match Streams::open(&self.services, &self.caller.client, start, outbox) {
            Ok(streams) => {
                let ready = Own::Ready {
                    version: VERSION,
                    request_id: self.caller.request_id.as_str(),
                    model: engine.model(),
                    server: env!("CARGO_PKG_VERSION"),
                    streams: streams.count(),
                };
                outbox.send(ready.text());
                Ok(streams)
            }
            Err(problem) => {
                let Problem { status, code, message, retry_after, .. } = problem;
                let close = match status {
                    400 => POLICY,
                    _ if self.services.lifecycle.is_draining() => GOING_AWAY,
                    _ => TRY_AGAIN_LATER,
                };
                Err(self.error(close, code, &message, retry_after))
            }
        })
    }

    fn read(&self, message: Result<Message, axum::Error>) -> Next {
        match message {
            Ok(Message::Binary(bytes)) => Next::Binary(bytes),
            Ok(Message::Text(text)) => match serde_json::from_str(&text) {
                Ok(message) => Next::Text(message),
                Err(error) => {
                    // Serde's text quotes no more than names of fields and kinds.
                    let message = format!("message: not one of the protocol's: {error}");
                    Next::Ending(self.error(BAD_DATA, "protocol.message", &message, None))
                }
            },
            Ok(Message::Ping(_) | Message::Pong(_) | Message::Close(_)) => Next::Nothing,
            Err(error) => self.broken(&error),
        }
    }

    /// What becomes of a connection on which what came is no message that is taken.
    fn broken(&self, error: &axum::Error) -> Next {
        let text = error.to_string();
        if text.contains("Message too long") {
            let most = self.services.config.limits.message_bytes;
            let message = format!("message: too long (expected at most {most} bytes)");
            Next::Ending(self.error(TOO_LARGE, "protocol.too_large", &message, None))
        } else {
            Next::Broken(self.error(POLICY, "protocol.websocket", &format!("websocket: {text}"), None))
        }
    }

    /// The ending that the end of a stream's events is, if it is one.
    fn ending_of(&self, end: Option<End>, is_finished: bool) -> Option<Ending> {
        match end {
            // Others go on.
            Some(End::Closed) => None,
            None if is_finished => {
                Some(Ending { code: NORMAL, reason: "finished".into(), last: None, is_slow: false })
            }
            None if self.services.lifecycle.is_draining() => Some(self.going_away()),
            None => Some(self.error(INTERNAL, "stream.ended", "stream: ended before it was finished", None)),
            Some(End::Unread) => None,
            Some(End::Failed(fault)) => {
                let close = match fault {
                    StreamFault::SlowClient => POLICY,
                    StreamFault::ShutDown => GOING_AWAY,
                    _ => INTERNAL,
                };
                Some(self.error(close, fault.code().name(), &fault.to_string(), None))
            }
        }
    }

    fn fault(&self, fault: Fault) -> Ending {
        match fault {
            Fault::Audio(error) => self.error(BAD_DATA, error.code(), &error.to_string(), None),
            Fault::Session(error) => {
                let retry_after = match &error {
                    SessionError::Refused(refusal) => refusal.retry_after(),
                    SessionError::Limit(limit) => Some(limit.retry_after()),
                    _ => None,
                };
                self.error(error.close_code(), error.code(), &error.to_string(), retry_after)
            }
        }
    }

    fn going_away(&self) -> Ending {
        let message = "server: is being stopped; connect anew";
        self.error(GOING_AWAY, "refused.draining", message, Some(Duration::from_secs(1)))
    }

    /// An ending with an error in front of it.
    fn error(&self, close: u16, code: &'static str, message: &str, retry_after: Option<Duration>) -> Ending {
        let request_id = self.caller.request_id.as_str();
        let retry_after_ms = retry_after.map(|time| u64::try_from(time.as_millis()).unwrap_or(u64::MAX));
        let last = Own::Error { code, message: message.to_owned(), request_id, retry_after_ms }.text();
        Ending { code: close, reason: code.to_owned(), last: Some(last), is_slow: false }
    }
}

/// Whether the stream has been lost, so that its events tell of it.
fn is_lost(error: &voxlane::StreamError) -> bool {
    use voxlane::StreamError;
    matches!(
        error,
        StreamError::SlowClient | StreamError::Abandoned | StreamError::LaneFailed | StreamError::ShutDown
    )
}
