//! One connection, from its first message to its last.

use super::client::{ClientEvent, ClientKind};
use super::conversation::Conversation;
use super::ending::{SHORTEST_S, broken, described, ended, going_away, too_short, unreadable};
use super::leg::{Fault, Leg};
use super::mark::Mark;
use super::settings::Settings;
use crate::close_code::{GOING_AWAY, INTERNAL, POLICY, TOO_LARGE};
use crate::network::{Caller, Ending, Outbox, RequestId, linger};
use crate::protocols::openai::error::ApiError;
use crate::services::Services;
use axum::extract::ws::{Message, WebSocket};
use futures_util::StreamExt;
use futures_util::stream::SplitStream;
use serde_json::json;
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
    settings: Settings,
    /// The session's name.
    id: String,
    leg: Option<Leg>,
    /// Seconds of audio of streams before the present one.
    before_s: f64,
    /// Seconds of audio up to where the last turn ended that the client ended.
    committed_s: f64,
}

impl Connection {
    pub(super) fn new(services: Arc<Services>, caller: Caller, settings: Settings) -> Self {
        let id = format!("sess_{}", RequestId::random());
        Connection { services, caller, settings, id, leg: None, before_s: 0.0, committed_s: 0.0 }
    }

    /// Talks to the client until either side ends it. The slot has been given back when it returns.
    pub(super) async fn run(mut self, socket: WebSocket) {
        let (sink, mut stream) = socket.split();
        let slow =
            Ending { code: POLICY, reason: "events: too many are unread".into(), last: None, is_slow: true };
        let services = Arc::clone(&self.services);
        let (outbox, writer) = Outbox::start(sink, &services.config.limits, slow);
        let name = RequestId::random().as_str().get(..12).unwrap_or_default().to_owned();
        let conversation = Arc::new(Conversation::new(outbox.clone(), name));
        let ending = tokio::select! {
            ending = self.talk(&mut stream, &outbox, &conversation) => ending,
            () = outbox.ended() => None,
            () = services.lifecycle.ended() => Some(ended(&conversation, GOING_AWAY, &going_away())),
        };
        if let Some(ending) = ending {
            outbox.end(ending);
        }
        if let Some(ending) = outbox.ending() {
            if ending.is_slow && ending.code == POLICY {
                services.metrics.slow_client();
            }
            let (code, reason) = (ending.code, &ending.reason);
            tracing::info!(request_id = %self.caller.request_id, client = %self.caller.client, code, reason, "a session ended");
        }
        self.leg = None;
        let is_unread = outbox.ending().is_some_and(|ending| ending.code == TOO_LARGE);
        drop((outbox, conversation));
        // A writer that panicked has written its last.
        let _ = writer.await;
        linger(stream, is_unread).await;
    }

    /// The ending that the talk comes to; none if the client has gone.
    async fn talk(
        &mut self,
        stream: &mut SplitStream<WebSocket>,
        outbox: &Outbox,
        conversation: &Arc<Conversation>,
    ) -> Option<Ending> {
        let lifecycle = self.services.lifecycle.clone();
        conversation.send("session.created", json!({ "session": self.settings.object(&self.id) }));
        let mut ping = interval_at(Instant::now() + PING, PING);
        let (mut last_heard, mut has_drained) = (Instant::now(), false);
        loop {
            let message = tokio::select! {
                fault = ended_leg(&mut self.leg) => {
                    return Some(broken(conversation, fault));
                }
                message = stream.next() => {
                    last_heard = Instant::now();
                    message?
                }
                _ = ping.tick() => {
                    if last_heard.elapsed() > SILENCE {
                        let error = ApiError::of_status(400, "silence", "connection: the client does not answer pings");
                        return Some(ended(conversation, POLICY, &error));
                    }
                    outbox.send(Message::Ping(axum::body::Bytes::new()));
                    continue;
                }
                () = lifecycle.draining(), if !has_drained => {
                    has_drained = true;
                    if !self.leg.as_ref().is_some_and(Leg::holds_slot) {
                        return Some(ended(conversation, GOING_AWAY, &going_away()));
                    }
                    continue;
                }
                () = lifecycle.finishing() => {
                    if let Err(error) = self.finish(conversation).await {
                        return Some(ended(conversation, INTERNAL, &error));
                    }
                    return Some(ended(conversation, GOING_AWAY, &going_away()));
                }
            };
            let event = match message {
                Ok(Message::Text(text)) => ClientEvent::read(&text),
                Ok(Message::Binary(_)) => {
                    let error =
                        ApiError::of_status(400, "invalid_message", "message: binary (expected text)");
                    ClientEvent { event_id: None, kind: Err(error) }
                }
                Ok(Message::Ping(_) | Message::Pong(_) | Message::Close(_)) => continue,
                Err(error) => {
                    let most = self.services.config.limits.message_bytes;
                    return Some(unreadable(conversation, &error, most));
                }
            };
            let ClientEvent { event_id, kind } = event;
            let done = match kind {
                Ok(kind) => self.take(kind, event_id.as_deref(), conversation).await,
                Err(error) => Err(Trouble::Told(error)),
            };
            match done {
                Ok(()) => {}
                Err(Trouble::Told(error)) => {
                    conversation.error(&error, event_id.as_deref());
                }
                // Its events say better what became of it.
                Err(Trouble::Fault(fault)) if fault.is_told() => {}
                Err(Trouble::Fault(fault)) => {
                    let (close, error) = described(fault);
                    // The session ends with the fault in any case.
                    let limit = self.services.config.limits.send();
                    let _ = timeout(limit, self.finish(conversation)).await;
                    return Some(ended(conversation, close, &error));
                }
            }
            // What was taken may have waited for long.
            last_heard = Instant::now();
        }
    }

    async fn take(
        &mut self,
        kind: ClientKind,
        event_id: Option<&str>,
        conversation: &Arc<Conversation>,
    ) -> Result<(), Trouble> {
        match kind {
            ClientKind::Append(bytes) => self.leg(conversation)?.push(&bytes).await.map_err(Trouble::Fault),
            ClientKind::Commit if self.settings.is_manual => {
                if self.open_s() < SHORTEST_S {
                    return Err(Trouble::Told(too_short(self.open_s())));
                }
                self.commit(conversation).await
            }
            ClientKind::Commit => {
                let mark = Mark::Commit { event_id: event_id.map(str::to_owned) };
                Ok(self.leg(conversation)?.end_segment(mark).await.map_err(Fault::from)?)
            }
            ClientKind::Clear => {
                if let Some(leg) = &mut self.leg {
                    leg.end_segment(Mark::Clear).await.map_err(Fault::from)?;
                }
                self.committed_s = self.audio_s();
                conversation.send("input_audio_buffer.cleared", json!({}));
                Ok(())
            }
            ClientKind::Update(changes) => self.update(&changes, conversation).await,
        }
    }

    /// Changes the session. A change of how audio is read ends the stream: what was said of it is told before.
    async fn update(
        &mut self,
        changes: &serde_json::Value,
        conversation: &Arc<Conversation>,
    ) -> Result<(), Trouble> {
        let settings = self.settings.updated(changes, &self.services.engine).map_err(Trouble::Told)?;
        let hotwords = settings.only_hotwords(&self.settings);
        let is_other = settings.stream_options() != self.settings.stream_options()
            || (settings.format, settings.logprobs) != (self.settings.format, self.settings.logprobs);
        match (&mut self.leg, hotwords) {
            (Some(leg), Some(hotwords)) => leg.set_hotwords(&hotwords).await.map_err(Fault::from)?,
            (Some(_), None) if is_other => {
                if self.settings.is_manual && self.open_s() > 0.0 {
                    self.commit(conversation).await?;
                }
                let ended_s = self.audio_s();
                if let Some(leg) = self.leg.take() {
                    leg.finish().await.map_err(Trouble::Told)?;
                }
                self.before_s = ended_s;
            }
            _ => {}
        }
        self.settings = settings;
        conversation.send("session.updated", json!({ "session": self.settings.object(&self.id) }));
        Ok(())
    }

    /// Ends the turn of a session whose client says where turns end.
    async fn commit(&mut self, conversation: &Arc<Conversation>) -> Result<(), Trouble> {
        let (item_id, seconds) = (conversation.item(), self.open_s());
        conversation.committed(&item_id);
        self.committed_s = self.audio_s();
        let mark = Mark::Turn { item_id, seconds };
        Ok(self.leg(conversation)?.end_segment(mark).await.map_err(Fault::from)?)
    }

    /// The present stream, which is opened if there is none.
    fn leg(&mut self, conversation: &Arc<Conversation>) -> Result<&mut Leg, Fault> {
        match &mut self.leg {
            Some(leg) => Ok(leg),
            none => {
                let Connection { services, caller, settings, before_s, .. } = self;
                Ok(none.insert(Leg::open(services, &caller.client, settings, conversation, *before_s)?))
            }
        }
    }

    /// Has all that was taken told: the turn that is open ends with it.
    async fn finish(&mut self, conversation: &Arc<Conversation>) -> Result<(), ApiError> {
        if self.settings.is_manual && self.open_s() > 0.0 {
            // If the stream has failed its events say so.
            let _ = self.commit(conversation).await;
        }
        match self.leg.take() {
            Some(leg) => leg.finish().await,
            None => Ok(()),
        }
    }

    /// Seconds of audio so far.
    fn audio_s(&self) -> f64 {
        self.before_s + self.leg.as_ref().map_or(0.0, Leg::seconds)
    }

    /// Seconds of audio behind the last turn that the client ended.
    fn open_s(&self) -> f64 {
        self.audio_s() - self.committed_s
    }
}

/// Why a message is not done.
enum Trouble {
    /// The client is told, and the session goes on.
    Told(ApiError),
    /// The session ends.
    Fault(Fault),
}

impl From<Fault> for Trouble {
    fn from(fault: Fault) -> Self {
        Trouble::Fault(fault)
    }
}

/// Waits until the present stream ends by itself.
async fn ended_leg(leg: &mut Option<Leg>) -> Option<StreamFault> {
    match leg {
        Some(leg) => leg.ended().await,
        None => std::future::pending().await,
    }
}
