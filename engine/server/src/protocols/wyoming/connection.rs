//! One connection, from its first event to its last.

use super::client_event::{AudioStart, ClientEvent};
use super::info::{PROGRAM, info};
use super::input::Input;
use super::outbox::{Outbox, Sent};
use super::server_event::{ErrorEvent, ServerEvent};
use super::transcribe::Transcribe;
use super::utterance::Utterance;
use crate::access::Client;
use crate::admission::Refusal;
use crate::network::{Peer, RequestId};
use crate::services::Services;
use std::sync::Arc;
use tokio::net::TcpStream;
use tokio::time::timeout;
use voxlane::StreamFault;

/// Why a talk has ended.
enum End {
    /// The client has gone, or reads nothing.
    Gone,
    /// Something was wrong.
    Error(ErrorEvent),
}

impl From<ErrorEvent> for End {
    fn from(error: ErrorEvent) -> Self {
        End::Error(error)
    }
}

/// What comes next on a connection.
enum Next {
    Event(ClientEvent),
    /// The events of the utterance have ended before its audio has.
    Ended(Option<StreamFault>),
    /// The server is being stopped.
    Draining,
    /// Utterances are to be finished.
    Finishing,
}

/// One connection.
pub(super) struct Connection {
    services: Arc<Services>,
    client: Client,
    request_id: RequestId,
    outbox: Outbox,
    /// What was asked of the next utterance.
    request: Transcribe,
    utterance: Option<Utterance>,
}

impl Connection {
    /// Talks to a client until either side ends it. All slots have been given back when it returns.
    pub(super) async fn serve(stream: TcpStream, peer: Peer, services: Arc<Services>) {
        let limits = &services.config.limits;
        let (from, to) = stream.into_split();
        let mut input = Input::new(from, limits);
        let (outbox, writer) = Outbox::start(to, limits);
        let client = Client::of_address(peer.address);
        let request_id = RequestId::random();
        let mut connection = Connection {
            services: Arc::clone(&services),
            client: client.clone(),
            request_id: request_id.clone(),
            outbox: outbox.clone(),
            request: Transcribe::default(),
            utterance: None,
        };
        let end = tokio::select! {
            end = connection.talk(&mut input) => end,
            () = outbox.unread() => End::Gone,
            () = services.lifecycle.ended() => going_away().into(),
        };
        drop(connection);
        let reason = match end {
            End::Gone => "gone",
            End::Error(error) => {
                let code = error.code;
                outbox.send(ServerEvent::Error(error));
                code
            }
        };
        drop(outbox);
        // A writer that panicked has written its last.
        let sent = writer.await.unwrap_or(Sent::Gone);
        if sent == Sent::Slow {
            services.metrics.slow_client();
        }
        tracing::info!(%request_id, %client, reason, ?sent, "a Wyoming connection ended");
        if sent == Sent::All && reason != "gone" {
            input.linger().await;
        }
        drop(peer);
    }

    async fn talk(&mut self, input: &mut Input) -> End {
        let mut has_drained = false;
        loop {
            let next = match self.next(input, has_drained).await {
                Ok(next) => next,
                Err(end) => return end,
            };
            let done = match next {
                Next::Event(event) => self.take(event).await,
                Next::Ended(fault) => Err(lost(fault)),
                Next::Draining => {
                    has_drained = true;
                    if self.utterance.is_some() { Ok(()) } else { Err(going_away()) }
                }
                Next::Finishing => self.stop().await.and(Err(going_away())),
            };
            if let Err(error) = done {
                self.finish_anyway().await;
                return End::Error(error);
            }
            if has_drained && self.utterance.is_none() {
                return going_away().into();
            }
        }
    }

    async fn next(&mut self, input: &mut Input, has_drained: bool) -> Result<Next, End> {
        let lifecycle = &self.services.lifecycle;
        let utterance = &mut self.utterance;
        let ended = async {
            match utterance {
                Some(utterance) => utterance.ended().await.fault,
                None => std::future::pending().await,
            }
        };
        let frame = tokio::select! {
            fault = ended => {
                self.utterance = None;
                return Ok(Next::Ended(fault));
            }
            frame = input.next() => frame,
            () = lifecycle.draining(), if !has_drained => return Ok(Next::Draining),
            () = lifecycle.finishing() => return Ok(Next::Finishing),
        };
        match frame {
            Ok(None) => Err(End::Gone),
            Ok(Some(frame)) => match ClientEvent::of(frame) {
                Ok(event) => Ok(Next::Event(event)),
                Err(error) => Err(ErrorEvent::new("protocol.message", error.to_string()).into()),
            },
            Err(error) => Err(ErrorEvent::new(error.code(), error.to_string()).into()),
        }
    }

    async fn take(&mut self, event: ClientEvent) -> Result<(), ErrorEvent> {
        match event {
            ClientEvent::Describe => self.send(ServerEvent::Info(info(&self.services.engine))),
            ClientEvent::Ping { text } => self.send(ServerEvent::Pong { text }),
            ClientEvent::SelectProgram { name } if name == PROGRAM => {}
            ClientEvent::SelectProgram { name } => {
                let text = format!("select-program {name:?}: not one of the server's (expected {PROGRAM:?})");
                return Err(ErrorEvent::new("protocol.program", text));
            }
            ClientEvent::Transcribe(_) if self.utterance.is_some() => return Err(out_of_turn("transcribe")),
            ClientEvent::Transcribe(request) => self.request = *request,
            ClientEvent::AudioStart(_) if self.utterance.is_some() => return Err(out_of_turn("audio-start")),
            ClientEvent::AudioStart(format) => self.begin(format)?,
            ClientEvent::AudioChunk { format, bytes } => {
                if self.utterance.is_none() {
                    self.begin(format)?;
                }
                if let Some(utterance) = &mut self.utterance {
                    utterance.push(format, &bytes).await?;
                }
            }
            ClientEvent::AudioStop if self.utterance.is_none() => {
                return Err(ErrorEvent::new("protocol.order", "audio-stop: no audio has been started"));
            }
            ClientEvent::AudioStop => self.stop().await?,
            ClientEvent::Foreign { kind } => {
                let text = format!("{kind}: not served here (expected speech to be transcribed)");
                return Err(ErrorEvent::new("protocol.service", text));
            }
            ClientEvent::Unknown { kind } => {
                // As the protocol has it.
                let (request_id, bytes) = (&self.request_id, kind.len());
                tracing::debug!(%request_id, bytes, "an event of an unknown kind was dropped");
            }
        }
        Ok(())
    }

    fn send(&self, event: ServerEvent) {
        // A client that reads nothing ends the connection elsewhere.
        self.outbox.send(event);
    }

    fn begin(&mut self, format: AudioStart) -> Result<(), ErrorEvent> {
        if self.services.lifecycle.is_draining() {
            return Err(going_away());
        }
        let request = std::mem::take(&mut self.request);
        let utterance = Utterance::begin(&self.services, &self.client, request, format, &self.outbox)?;
        self.utterance = Some(utterance);
        Ok(())
    }

    /// Ends the audio of the utterance, if there is one, and says the last words of it.
    async fn stop(&mut self) -> Result<(), ErrorEvent> {
        let Some(utterance) = &mut self.utterance else { return Ok(()) };
        let left_out = utterance.finish().await?;
        let outcome = utterance.ended().await;
        let Some(utterance) = self.utterance.take() else { return Ok(()) };
        if outcome.fault.is_some() {
            return Err(lost(outcome.fault));
        }
        if left_out > 0 {
            let text = format!("audio: ends within a sample frame; {left_out} bytes were left out");
            self.send(ServerEvent::Warning { code: "audio.partial_frame", text });
        }
        utterance.last_words(outcome).for_each(|event| self.send(event));
        Ok(())
    }

    /// Has what was taken before a fault decoded and told, as chunks: nothing accepted is lost.
    async fn finish_anyway(&mut self) {
        let Some(mut utterance) = self.utterance.take() else { return };
        // It ends with a fault in any case.
        let told = async {
            let _ = utterance.finish().await;
            utterance.ended().await;
        };
        let _ = timeout(self.services.config.limits.send(), told).await;
    }
}

fn out_of_turn(event: &str) -> ErrorEvent {
    ErrorEvent::new(
        "protocol.order",
        format!("{event}: audio has been started (expected after `audio-stop`)"),
    )
}

fn going_away() -> ErrorEvent {
    let refusal = Refusal::Draining;
    ErrorEvent { retry_after: refusal.retry_after(), ..ErrorEvent::new(refusal.code(), refusal.to_string()) }
}

/// The error of an utterance that has been lost.
fn lost(fault: Option<StreamFault>) -> ErrorEvent {
    match fault {
        Some(fault) => ErrorEvent::new(fault.code().name(), fault.to_string()),
        None => ErrorEvent::new("stream.ended", "stream: ended before its audio did"),
    }
}
