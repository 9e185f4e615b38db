//! The side of a session that takes audio.

use super::error::SessionError;
use super::leg::{Item, LegInput, LegOutput, Shared};
use crate::access::Client;
use crate::admission::{Admission, Admitted};
use crate::metrics::Metrics;
use std::future::poll_fn;
use std::sync::Arc;
use std::task::Poll;
use std::time::Duration;
use tokio::sync::mpsc;
use tokio::time::{Instant, sleep};
use voxlane::audio::file::Block;
use voxlane::{Hotword, Sample, StreamError, StreamInput, StreamOptions};

/// How long to wait for what nobody gives notice of: markers that are answered, changes that are taken.
const PAUSE: Duration = Duration::from_millis(2);

/// What a [`SessionInput`] is made of.
pub(super) struct Parts {
    pub(super) options: StreamOptions,
    pub(super) client: Client,
    /// Gone when the session is finished: the output's end is that of the senders.
    pub(super) items: Option<mpsc::Sender<Item>>,
    pub(super) shared: Arc<Shared>,
    pub(super) admission: Arc<Admission>,
    pub(super) metrics: Arc<Metrics>,
}

/// The side of a session that takes audio. Waits for room where the engine is behind, so that a client that sends too fast is
/// slowed down. Dropping it finishes the session.
pub struct SessionInput {
    parts: Parts,
    /// Samples taken.
    pushed: u64,
    /// The last marker.
    marks: u32,
    /// Streams of the engine so far.
    legs: u64,
}

impl SessionInput {
    pub(super) fn new(parts: Parts) -> Self {
        SessionInput { parts, pushed: 0, marks: 0, legs: 0 }
    }

    /// Returns the audio taken so far, in seconds.
    pub fn seconds(&self) -> f64 {
        self.pushed as f64 / f64::from(self.parts.options.sample_rate)
    }

    /// Returns whether the session holds a slot.
    pub fn holds_slot(&self) -> bool {
        self.parts.shared.lock().is_some()
    }

    /// Returns the client whose session it is.
    pub fn client(&self) -> &Client {
        &self.parts.client
    }

    /// Takes samples of the session's rate, mono: waits for a slot if it has none, and for room.
    ///
    /// # Errors
    /// [`SessionError::Refused`] if there is no slot: nothing has been taken. [`SessionError::Stream`] and
    /// [`SessionError::Limit`] as they come; what was taken before gets its final after [`finish`](Self::finish).
    pub async fn push<S: Sample>(&mut self, samples: &[S]) -> Result<(), SessionError> {
        let mut rest = samples;
        if rest.is_empty() {
            return Ok(());
        }
        let seconds = rest.len() as f64 / f64::from(self.parts.options.sample_rate);
        self.enter().await?;
        self.parts.client.spend(seconds)?;
        while !rest.is_empty() {
            self.enter().await?;
            match self.with_leg(|stream| stream.push(rest)) {
                // Idle since: there will be another.
                None => continue,
                Some(Ok(taken)) => {
                    self.pushed += taken as u64;
                    rest = &rest[taken..];
                }
                Some(Err(error)) => return Err(error.into()),
            }
            if !rest.is_empty() {
                self.room().await?;
            }
        }
        self.parts.metrics.heard(seconds);
        Ok(())
    }

    /// Takes samples of either kind, as [`push`](Self::push) does.
    ///
    /// # Errors
    /// As there.
    pub async fn push_block(&mut self, block: Block<'_>) -> Result<(), SessionError> {
        match block {
            Block::I16(samples) => self.push(samples).await,
            Block::F32(samples) => self.push(samples).await,
        }
    }

    /// Asks for a marker when everything pushed so far has been processed, and returns its number: they count from 1.
    ///
    /// # Errors
    /// [`SessionError::Stream`] if the stream has failed or was finished.
    pub async fn mark(&mut self) -> Result<u32, SessionError> {
        self.check()?;
        let marker = self.marks.wrapping_add(1);
        if self.ask(|stream| stream.mark().map(drop)).await?.is_none() {
            self.send(Item::Marker(marker)).await;
        }
        self.marks = marker;
        Ok(marker)
    }

    /// Ends the open segment, if one is open, where the audio pushed so far ends.
    ///
    /// # Errors
    /// As for [`mark`](Self::mark).
    pub async fn end_segment(&mut self) -> Result<(), SessionError> {
        self.check()?;
        self.ask(StreamInput::end_segment).await.map(drop)
    }

    /// Replaces the phrases that the session listens for, from the audio pushed so far on.
    ///
    /// # Errors
    /// [`SessionError::Stream`] naming the phrase at fault; then nothing has changed.
    pub async fn set_hotwords(&mut self, phrases: &[Hotword]) -> Result<(), SessionError> {
        self.check()?;
        self.parts.admission.check_hotwords(phrases)?;
        let options = self.parts.options.clone().hotwords(phrases.iter().cloned());
        self.parts.admission.check_options(options.clone())?;
        self.ask(|stream| stream.set_hotwords(phrases)).await?;
        self.parts.options = options;
        Ok(())
    }

    /// Ends the session's audio: what has been pushed is decoded, then the events end.
    ///
    /// # Errors
    /// [`SessionError::Stream`] if the stream has failed; its events say so too.
    pub async fn finish(&mut self) -> Result<(), SessionError> {
        if self.parts.items.is_none() {
            return Ok(());
        }
        let finished = self.ask(StreamInput::try_finish).await;
        self.close();
        finished.map(drop)
    }

    /// Lets nothing further in: the output sees the end.
    fn close(&mut self) {
        *self.parts.shared.lock() = None;
        self.parts.items = None;
    }

    fn check(&self) -> Result<(), SessionError> {
        match &self.parts.items {
            None => Err(StreamError::Finished.into()),
            Some(items) if items.is_closed() => Err(StreamError::Abandoned.into()),
            Some(_) => Ok(()),
        }
    }

    /// Takes a slot, if the session has none.
    async fn enter(&mut self) -> Result<(), SessionError> {
        self.check()?;
        if self.parts.shared.lock().is_some() {
            return Ok(());
        }
        let Parts { options, client, admission, .. } = &self.parts;
        let Admitted { stream, slot } = admission.open(options.clone(), client).await?;
        let (input, output) = stream.split();
        let slot = Arc::new(slot);
        self.legs += 1;
        let number = self.legs;
        let leg = LegOutput {
            number,
            stream: output,
            offset_s: self.seconds(),
            marks: self.marks,
            _slot: Arc::clone(&slot),
        };
        let input =
            LegInput { number, stream: input, last_audio: Instant::now(), is_waiting: false, _slot: slot };
        *self.parts.shared.lock() = Some(input);
        self.send(Item::Leg(Box::new(leg))).await;
        Ok(())
    }

    /// Hands something to the output. One that has gone abandons the stream, and the stream says so.
    async fn send(&mut self, item: Item) {
        if let Some(items) = &self.parts.items {
            let _ = items.send(item).await;
        }
    }

    /// Does something with the present stream, if there is one, which counts as audio.
    fn with_leg<R>(
        &mut self,
        act: impl FnOnce(&mut StreamInput) -> Result<R, StreamError>,
    ) -> Option<Result<R, StreamError>> {
        let mut leg = self.parts.shared.lock();
        let leg = leg.as_mut()?;
        leg.last_audio = Instant::now();
        Some(act(&mut leg.stream))
    }

    /// Asks something of the present stream until it is taken; nothing if there is none.
    async fn ask<R>(
        &mut self,
        mut request: impl FnMut(&mut StreamInput) -> Result<R, StreamError>,
    ) -> Result<Option<R>, SessionError> {
        loop {
            let asked = self.parts.shared.lock().as_mut().map(|leg| request(&mut leg.stream));
            match asked.transpose() {
                Err(StreamError::Full) => {
                    self.room().await?;
                    sleep(PAUSE).await;
                }
                Err(StreamError::TooManyMarks) => sleep(PAUSE).await,
                asked => return Ok(asked?),
            }
        }
    }

    /// Waits until the present stream takes more, or is no longer there.
    async fn room(&self) -> Result<(), SessionError> {
        let shared = &self.parts.shared;
        // A batch stream may wait for longer than a client may be idle.
        let _waiting = shared.wait();
        let ready = poll_fn(|context| match shared.lock().as_mut() {
            Some(leg) => leg.stream.poll_ready(context),
            None => Poll::Ready(Ok(())),
        });
        Ok(ready.await?)
    }
}

impl Drop for SessionInput {
    fn drop(&mut self) {
        self.close();
    }
}
