//! A recording on its way through the engine.

use super::error::RecordingError;
use super::options::RecordingOptions;
use super::samples::{Decoding, Piece};
use super::upload::Upload;
use crate::access::Client;
use crate::admission::Refusal;
use crate::lifecycle::Lifecycle;
use crate::services::Services;
use crate::session::{SessionInput, SessionOutput};
use tokio_util::task::AbortOnDropHandle;
use voxlane::audio::file::{Block, Samples, Warning};
use voxlane::{Event, SegmentWarning, Transcript};

/// A recording on its way through the engine: its finals, in order. Dropping it ends it and gives the slot back.
pub struct Transcription {
    output: SessionOutput,
    /// Gone when it has been asked how it ended.
    feed: Option<AbortOnDropHandle<Result<Fed, RecordingError>>>,
    sample_rate: u32,
    channels: usize,
    fed: Fed,
    lifecycle: Lifecycle,
}

/// What went into the engine.
#[derive(Debug, Default)]
struct Fed {
    seconds: f64,
    warnings: Vec<Warning>,
}

impl Transcription {
    /// Begins to transcribe `upload`. Returns when its header has been read; the slot is taken with the first samples.
    ///
    /// # Errors
    /// [`RecordingError`] for a file that is not read, and for options that the engine does not take.
    pub async fn begin(
        services: &Services,
        client: Client,
        upload: Upload,
        options: &RecordingOptions,
    ) -> Result<Self, RecordingError> {
        let most_s = services.config.limits.decoded_s;
        let decoding = Decoding::open(upload, options.channels, most_s).await?;
        let (sample_rate, channels) = (decoding.reader().sample_rate(), decoding.reader().channels());
        let wanted = options.stream_options(&services.engine, sample_rate);
        let (input, output) = services.sessions.open(wanted, client)?;
        let feed = Some(AbortOnDropHandle::new(tokio::spawn(feed(decoding, input))));
        let lifecycle = services.lifecycle.clone();
        Ok(Transcription { output, feed, sample_rate, channels, fed: Fed::default(), lifecycle })
    }

    /// Returns the file's sample rate in Hz.
    pub fn sample_rate(&self) -> u32 {
        self.sample_rate
    }

    /// Returns the number of channels at the file's start.
    pub fn channels(&self) -> usize {
        self.channels
    }

    /// Waits for the next final; none after the last. To be asked again soon: events that nobody reads are bounded.
    ///
    /// # Errors
    /// [`RecordingError`] if text is missing, or the server is being stopped before the end; nothing follows.
    pub async fn next(&mut self) -> Result<Option<Transcript>, RecordingError> {
        loop {
            let event = tokio::select! {
                event = self.output.next() => event,
                () = self.lifecycle.finishing() => return Err(Refusal::Draining.into()),
            };
            let Some(event) = event else { break };
            match event {
                Event::Final(said) => return Ok(Some(said)),
                Event::Error { error, .. } if !error.is_notice() => return Err(error.into()),
                _ => {}
            }
        }
        if let Some(feed) = self.feed.take() {
            self.fed = feed.await.unwrap_or(Err(RecordingError::Reader))?;
        }
        Ok(None)
    }

    /// Waits for all finals.
    ///
    /// # Errors
    /// As for [`next`](Self::next).
    pub async fn all(&mut self) -> Result<Vec<Transcript>, RecordingError> {
        let mut finals = Vec::new();
        while let Some(said) = self.next().await? {
            finals.push(said);
        }
        Ok(finals)
    }

    /// Returns the length of the audio in seconds; 0 before the end.
    pub fn seconds(&self) -> f64 {
        self.fed.seconds
    }

    /// Returns the oddities of the file; none before the end.
    pub fn warnings(&self) -> &[Warning] {
        &self.fed.warnings
    }
}

/// Returns what is doubtful about a final, in words; none if nothing is.
pub fn doubt(said: &Transcript) -> Option<String> {
    let doubt = said.warning.map(|warning: SegmentWarning| warning.to_string());
    let limit = said.token_limit.then(|| "the text was cut off at the token limit".to_owned());
    let doubt = doubt.into_iter().chain(limit).collect::<Vec<_>>().join("; ");
    (!doubt.is_empty()).then(|| format!("{:.3} s to {:.3} s: {doubt}", said.start, said.end))
}

/// Takes a recording to the engine, as fast as that takes it.
async fn feed(decoding: Decoding, mut input: SessionInput) -> Result<Fed, RecordingError> {
    let mut present = Some(decoding);
    let (mut end, mut warnings) = (Ok(()), Vec::new());
    while let Some(decoding) = present.take() {
        let (rest, Piece { samples, end: ended }) = decoding.next().await;
        match samples {
            Some(Samples::I16(samples)) => input.push_block(Block::I16(&samples)).await?,
            Some(Samples::F32(samples)) => input.push_block(Block::F32(&samples)).await?,
            None => {}
        }
        match (rest, ended) {
            (rest, None) => present = rest,
            (rest, Some(ended)) => {
                warnings = rest.map_or_else(Vec::new, |rest| rest.reader().warnings().to_vec());
                end = ended;
            }
        }
    }
    // What was taken before an error gets its final too.
    input.finish().await?;
    let seconds = input.seconds();
    end.map(|()| Fed { seconds, warnings })
}
