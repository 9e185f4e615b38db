//! A stretch of a session without a change of how its audio is read: one stream.

use super::conversation::Conversation;
use super::mark::{Mark, Marks};
use super::settings::Settings;
use super::turns::Turns;
use crate::access::Client;
use crate::audio::{AudioError, ChannelMode, Decoder};
use crate::protocols::openai::error::ApiError;
use crate::services::Services;
use crate::session::{SessionError, SessionInput};
use std::sync::Arc;
use tokio_util::task::AbortOnDropHandle;
use voxlane::{Hotword, StreamError, StreamFault};

/// Why a stretch takes no more.
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

impl Fault {
    /// Whether the stream has been lost, so that its events tell of it.
    pub(super) fn is_told(&self) -> bool {
        use StreamError::{Abandoned, LaneFailed, ShutDown, SlowClient};
        matches!(self, Fault::Session(SessionError::Stream(SlowClient | Abandoned | LaneFailed | ShutDown)))
    }
}

/// See the module. Dropping it gives its slot back.
pub(super) struct Leg {
    decoder: Decoder,
    input: SessionInput,
    marks: Marks,
    turns: AbortOnDropHandle<Option<StreamFault>>,
}

impl Leg {
    /// Opens a stream behind `base_s` seconds of audio. It takes its slot with the first audio.
    pub(super) fn open(
        services: &Services,
        client: &Client,
        settings: &Settings,
        conversation: &Arc<Conversation>,
        base_s: f64,
    ) -> Result<Self, Fault> {
        let decoder = Decoder::new(settings.format, ChannelMode::Mixed, 1).map_err(Fault::Audio)?;
        let opened = services.sessions.open(settings.stream_options(), client.clone());
        let (input, output) = opened.map_err(|refusal| Fault::Session(refusal.into()))?;
        let marks = Marks::default();
        let turns = Turns {
            conversation: Arc::clone(conversation),
            engine: Arc::clone(&services.engine),
            marks: marks.clone(),
            is_manual: settings.is_manual,
            logprobs: settings.logprobs,
            base_s,
            turn: None,
            said: Vec::new(),
            is_broken: false,
            has_committed: false,
        };
        let turns = AbortOnDropHandle::new(tokio::spawn(turns.run(output)));
        Ok(Leg { decoder, input, marks, turns })
    }

    /// Seconds of audio taken.
    pub(super) fn seconds(&self) -> f64 {
        self.input.seconds()
    }

    pub(super) fn holds_slot(&self) -> bool {
        self.input.holds_slot()
    }

    /// Takes audio.
    pub(super) async fn push(&mut self, bytes: &[u8]) -> Result<(), Fault> {
        let decoded = self.decoder.push(bytes);
        self.input.push_block(self.decoder.block(0)).await?;
        decoded.map_err(Fault::Audio)
    }

    /// Ends what is open where the audio so far ends, and notes what that means.
    pub(super) async fn end_segment(&mut self, mark: Mark) -> Result<(), SessionError> {
        self.marks.add(mark);
        self.input.end_segment().await?;
        self.input.mark().await.map(drop)
    }

    pub(super) async fn set_hotwords(&mut self, phrases: &[Hotword]) -> Result<(), SessionError> {
        self.input.set_hotwords(phrases).await
    }

    /// Ends the stream, and waits until all has been told of it. Bytes of an unfinished sample are left out.
    pub(super) async fn finish(mut self) -> Result<(), ApiError> {
        // If it has failed its events say so.
        let _ = self.input.finish().await;
        match self.ended().await {
            Some(fault) => Err(super::turns::failure(fault)),
            None => Ok(()),
        }
    }

    /// Waits until all has been told of it; the fault that ended it early, if one did.
    pub(super) async fn ended(&mut self) -> Option<StreamFault> {
        // A task that panicked has told nothing: its stream is as one whose lane failed.
        (&mut self.turns).await.unwrap_or(Some(StreamFault::LaneFailed))
    }
}
