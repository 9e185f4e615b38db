//! The streams of a connection: one, or one a channel. Those of a file that comes in pieces open with its header.

use super::dialect::Dialect;
use super::intake::{Container, Fault, Given, Intake};
use super::marks::{Mark, Marks};
use super::notes::Notes;
use super::outlet::Outlet;
use super::pump::{End, pump};
use crate::access::Client;
use crate::admission::Refusal;
use crate::audio::Decoder;
use crate::services::Services;
use crate::session::{SessionError, SessionInput};
use axum::body::Bytes;
use std::sync::Arc;
use tokio::task::JoinSet;
use voxlane::audio::file::{Block, Samples};
use voxlane::{Hotword, StreamFault, StreamOptions};

/// See the module. Dropping it gives all slots back.
pub(super) struct Streams {
    services: Arc<Services>,
    client: Client,
    /// With the rate that is known so far.
    options: StreamOptions,
    dialect: Arc<dyn Dialect>,
    outlet: Outlet,
    notes: Notes,
    intake: Intake,
    inputs: Vec<SessionInput>,
    marks: Vec<Arc<Marks>>,
    /// The tasks that tell events.
    pumps: JoinSet<End>,
}

impl Streams {
    /// Opens the streams of audio without a header, or makes ready for a file's.
    pub(super) fn open(
        services: Arc<Services>,
        client: Client,
        dialect: Arc<dyn Dialect>,
        outlet: Outlet,
        notes: Notes,
    ) -> Result<Self, Fault> {
        let options = dialect.options().clone();
        let most = services.config.limits.channels;
        let (intake, channels) = match dialect.format() {
            Some((format, mode)) => {
                let decoder = Decoder::new(format, mode, most)?;
                let channels = decoder.streams();
                (Intake::Raw(decoder), channels)
            }
            None => (Intake::Container(Container::start().map_err(|_| Fault::Reader)?), 0),
        };
        let mut streams = Streams {
            services,
            client,
            options,
            dialect,
            outlet,
            notes,
            intake,
            inputs: Vec::new(),
            marks: Vec::new(),
            pumps: JoinSet::new(),
        };
        streams.begin(channels)?;
        Ok(streams)
    }

    fn begin(&mut self, channels: usize) -> Result<(), Fault> {
        for channel in 0..channels {
            let opened = self.services.sessions.open(self.options.clone(), self.client.clone());
            let (input, output) = opened.map_err(SessionError::from)?;
            let marks = Arc::new(Marks::default());
            let teller = self.dialect.teller(channel, channels, Arc::clone(&marks));
            self.pumps.spawn(pump(
                output,
                teller,
                Arc::clone(&marks),
                self.outlet.clone(),
                self.notes.clone(),
            ));
            self.inputs.push(input);
            self.marks.push(marks);
        }
        Ok(())
    }

    /// How many there are.
    pub(super) fn count(&self) -> usize {
        self.inputs.len()
    }

    /// Whether any holds a slot.
    pub(super) fn holds_slot(&self) -> bool {
        self.inputs.iter().any(SessionInput::holds_slot)
    }

    /// Seconds of audio that were taken, of each channel.
    pub(super) fn seconds(&self) -> f64 {
        self.inputs.first().map_or(0.0, SessionInput::seconds)
    }

    /// Takes a message's audio: what is in front of a fault is taken too.
    pub(super) async fn push(&mut self, bytes: Bytes) -> Result<(), Fault> {
        let decoded = match &mut self.intake {
            Intake::Raw(decoder) => {
                let decoded = decoder.push(&bytes);
                self.give().await?;
                decoded.map_err(Fault::from)
            }
            Intake::Container(_) => self.feed(Some(bytes)).await,
        };
        self.mark_where_due().await?;
        decoded
    }

    /// Gives a file's next piece, or its end, to its decoder, and what comes of it to the stream.
    async fn feed(&mut self, piece: Option<Bytes>) -> Result<(), Fault> {
        let mut piece = piece;
        let is_end = piece.is_none();
        loop {
            let Intake::Container(container) = &mut self.intake else { return Ok(()) };
            if container.has_ended() {
                if piece.is_some_and(|piece| !piece.is_empty()) {
                    self.notes
                        .add("audio: the file has ended; what comes behind its end is not taken".to_owned());
                }
                return Ok(());
            }
            if container.is_wanting() {
                match piece.take() {
                    Some(piece) => container.give(piece)?,
                    None if is_end => container.finish(),
                    None => return Ok(()),
                }
            }
            match container.next().await? {
                Given::Wanting => {
                    if is_end {
                        container.finish();
                    }
                }
                Given::Oddity(oddity) => self.notes.add(oddity),
                Given::Opened(sample_rate) => {
                    self.options.sample_rate = sample_rate;
                    self.begin(1)?;
                }
                Given::Samples(samples) => {
                    if let Some(input) = self.inputs.first_mut() {
                        match &samples {
                            Samples::I16(samples) => input.push_block(Block::I16(samples)).await?,
                            Samples::F32(samples) => input.push_block(Block::F32(samples)).await?,
                        }
                    }
                }
                Given::End(end) => return Ok(end?),
            }
        }
    }

    async fn give(&mut self) -> Result<(), SessionError> {
        let Intake::Raw(decoder) = &mut self.intake else { return Ok(()) };
        for (number, input) in self.inputs.iter_mut().enumerate() {
            input.push_block(decoder.block(number)).await?;
        }
        Ok(())
    }

    async fn flush(&mut self) -> Result<(), SessionError> {
        if let Intake::Raw(decoder) = &mut self.intake {
            decoder.flush();
        }
        self.give().await
    }

    /// Asks for the markers that tellers want.
    async fn mark_where_due(&mut self) -> Result<(), SessionError> {
        for (input, marks) in self.inputs.iter_mut().zip(&self.marks) {
            if marks.is_due(input.seconds()) {
                marks.expect(Mark::Due(input.seconds()));
                input.mark().await?;
            }
        }
        Ok(())
    }

    /// Ends the open segments: of all channels, or of one.
    pub(super) async fn finalize(&mut self, channel: Option<usize>) -> Result<(), SessionError> {
        self.flush().await?;
        for (number, (input, marks)) in self.inputs.iter_mut().zip(&self.marks).enumerate() {
            if channel.is_none_or(|channel| channel == number) {
                // Before the request: the teller must know when the final comes.
                marks.expect(Mark::Finalize(input.seconds()));
                input.end_segment().await?;
                input.mark().await?;
            }
        }
        Ok(())
    }

    /// Replaces the phrases that are listened for.
    pub(super) async fn set_hotwords(&mut self, phrases: &[Hotword]) -> Result<(), SessionError> {
        self.flush().await?;
        let options = self.options.clone().hotwords(phrases.iter().cloned());
        self.services.admission.check_options(options.clone()).map_err(Refusal::Options)?;
        for input in &mut self.inputs {
            input.set_hotwords(phrases).await?;
        }
        self.options = options;
        Ok(())
    }

    /// Ends the audio, once.
    pub(super) async fn finish(&mut self) -> Result<(), Fault> {
        let fed = match &self.intake {
            Intake::Raw(decoder) => {
                let held = decoder.held();
                if held > 0 {
                    self.notes.add(format!("audio: ends within a sample frame; {held} bytes were left out"));
                }
                Ok(())
            }
            Intake::Container(_) => self.feed(None).await,
        };
        self.flush().await?;
        for (input, marks) in self.inputs.iter_mut().zip(&self.marks) {
            // What is due by now is told, however late its final came.
            marks.expect(Mark::Due(input.seconds()));
            input.mark().await?;
            input.finish().await?;
        }
        fed
    }

    /// Waits until the events of a stream end; nothing when those of all have.
    pub(super) async fn ended(&mut self) -> Option<End> {
        // A task that panicked has told nothing: its stream is as one whose lane failed.
        self.pumps.join_next().await.map(|end| end.unwrap_or(End::Failed(StreamFault::LaneFailed)))
    }
}
