//! A connection from its first message to its last, in either dialect.

use super::closing::Closing;
use super::dialect::{Dialect, Heard};
use super::notes::Notes;
use super::outlet::Outlet;
use super::pump::End;
use super::streams::Streams;
use crate::close_code::{NORMAL, TOO_LARGE};
use crate::network::{Caller, Ending, Outbox, linger};
use crate::services::Services;
use axum::body::Bytes;
use axum::extract::ws::{Message, WebSocket};
use futures_util::StreamExt;
use futures_util::stream::SplitStream;
use serde_json::Value;
use sha2::{Digest, Sha256};
use std::sync::Arc;
use std::time::Duration;
use tokio::time::{Instant, interval_at, sleep_until, timeout};

/// How often the server asks whether the client is still there.
const PING: Duration = Duration::from_secs(15);

/// A client of whom nothing has come for so long, not even an answer to a ping, has gone.
const SILENCE: Duration = Duration::from_secs(45);

/// How a talk goes on: or the ending, none if the client has gone.
pub(super) type Step = Result<(), Option<Ending>>;

/// How far a talk has come.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Stage {
    /// Audio is taken.
    Open,
    /// The client has said that nothing more comes.
    Finished,
    /// The server is being stopped, and takes no more.
    Stopped,
}

/// See the module.
pub(super) struct Talk {
    pub(super) services: Arc<Services>,
    pub(super) caller: Caller,
    pub(super) dialect: Arc<dyn Dialect>,
    pub(super) notes: Notes,
    pub(super) stage: Stage,
    pub(super) hash: Sha256,
}

impl Talk {
    pub(super) fn new(
        services: Arc<Services>,
        caller: Caller,
        dialect: Arc<dyn Dialect>,
        notes: Notes,
    ) -> Self {
        Talk { services, caller, dialect, notes, stage: Stage::Open, hash: Sha256::new() }
    }

    /// Talks to the client until either side ends it. `greeting` is sent first. All slots have been given back when it
    /// returns.
    pub(super) async fn run(mut self, socket: WebSocket, greeting: Option<Value>, is_numbered: bool) {
        let (sink, mut stream) = socket.split();
        let slow = self.closing(&Closing::slow(), None);
        let slow = Ending { is_slow: true, ..slow };
        let slow_code = slow.code;
        let (outbox, writer) = Outbox::start(sink, &self.services.config.limits, slow);
        let outlet = if is_numbered { Outlet::numbered(outbox) } else { Outlet::plain(outbox) };
        if let Some(greeting) = greeting {
            outlet.send(greeting);
        }
        let services = Arc::clone(&self.services);
        let ending = tokio::select! {
            ending = self.talk(&mut stream, &outlet) => ending,
            () = outlet.outbox().ended() => None,
            () = services.lifecycle.ended() => Some(self.closing(&Closing::going_away(), Some(&outlet))),
        };
        if let Some(ending) = ending {
            outlet.outbox().end(ending);
        }
        if let Some(ending) = outlet.outbox().ending() {
            if ending.is_slow && ending.code == slow_code {
                services.metrics.slow_client();
            }
            let (code, reason) = (ending.code, &ending.reason);
            tracing::info!(request_id = %self.caller.request_id, client = %self.caller.client, code, reason, "a stream ended");
        }
        let is_unread = outlet.outbox().ending().is_some_and(|ending| ending.code == TOO_LARGE);
        drop(outlet);
        // A writer that panicked has written its last.
        let _ = writer.await;
        linger(stream, is_unread).await;
    }

    /// The ending that the talk comes to; none if the client has gone.
    async fn talk(&mut self, socket: &mut SplitStream<WebSocket>, outlet: &Outlet) -> Option<Ending> {
        let opened = Streams::open(
            Arc::clone(&self.services),
            self.caller.client.clone(),
            Arc::clone(&self.dialect),
            outlet.clone(),
            self.notes.clone(),
        );
        let mut streams = match opened {
            Ok(streams) => streams,
            Err(fault) => return Some(self.closing(&fault.into(), Some(outlet))),
        };
        let services = Arc::clone(&self.services);
        let lifecycle = &services.lifecycle;
        let mut ping = interval_at(Instant::now() + PING, PING);
        let (mut last_heard, mut last_message, mut has_drained) = (Instant::now(), Instant::now(), false);
        let patience = self.dialect.patience();
        loop {
            let deadline =
                patience.filter(|_| self.stage == Stage::Open).map(|patience| last_message + patience);
            let impatient = async {
                match deadline {
                    Some(deadline) => sleep_until(deadline).await,
                    None => std::future::pending().await,
                }
            };
            let step = tokio::select! {
                end = streams.ended(), if streams.count() > 0 || self.stage != Stage::Open => {
                    self.after(end, &streams, outlet)
                }
                message = socket.next() => {
                    let is_clients = matches!(&message, Some(Ok(Message::Binary(_) | Message::Text(_))));
                    let step = match message {
                        Some(message) => self.take(message, &mut streams, outlet).await,
                        None => Err(None),
                    };
                    last_heard = Instant::now();
                    if is_clients {
                        last_message = last_heard;
                    }
                    step
                }
                () = impatient => {
                    let closing = Closing::silence(patience.unwrap_or_default().as_secs());
                    self.end(closing, &mut streams, outlet).await
                }
                _ = ping.tick() => {
                    if last_heard.elapsed() > SILENCE {
                        self.end(Closing::silence(SILENCE.as_secs()), &mut streams, outlet).await
                    } else {
                        outlet.outbox().send(Message::Ping(Bytes::new()));
                        Ok(())
                    }
                }
                () = lifecycle.draining(), if !has_drained => {
                    has_drained = true;
                    if streams.holds_slot() || self.stage != Stage::Open {
                        Ok(())
                    } else {
                        Err(Some(self.closing(&Closing::going_away(), Some(outlet))))
                    }
                }
                () = lifecycle.finishing(), if self.stage == Stage::Open => {
                    self.stage = Stage::Stopped;
                    streams.finish().await.map_err(|fault| Some(self.closing(&fault.into(), Some(outlet))))
                }
            };
            if let Err(ending) = step {
                return ending;
            }
        }
    }

    /// What the end of a stream's events leads to.
    fn after(&mut self, end: Option<End>, streams: &Streams, outlet: &Outlet) -> Step {
        let closing = match end {
            // Others go on.
            Some(End::Closed) => return Ok(()),
            Some(End::Unread) => return Err(None),
            Some(End::Failed(fault)) => fault.into(),
            None if self.stage == Stage::Finished => {
                let heard = Heard {
                    seconds: streams.seconds(),
                    channels: streams.count().max(1),
                    sha256: super::model::hex(&self.hash.finalize_reset()),
                };
                let last = self.dialect.last(&heard, &self.notes).map(|last| outlet.last(last));
                return Err(Some(Ending { code: NORMAL, reason: "finished".into(), last, is_slow: false }));
            }
            None if self.services.lifecycle.is_draining() => Closing::going_away(),
            None => Closing::ended(),
        };
        Err(Some(self.closing(&closing, Some(outlet))))
    }

    /// Ends with a fault, when all that was taken before has been told: nothing accepted is lost.
    pub(super) async fn end(&mut self, closing: Closing, streams: &mut Streams, outlet: &Outlet) -> Step {
        // It ends with a fault in any case.
        let told = async {
            let _ = streams.finish().await;
            while streams.ended().await.is_some() {}
        };
        let _ = timeout(self.services.config.limits.send(), told).await;
        Err(Some(self.closing(&closing, Some(outlet))))
    }

    /// The ending that something is.
    pub(super) fn closing(&self, closing: &Closing, outlet: Option<&Outlet>) -> Ending {
        let error = self.dialect.error(closing);
        let last = outlet.map_or_else(|| error.to_string(), |outlet| outlet.last(error.clone()));
        let reason = format!("{}: {}", closing.name, closing.description);
        Ending { code: closing.code, reason, last: Some(last), is_slow: false }
    }
}
