//! The streams of a connection: one, or one a channel.

use super::message::ServerMessage;
use super::start::Start;
use crate::access::Client;
use crate::audio::{AudioError, Decoder};
use crate::network::{Outbox, Problem};
use crate::services::Services;
use crate::session::{SessionError, SessionInput, SessionOutput};
use std::sync::Arc;
use tokio::task::JoinSet;
use voxlane::{Event, EventRecord, Hotword, StreamFault};

/// Why a connection's streams take no more.
#[derive(Debug)]
pub(super) enum Fault {
    Session(SessionError),
    Audio(AudioError),
}

impl From<SessionError> for Fault {
    fn from(error: SessionError) -> Self {
        Fault::Session(error)
    }
}

/// How the events of a stream ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum End {
    /// All was said.
    Closed,
    /// The stream failed; an event has said so.
    Failed(StreamFault),
    /// The connection has ended.
    Unread,
}

/// See the module. Dropping it gives all slots back.
pub(super) struct Streams {
    decoder: Decoder,
    inputs: Vec<SessionInput>,
    /// The tasks that send events.
    pumps: JoinSet<End>,
}

impl Streams {
    /// Opens the streams that `start` asks for, whose events go to `outbox`.
    pub(super) fn open(
        services: &Services,
        client: &Client,
        start: Start,
        outbox: &Outbox,
    ) -> Result<Self, Problem> {
        let options = start.stream_options(&services.engine.stream_rules())?;
        let most = services.config.limits.channels;
        let decoder = Decoder::new(start.format(), start.channel_mode, most)
            .map_err(|error| Problem::new(400, error.code(), error.to_string()))?;
        let (mut inputs, mut pumps) = (Vec::new(), JoinSet::new());
        let is_one = decoder.streams() == 1;
        let start = Arc::new(start);
        for channel in 0..decoder.streams() {
            let (input, output) = services.sessions.open(options.clone(), client.clone())?;
            inputs.push(input);
            let channel = (!is_one).then_some(channel);
            pumps.spawn(pump(output, Arc::clone(&start), channel, outbox.clone()));
        }
        Ok(Streams { decoder, inputs, pumps })
    }

    /// How many there are.
    pub(super) fn count(&self) -> usize {
        self.inputs.len()
    }

    /// Whether any holds a slot.
    pub(super) fn holds_slot(&self) -> bool {
        self.inputs.iter().any(SessionInput::holds_slot)
    }

    /// Takes a message's audio: what is in front of a sample that is none is taken too.
    pub(super) async fn push(&mut self, bytes: &[u8]) -> Result<(), Fault> {
        let decoded = self.decoder.push(bytes);
        self.give().await?;
        decoded.map_err(Fault::Audio)
    }

    async fn give(&mut self) -> Result<(), SessionError> {
        for (number, input) in self.inputs.iter_mut().enumerate() {
            input.push_block(self.decoder.block(number)).await?;
        }
        Ok(())
    }

    async fn flush(&mut self) -> Result<(), SessionError> {
        self.decoder.flush();
        self.give().await
    }

    pub(super) async fn mark(&mut self) -> Result<(), SessionError> {
        self.flush().await?;
        for input in &mut self.inputs {
            input.mark().await?;
        }
        Ok(())
    }

    pub(super) async fn end_segment(&mut self) -> Result<(), SessionError> {
        self.flush().await?;
        for input in &mut self.inputs {
            input.end_segment().await?;
        }
        Ok(())
    }

    pub(super) async fn set_hotwords(&mut self, phrases: &[Hotword]) -> Result<(), SessionError> {
        self.flush().await?;
        for input in &mut self.inputs {
            input.set_hotwords(phrases).await?;
        }
        Ok(())
    }

    /// Ends the audio; returns the bytes at its end that are no whole frame.
    pub(super) async fn finish(&mut self) -> Result<usize, SessionError> {
        self.flush().await?;
        for input in &mut self.inputs {
            input.finish().await?;
        }
        Ok(self.decoder.held())
    }

    /// Waits until the events of a stream end; nothing when those of all have.
    pub(super) async fn ended(&mut self) -> Option<End> {
        // A task that panicked has told nothing: its stream is as one whose lane failed.
        self.pumps.join_next().await.map(|end| end.unwrap_or(End::Failed(StreamFault::LaneFailed)))
    }
}

/// Sends the events of a stream until it is closed, or the connection ends.
async fn pump(mut output: SessionOutput, start: Arc<Start>, channel: Option<usize>, outbox: Outbox) -> End {
    let mut end = End::Closed;
    while let Some(event) = output.next().await {
        if let Event::Error { error, .. } = event
            && !error.is_notice()
            && error != StreamFault::NotFinite
        {
            end = End::Failed(error);
        }
        let record = EventRecord::from(&event);
        if start.wants(&event) && !outbox.send(ServerMessage::Event { record, channel }.text()) {
            return End::Unread;
        }
    }
    end
}
