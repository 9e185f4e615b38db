//! An utterance: audio in, text out.

use super::client_event::AudioStart;
use super::outbox::Outbox;
use super::server_event::{About, ErrorEvent, ServerEvent};
use super::spoken::Spoken;
use super::transcribe::Transcribe;
use super::wanted::Wanted;
use super::width::Widths;
use crate::access::Client;
use crate::admission::Refusal;
use crate::audio::{AudioError, AudioFormat, ChannelMode, Decoder};
use crate::services::Services;
use crate::session::{SessionError, SessionInput, SessionOutput};
use tokio_util::task::AbortOnDropHandle;
use voxlane::{Event, StreamFault};

/// What the events of an utterance came to.
pub(super) struct Outcome {
    /// The text of all segments.
    pub(super) text: String,
    /// Why there is no more of it.
    pub(super) fault: Option<StreamFault>,
    /// The event in front of the first chunk, if there was none.
    start: Option<ServerEvent>,
}

/// An utterance, from `audio-start` to `transcript-stop`. Dropping it gives its slot back.
pub(super) struct Utterance {
    format: AudioStart,
    widths: Widths,
    decoder: Decoder,
    input: SessionInput,
    about: About,
    /// The task that sends events.
    pump: AbortOnDropHandle<Outcome>,
}

impl Utterance {
    /// Begins one for audio of `format`, whose events go to `outbox`.
    pub(super) fn begin(
        services: &Services,
        client: &Client,
        request: Transcribe,
        format: AudioStart,
        outbox: &Outbox,
    ) -> Result<Self, ErrorEvent> {
        let AudioStart { rate, width, channels, timestamp } = format;
        let widths = Widths::new(width).ok_or_else(|| {
            let text = format!("width: not supported (expected 1 to 4 bytes, found {width})");
            ErrorEvent::new("audio.width", text)
        })?;
        let audio = AudioFormat { encoding: widths.encoding(), sample_rate: rate, channels };
        let most = services.config.limits.channels;
        let decoder = Decoder::new(audio, ChannelMode::Mixed, most).map_err(|error| audio_error(&error))?;
        let Wanted { options, about, warnings } = request.wanted(services, rate)?;
        let (input, output) =
            services.sessions.open(options, client.clone()).map_err(|refusal| refusal_error(&refusal))?;
        warnings.into_iter().for_each(|warning| {
            // A client that reads nothing is found out by the outbox.
            outbox.send(warning);
        });
        // Times are the client's; one that is no time counts as none.
        let base_ms = timestamp.filter(|time| time.is_finite()).unwrap_or(0.0);
        let pump = AbortOnDropHandle::new(tokio::spawn(pump(output, about.clone(), base_ms, outbox.clone())));
        Ok(Utterance { format, widths, decoder, input, about, pump })
    }

    /// Takes audio: what is in front of a sample that is none is taken too.
    pub(super) async fn push(&mut self, format: AudioStart, bytes: &[u8]) -> Result<(), ErrorEvent> {
        if !format.is_like(&self.format) {
            let text = "audio-chunk: its rate, width or channels are not those of `audio-start`";
            return Err(ErrorEvent::new("audio.format", text));
        }
        let decoded = self.decoder.push(self.widths.convert(bytes));
        self.input.push_block(self.decoder.block(0)).await.map_err(|error| session_error(&error))?;
        decoded.map_err(|error| audio_error(&error))
    }

    /// Ends the audio; returns the bytes at its end that are no whole frame.
    pub(super) async fn finish(&mut self) -> Result<usize, ErrorEvent> {
        self.decoder.flush();
        let error = |error| session_error(&error);
        self.input.push_block(self.decoder.block(0)).await.map_err(error)?;
        self.input.finish().await.map_err(error)?;
        Ok(self.decoder.held() + self.widths.held())
    }

    /// Waits until its events end. To be called until it returns, and not after that.
    pub(super) async fn ended(&mut self) -> Outcome {
        // A task that panicked has told nothing: its stream is as one whose lane failed.
        let failed = || Outcome { text: String::new(), fault: Some(StreamFault::LaneFailed), start: None };
        (&mut self.pump).await.unwrap_or_else(|_| failed())
    }

    /// The events behind the last chunk.
    pub(super) fn last_words(self, outcome: Outcome) -> impl Iterator<Item = ServerEvent> {
        let Outcome { text, start, .. } = outcome;
        start
            .into_iter()
            .chain([ServerEvent::Transcript { text, about: self.about }, ServerEvent::TranscriptStop])
    }
}

/// Sends the events of a stream until it is closed, or the connection ends; gives the whole text.
async fn pump(mut output: SessionOutput, about: About, base_ms: f64, outbox: Outbox) -> Outcome {
    let at = |seconds: f64| (base_ms + seconds * 1e3).round().max(0.0) as u64;
    let (mut spoken, mut fault) = (Spoken::default(), None);
    let mut start = Some(ServerEvent::TranscriptStart { about });
    let mut chunk = |text: Option<String>| {
        let Some(text) = text else { return true };
        start.take().is_none_or(|start| outbox.send(start))
            && outbox.send(ServerEvent::TranscriptChunk { text })
    };
    while let Some(event) = output.next().await {
        let is_read = match event {
            Event::SpeechStart { start, .. } => {
                outbox.send(ServerEvent::VoiceStarted { timestamp: at(start) })
            }
            Event::Endpoint { end, .. } => outbox.send(ServerEvent::VoiceStopped { timestamp: at(end) }),
            Event::Partial(said) => chunk(said.stable.and_then(|stable| spoken.stable(&stable))),
            Event::Final(said) => chunk(spoken.end(&said.text)),
            Event::Warning { warning, .. } => {
                let (code, text) = (warning.code().name(), warning.to_string());
                outbox.send(ServerEvent::Warning { code, text })
            }
            Event::Error { error, .. } if error.is_notice() || error == StreamFault::NotFinite => {
                outbox.send(ServerEvent::Warning { code: error.code().name(), text: error.to_string() })
            }
            Event::Error { error, .. } => {
                fault = Some(error);
                true
            }
            // Without partials of its own the protocol has no word for an early guess.
            _ => true,
        };
        if !is_read {
            break;
        }
    }
    Outcome { text: spoken.text().to_owned(), fault, start }
}

/// An error of a session as the protocol tells it.
pub(super) fn session_error(error: &SessionError) -> ErrorEvent {
    let retry_after = match error {
        SessionError::Refused(refusal) => refusal.retry_after(),
        SessionError::Limit(limit) => Some(limit.retry_after()),
        SessionError::Stream(_) => None,
    };
    ErrorEvent { retry_after, ..ErrorEvent::new(error.code(), error.to_string()) }
}

fn refusal_error(refusal: &Refusal) -> ErrorEvent {
    let retry_after = refusal.retry_after();
    ErrorEvent { retry_after, ..ErrorEvent::new(refusal.code(), refusal.to_string()) }
}

fn audio_error(error: &AudioError) -> ErrorEvent {
    ErrorEvent::new(error.code(), error.to_string())
}
