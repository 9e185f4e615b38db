//! The talk behind the greeting: audio and requests in, events out.

use super::context::Context;
use super::message::{ClientMessage, Own};
use super::reading::Next;
use super::streams::{Fault, Streams};
use crate::close_code::POLICY;
use crate::network::{Ending, Outbox};
use crate::session::SessionError;
use axum::body::Bytes;
use axum::extract::ws::{Message, WebSocket};
use futures_util::StreamExt;
use futures_util::stream::SplitStream;
use std::time::Duration;
use tokio::time::{Instant, interval_at, timeout};
use voxlane::StreamError;

/// How often the server asks whether the client is still there.
const PING: Duration = Duration::from_secs(15);

/// A client of whom nothing has come for so long, not even an answer to a ping, has gone.
const SILENCE: Duration = Duration::from_secs(45);

/// See the module. Dropping it gives all slots back.
pub(super) struct Talk<'a> {
    context: &'a Context,
    streams: Streams,
    outbox: &'a Outbox,
    stage: Stage,
}

/// How far a talk has come.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Stage {
    /// Audio is taken.
    Open,
    /// The client has said `finish`.
    Finished,
    /// The server is being stopped, and takes no more.
    Stopped,
}

/// How a talk goes on: or the ending, none if the client has gone.
type Step = Result<(), Option<Ending>>;

impl<'a> Talk<'a> {
    /// Begins a talk over streams that are open.
    pub(super) fn new(context: &'a Context, streams: Streams, outbox: &'a Outbox) -> Self {
        Talk { context, streams, outbox, stage: Stage::Open }
    }

    /// Talks until one side ends it; returns the ending, none if the client has gone.
    pub(super) async fn run(mut self, socket: &mut SplitStream<WebSocket>) -> Option<Ending> {
        let lifecycle = &self.context.services.lifecycle;
        let mut ping = interval_at(Instant::now() + PING, PING);
        let (mut last_heard, mut has_drained) = (Instant::now(), false);
        loop {
            let step = tokio::select! {
                end = self.streams.ended() => {
                    match self.context.ending_of(end, self.stage == Stage::Finished) {
                        Some(ending) => Err(Some(ending)),
                        None => Ok(()),
                    }
                }
                message = socket.next() => {
                    let step = match message {
                        Some(message) => self.take(self.context.read(message)).await,
                        None => Err(None),
                    };
                    // Afterwards: what was taken may have waited for long.
                    last_heard = Instant::now();
                    step
                }
                _ = ping.tick() => self.ping(last_heard),
                () = lifecycle.draining(), if !has_drained => {
                    has_drained = true;
                    self.drain()
                }
                () = lifecycle.finishing(), if self.stage == Stage::Open => {
                    self.stage = Stage::Stopped;
                    let finished = self.streams.finish().await;
                    finished.map(drop).map_err(|error| Some(self.context.fault(error.into())))
                }
            };
            if let Err(ending) = step {
                return ending;
            }
        }
    }

    /// Asks whether the client is still there.
    fn ping(&self, last_heard: Instant) -> Step {
        if last_heard.elapsed() > SILENCE {
            let message = "connection: the client does not answer pings";
            return Err(Some(self.context.error(POLICY, "protocol.silence", message, None)));
        }
        self.tell(Message::Ping(Bytes::new()))
    }

    /// Sends whoever holds no slot away.
    fn drain(&self) -> Step {
        let may_stay = self.streams.holds_slot() || self.stage != Stage::Open;
        if may_stay { Ok(()) } else { Err(Some(self.context.going_away())) }
    }

    /// Takes what has come; a fault of it ends the talk, when all that was taken before has been told.
    async fn take(&mut self, next: Next) -> Step {
        let ending = match next {
            Next::Nothing => return Ok(()),
            Next::Broken(ending) => return Err(Some(ending)),
            Next::Ending(ending) => ending,
            Next::Text(ClientMessage::Ping { id }) => return self.tell(Own::Pong { id }.text()),
            _ if self.stage == Stage::Finished => {
                return self
                    .notice("stream.finished", "stream: finished already; this is not taken".to_owned());
            }
            _ if self.stage == Stage::Stopped => {
                return self
                    .notice("refused.draining", "server: is being stopped; this is not taken".to_owned());
            }
            Next::Binary(bytes) => match self.streams.push(&bytes).await {
                Ok(()) => return Ok(()),
                // Its events say better what became of it.
                Err(Fault::Session(SessionError::Stream(error))) if is_lost(&error) => return Ok(()),
                Err(fault) => self.context.fault(fault),
            },
            Next::Text(message) => match self.act(message).await {
                Ok(step) => return step,
                Err(Fault::Session(SessionError::Stream(error))) if is_lost(&error) => return Ok(()),
                Err(fault) => self.context.fault(fault),
            },
        };
        self.finish_anyway().await;
        Err(Some(ending))
    }

    /// Does what a message asks.
    async fn act(&mut self, message: ClientMessage) -> Result<Step, Fault> {
        match message {
            ClientMessage::Start(_) => {
                let message = "start: sent already (expected once)";
                let ending = self.context.error(POLICY, "protocol.started", message, None);
                self.finish_anyway().await;
                return Ok(Err(Some(ending)));
            }
            ClientMessage::Mark {} => self.streams.mark().await?,
            ClientMessage::EndSegment {} => self.streams.end_segment().await?,
            ClientMessage::Hotwords { hotwords } => self.streams.set_hotwords(&hotwords).await?,
            ClientMessage::Finish {} => {
                self.stage = Stage::Finished;
                let left = self.streams.finish().await?;
                if left > 0 {
                    let message = format!("audio: ends within a sample frame; {left} bytes were left out");
                    return Ok(self.notice("audio.partial_frame", message));
                }
            }
            ClientMessage::Ping { id } => return Ok(self.tell(Own::Pong { id }.text())),
        }
        Ok(Ok(()))
    }

    fn notice(&self, code: &'static str, message: String) -> Step {
        self.tell(Own::Notice { code, message }.text())
    }

    /// Puts a message into the outbox. Where there is no room the outbox ends the connection by itself.
    fn tell(&self, message: impl Into<Message>) -> Step {
        self.outbox.send(message);
        Ok(())
    }

    /// Has what was taken before a fault decoded and told: nothing accepted is lost.
    async fn finish_anyway(&mut self) {
        // It ends with a fault in any case.
        let told = async {
            let _ = self.streams.finish().await;
            while self.streams.ended().await.is_some() {}
        };
        let _ = timeout(self.context.services.config.limits.send(), told).await;
    }
}

/// Whether the stream has been lost, so that its events tell of it.
fn is_lost(error: &StreamError) -> bool {
    matches!(
        error,
        StreamError::SlowClient | StreamError::Abandoned | StreamError::LaneFailed | StreamError::ShutDown
    )
}
