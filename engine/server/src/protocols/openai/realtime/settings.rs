//! What a session is: the client's words, and what they come to for the engine.

use super::detection::endpoint;
use super::fields::{Delay, Format, SessionFields};
use crate::audio::{AudioFormat, Encoding};
use crate::protocols::openai::error::ApiError;
use crate::protocols::openai::listening::{Asked, Listening};
use crate::protocols::openai::model;
use crate::protocols::openai::warnings::Warnings;
use serde_json::{Map, Value, json};
use voxlane::config::{DetectorKind, EndpointConfig, PartialConfig};
use voxlane::{Engine, Hotword, StreamOptions};

/// What clients may ask for beside the text.
const LOGPROBS: &str = "item.input_audio_transcription.logprobs";

/// The sample rate of linear audio.
const PCM_RATE_HZ: u32 = 24_000;

/// The sample rate of telephone audio.
const TELEPHONE_RATE_HZ: u32 = 8_000;

/// Objects of a session of which an update replaces all, not field by field.
const WHOLE: [&str; 3] = ["format", "noise_reduction", "turn_detection"];

/// What a session is.
#[derive(Clone, Debug, PartialEq)]
pub struct Settings {
    /// The session as the client sees it.
    session: Value,
    /// The format of the audio.
    pub format: AudioFormat,
    /// Whether the client says where turns end.
    pub is_manual: bool,
    /// Whether log probabilities are wanted.
    pub logprobs: bool,
    endpoint: EndpointConfig,
    partial: PartialConfig,
    asked: Asked,
    warnings: Warnings,
}

impl Settings {
    /// Returns what a session is of which nothing has been said.
    ///
    /// # Errors
    /// [`ApiError`] as for [`updated`](Self::updated).
    pub fn of(engine: &Engine) -> Result<Self, ApiError> {
        let has_detector = engine.stream_rules().endpoint.detector != DetectorKind::Off;
        let turn_detection = has_detector.then(|| json!({ "type": "server_vad" }));
        Settings::read(
            json!({
                "type": "transcription",
                "audio": { "input": {
                    "format": { "type": "audio/pcm", "rate": PCM_RATE_HZ },
                    "noise_reduction": null,
                    "transcription": { "model": engine.model() },
                    "turn_detection": turn_detection,
                } },
                "include": [],
            }),
            engine,
        )
    }

    /// Returns what the session is with some fields changed.
    ///
    /// # Errors
    /// [`ApiError`] naming the field that is unknown, out of range, or not to be had of this server.
    pub fn updated(&self, changes: &Value, engine: &Engine) -> Result<Self, ApiError> {
        let mut session = self.session.clone();
        merge(&mut session, changes);
        Settings::read(session, engine)
    }

    /// Returns the session as the client sees it, under the name `id`.
    pub fn object(&self, id: &str) -> Value {
        let mut object = self.session.clone();
        object["id"] = json!(id);
        object["object"] = json!("realtime.transcription_session");
        if !self.warnings.list().is_empty() {
            object["warnings"] = json!(self.warnings.list());
        }
        object
    }

    /// Returns the options of the stream.
    pub fn stream_options(&self) -> StreamOptions {
        let mut options =
            StreamOptions::new(self.format.sample_rate).endpoint(self.endpoint).partial(self.partial);
        options.language = self.asked.language.clone();
        options.prompt = self.asked.prompt.clone();
        options.hotwords = self.asked.hotwords.clone();
        options
    }

    /// Returns the phrases that are listened for, if they alone distinguish the session from `before`, so that its stream can
    /// go on.
    pub fn only_hotwords(&self, before: &Settings) -> Option<Vec<Hotword>> {
        let like = |settings: &Settings| {
            let mut options = settings.stream_options();
            options.hotwords = None;
            options
        };
        let (new, old) = (&self.asked.hotwords, &before.asked.hotwords);
        let is_like = like(self) == like(before)
            && self.format == before.format
            && self.logprobs == before.logprobs
            && new != old;
        // What the server's own configuration says cannot be brought back.
        new.clone().filter(|_| is_like)
    }

    fn read(session: Value, engine: &Engine) -> Result<Self, ApiError> {
        let fields: SessionFields =
            serde_json::from_value(session.clone()).map_err(|error| unreadable(&error))?;
        if fields.kind != "transcription" {
            let message =
                format!("session.type: not served (expected transcription, found {:?})", fields.kind);
            return Err(ApiError::unsupported("session.type", message));
        }
        if let Some(unknown) = fields.include.iter().flatten().find(|wanted| *wanted != LOGPROBS) {
            let message = format!("session.include: not known (expected {LOGPROBS}, found {unknown:?})");
            return Err(ApiError::value("session.include", message));
        }
        let (input, mut warnings) = (fields.audio.input, Warnings::default());
        if input.noise_reduction.is_some() {
            warnings.add("noise_reduction: no effect, audio is taken as it is");
        }
        let transcription = input.transcription.unwrap_or_default();
        if let Some(name) = &transcription.model {
            model::check(engine, name)?;
        }
        let listening = Listening {
            language: transcription.language,
            languages: transcription.languages.unwrap_or_default(),
            prompt: transcription.prompt,
            keywords: transcription.keywords.unwrap_or_default(),
        };
        let rules = engine.stream_rules();
        let partial = match (&input.turn_detection, transcription.delay) {
            // Nobody sees them: a turn has no name before it is committed.
            (None, _) => PartialConfig::default(),
            (_, None) => rules.partial,
            (_, Some(delay)) => PartialConfig { every_ms: every_ms(delay) },
        };
        let settings = Settings {
            format: format(input.format)?,
            is_manual: input.turn_detection.is_none(),
            logprobs: fields.include.iter().flatten().count() > 0,
            endpoint: endpoint(input.turn_detection.as_ref(), &rules.endpoint, &mut warnings)?,
            partial,
            asked: listening.ask(engine, &mut warnings)?,
            warnings,
            session,
        };
        engine.check_options(settings.stream_options()).map_err(|error| {
            let message = error.to_string();
            ApiError::value("session.audio.input", message)
        })?;
        Ok(settings)
    }
}

/// Lays `changes` over an object: null is a value.
fn merge(object: &mut Value, changes: &Value) {
    match (object, changes) {
        (Value::Object(object), Value::Object(changes)) => {
            for (name, change) in changes {
                let place = object.entry(name).or_insert_with(|| Value::Object(Map::new()));
                if WHOLE.contains(&name.as_str()) { *place = change.clone() } else { merge(place, change) }
            }
        }
        (object, change) => *object = change.clone(),
    }
}

fn unreadable(error: &serde_json::Error) -> ApiError {
    let message = format!("session: {error}");
    if message.contains("unknown field") {
        ApiError::new("unknown_parameter", "session", message)
    } else {
        ApiError::value("session", message)
    }
}

fn format(format: Format) -> Result<AudioFormat, ApiError> {
    let of = |encoding, sample_rate| AudioFormat { encoding, sample_rate, channels: 1 };
    match format {
        Format::Pcm { rate } if rate.is_none_or(|rate| rate == PCM_RATE_HZ) => {
            Ok(of(Encoding::Linear16, PCM_RATE_HZ))
        }
        Format::Pcm { .. } => {
            let message = format!("session.audio.input.format.rate: not supported (expected {PCM_RATE_HZ})");
            Err(ApiError::unsupported("session.audio.input.format.rate", message))
        }
        Format::Pcmu {} => Ok(of(Encoding::Mulaw, TELEPHONE_RATE_HZ)),
        Format::Pcma {} => Ok(of(Encoding::Alaw, TELEPHONE_RATE_HZ)),
    }
}

fn every_ms(delay: Delay) -> u16 {
    match delay {
        Delay::Minimal => 160,
        Delay::Low => 250,
        Delay::Medium => 500,
        Delay::High => 1000,
        Delay::Xhigh => 2000,
    }
}
