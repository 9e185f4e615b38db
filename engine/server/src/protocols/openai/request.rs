//! What a request about a recording asks for.

use super::chunking::Vad;
use super::error::ApiError;
use super::form::Form;
use super::listening::Listening;
use super::model;
use super::values::{boolean, expected, number};
use super::warnings::Warnings;
use crate::recording::{RecordingOptions, Upload};
use std::str::FromStr;
use voxlane::{Engine, Task};

/// What an answer looks like.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum ResponseFormat {
    /// The text in an object.
    #[default]
    Json,
    /// The text.
    Text,
    /// SubRip subtitles.
    Srt,
    /// Segments, and words if they are wanted.
    VerboseJson,
    /// WebVTT subtitles.
    Vtt,
}

impl FromStr for ResponseFormat {
    type Err = ApiError;

    fn from_str(text: &str) -> Result<Self, ApiError> {
        Ok(match text {
            "json" => ResponseFormat::Json,
            "text" => ResponseFormat::Text,
            "srt" => ResponseFormat::Srt,
            "verbose_json" => ResponseFormat::VerboseJson,
            "vtt" => ResponseFormat::Vtt,
            "diarized_json" => {
                let message = "response_format \"diarized_json\": not supported, speakers are not told apart";
                return Err(ApiError::unsupported("response_format", message));
            }
            other => {
                let message = format!(
                    "response_format: not known (expected json, text, srt, verbose_json or vtt, found {other:?})"
                );
                return Err(ApiError::value("response_format", message));
            }
        })
    }
}

/// What a request about a recording asks for.
#[derive(Debug)]
pub struct Request {
    /// The recording.
    pub upload: Upload,
    /// What is asked of the engine.
    pub options: RecordingOptions,
    /// What the answer says of the language.
    pub language: String,
    /// What the answer looks like.
    pub format: ResponseFormat,
    /// Whether words are wanted with their times.
    pub words: bool,
    /// Whether segments are wanted with their times.
    pub segments: bool,
    /// Whether the answer comes piece by piece.
    pub stream: bool,
    /// Whether the log probabilities of tokens are wanted.
    pub logprobs: bool,
    /// What was taken and has no effect.
    pub warnings: Warnings,
}

/// The fields of a form as they are read.
#[derive(Default)]
struct Fields {
    model: Option<String>,
    format: ResponseFormat,
    granularities: Vec<String>,
    stream: bool,
    logprobs: bool,
    listening: Listening,
    vad: Option<Vad>,
    warnings: Warnings,
}

impl Request {
    /// Reads a form for `task`.
    ///
    /// # Errors
    /// [`ApiError`] naming the field at fault.
    pub fn read(engine: &Engine, form: Form, task: Task) -> Result<Self, ApiError> {
        let mut fields = Fields::default();
        for (name, value) in form.fields {
            fields.take(&name, value, task)?;
        }
        let missing =
            |param: &str| ApiError::new("missing_required_parameter", param, format!("{param}: missing"));
        let upload = form.file.ok_or_else(|| missing("file"))?;
        model::check(engine, &fields.model.ok_or_else(|| missing("model"))?)?;
        if task == Task::Translate && !engine.model_info().translates {
            let message = format!("model {:?}: does not translate", engine.model());
            return Err(ApiError::unsupported("model", message));
        }
        let Fields { format, granularities, stream, logprobs, listening, vad, mut warnings, .. } = fields;
        if stream && matches!(format, ResponseFormat::Srt | ResponseFormat::Vtt) {
            let message = "stream: not with subtitles (expected response_format json, text or verbose_json)";
            return Err(ApiError::unsupported("response_format", message));
        }
        let wants = |kind: &str| granularities.iter().any(|wanted| wanted == kind);
        let is_verbose = format == ResponseFormat::VerboseJson;
        if wants("word") && (!is_verbose || stream) {
            warnings.add("timestamp_granularities word: no effect without verbose_json, nor with stream");
        }
        if wants("segment") && !is_verbose && !stream {
            warnings.add("timestamp_granularities segment: no effect without verbose_json or stream");
        }
        if logprobs && format != ResponseFormat::Json {
            warnings.add("include logprobs: no effect without json");
        }
        let asked = listening.ask(engine, &mut warnings)?;
        let options = RecordingOptions {
            language: asked.language,
            task,
            prompt: asked.prompt,
            hotwords: asked.hotwords,
            endpoint: vad.map(|vad| vad.rules(engine)).transpose()?,
            ..RecordingOptions::default()
        };
        let language = if task == Task::Translate { "en".to_owned() } else { asked.told_language };
        Ok(Request {
            upload,
            options,
            language,
            format,
            words: wants("word"),
            segments: wants("segment") || is_verbose && !wants("word"),
            stream,
            logprobs: logprobs && format == ResponseFormat::Json,
            warnings,
        })
    }
}

impl Fields {
    fn take(&mut self, name: &str, value: String, task: Task) -> Result<(), ApiError> {
        let only_transcriptions = task == Task::Transcribe;
        match name {
            "model" => self.model = Some(value),
            "prompt" => self.listening.prompt = Some(value),
            "response_format" => self.format = value.parse()?,
            "temperature" => self.temperature(&value)?,
            _ if !only_transcriptions => self.warnings.add(format!("{name}: not known, no effect")),
            "language" => self.listening.language = Some(value),
            "languages[]" | "languages" => self.listening.languages.push(value),
            "keywords[]" | "keywords" => self.listening.keywords.push(value),
            "timestamp_granularities[]" | "timestamp_granularities" => match value.as_str() {
                "word" | "segment" => self.granularities.push(value),
                _ => return Err(expected(name, "word or segment", &value)),
            },
            "include[]" | "include" => match value.as_str() {
                "logprobs" => self.logprobs = true,
                _ => return Err(expected(name, "logprobs", &value)),
            },
            "stream" => self.stream = boolean(name, &value)?,
            "chunking_strategy" => self.chunking(&value)?,
            "chunking_strategy[type]" if value == "server_vad" => {
                self.vad.get_or_insert_default();
            }
            "chunking_strategy[type]" => return Err(expected(name, "server_vad", &value)),
            "chunking_strategy[threshold]" => {
                self.vad.get_or_insert_default().threshold = Some(number(name, &value)?)
            }
            "chunking_strategy[prefix_padding_ms]" => {
                self.vad.get_or_insert_default().prefix_ms = Some(number(name, &value)?);
            }
            "chunking_strategy[silence_duration_ms]" => {
                self.vad.get_or_insert_default().silence_ms = Some(number(name, &value)?);
            }
            "known_speaker_names[]" | "known_speaker_references[]" => {
                self.warnings.add(format!("{name}: no effect, speakers are not told apart"));
            }
            _ => self.warnings.add(format!("{name}: not known, no effect")),
        }
        Ok(())
    }

    fn temperature(&mut self, value: &str) -> Result<(), ApiError> {
        let temperature: f32 = number("temperature", value)?;
        if !(0.0..=1.0).contains(&temperature) {
            return Err(expected("temperature", "0 to 1", value));
        }
        if temperature != 0.0 {
            self.warnings.add("temperature: no effect, decoding never samples");
        }
        Ok(())
    }

    /// `auto`, or the object as JSON, as some clients send it.
    fn chunking(&mut self, value: &str) -> Result<(), ApiError> {
        if value == "auto" {
            return Ok(());
        }
        let wrong = || expected("chunking_strategy", "auto or an object of the type server_vad", value);
        let object: serde_json::Map<String, serde_json::Value> =
            serde_json::from_str(value).map_err(|_| wrong())?;
        if object.get("type").is_none_or(|kind| kind != "server_vad") {
            return Err(wrong());
        }
        for (field, value) in object {
            let text = value.as_str().map_or_else(|| value.to_string(), str::to_owned);
            self.take(&format!("chunking_strategy[{field}]"), text, Task::Transcribe)?;
        }
        Ok(())
    }
}
