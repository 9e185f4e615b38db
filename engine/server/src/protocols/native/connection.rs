//! One connection, from its first message to its last.

use super::VERSION;
use super::context::Context;
use super::message::{ClientMessage, Own};
use super::reading::Next;
use super::streams::Streams;
use super::talk::Talk;
use crate::close_code::{GOING_AWAY, POLICY, TOO_LARGE, TRY_AGAIN_LATER};
use crate::network::{Caller, Ending, Outbox, Problem, linger};
use crate::services::Services;
use axum::extract::ws::WebSocket;
use futures_util::StreamExt;
use futures_util::stream::SplitStream;
use std::sync::Arc;
use tokio::time::timeout;

/// See the module.
pub(super) struct Connection(Context);

impl Connection {
    pub(super) fn new(services: Arc<Services>, caller: Caller) -> Self {
        Connection(Context { services, caller })
    }

    /// Talks to the client until either side ends it. All slots have been given back when it returns.
    pub(super) async fn run(self, socket: WebSocket) {
        let (sink, mut stream) = socket.split();
        let slow =
            self.0.error(POLICY, "stream.slow_client", "events: the client leaves too many unread", None);
        let slow = Ending { is_slow: true, ..slow };
        let (outbox, writer) = Outbox::start(sink, &self.0.services.config.limits, slow);
        let ending = tokio::select! {
            ending = self.talk(&mut stream, &outbox) => ending,
            () = outbox.ended() => None,
            () = self.0.services.lifecycle.ended() => Some(self.0.going_away()),
        };
        if let Some(ending) = ending {
            outbox.end(ending);
        }
        if let Some(ending) = outbox.ending() {
            if ending.is_slow && ending.code == POLICY {
                self.0.services.metrics.slow_client();
            }
            let (code, reason) = (ending.code, &ending.reason);
            tracing::info!(request_id = %self.0.caller.request_id, client = %self.0.caller.client, code, reason, "a stream ended");
        }
        let is_unread = outbox.ending().is_some_and(|ending| ending.code == TOO_LARGE);
        drop(outbox);
        // A writer that panicked has written its last.
        let _ = writer.await;
        linger(stream, is_unread).await;
    }

    /// The ending that the talk comes to; none if the client has gone.
    async fn talk(&self, stream: &mut SplitStream<WebSocket>, outbox: &Outbox) -> Option<Ending> {
        match self.greet(stream, outbox).await? {
            Ok(streams) => Talk::new(&self.0, streams, outbox).run(stream).await,
            Err(ending) => Some(ending),
        }
    }

    /// Waits for `start`, and answers it. None if the client has gone.
    async fn greet(
        &self,
        stream: &mut SplitStream<WebSocket>,
        outbox: &Outbox,
    ) -> Option<Result<Streams, Ending>> {
        let expected = |found: &str| {
            let message = format!("start: missing (expected as the first message, found {found})");
            self.0.error(POLICY, "protocol.start", &message, None)
        };
        let limit = self.0.services.config.limits.header();
        let first = timeout(limit, async {
            loop {
                match self.0.read(stream.next().await?) {
                    Next::Nothing => {}
                    next => return Some(next),
                }
            }
        });
        let first = tokio::select! {
            first = first => first,
            () = self.0.services.lifecycle.draining() => return Some(Err(self.0.going_away())),
        };
        let start = match first {
            Ok(None) => return None,
            Err(_) => return Some(Err(expected("nothing"))),
            Ok(Some(Next::Ending(ending) | Next::Broken(ending))) => return Some(Err(ending)),
            Ok(Some(Next::Text(ClientMessage::Start(start)))) => *start,
            Ok(Some(Next::Binary(_))) => return Some(Err(expected("audio"))),
            Ok(Some(_)) => return Some(Err(expected("another message"))),
        };
        let Services { engine, .. } = &*self.0.services;
        Some(match Streams::open(&self.0.services, &self.0.caller.client, start, outbox) {
            Ok(streams) => {
                let ready = Own::Ready {
                    version: VERSION,
                    request_id: self.0.caller.request_id.as_str(),
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
                    _ if self.0.services.lifecycle.is_draining() => GOING_AWAY,
                    _ => TRY_AGAIN_LATER,
                };
                Err(self.0.error(close, code, &message, retry_after))
            }
        })
    }
}
