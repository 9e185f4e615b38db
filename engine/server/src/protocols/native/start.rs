//! The first message: what the audio is, and what is wanted of it.

use crate::audio::{AudioFormat, ChannelMode, Encoding};
use crate::network::Problem;
use serde::Deserialize;
use serde_json::{Map, Value};
use voxlane::audio::ENGINE_RATE_HZ;
use voxlane::config::{EndpointConfig, PartialConfig, ServiceClass, StreamRules};
use voxlane::{Event, Hotword, StreamOptions, Task};

/// The fields of `start`.
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Start {
    /// The way in which samples are stored. Default `linear16`.
    pub encoding: Encoding,
    /// Samples per second. Default 16000.
    pub sample_rate: u32,
    /// Channels, interleaved. Default 1.
    pub channels: usize,
    /// What becomes of several channels. Default `mixed`.
    pub channel_mode: ChannelMode,
    /// What is wanted.
    pub options: StartOptions,
}

impl Default for Start {
    fn default() -> Self {
        Start {
            encoding: Encoding::default(),
            sample_rate: ENGINE_RATE_HZ,
            channels: 1,
            channel_mode: ChannelMode::default(),
            options: StartOptions::default(),
        }
    }
}

/// What is wanted of a stream. What is not stated is as the server's configuration has it.
#[derive(Clone, Debug, Default, PartialEq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct StartOptions {
    /// Fields of the endpoint rules that differ from the server's.
    pub endpoint: Map<String, Value>,
    /// The rhythm of partials.
    pub partial: Option<PartialConfig>,
    /// The phrases that are listened for.
    pub hotwords: Option<Vec<Hotword>>,
    /// The language that is spoken.
    pub language: Option<String>,
    /// Whether speech is translated into English.
    pub translate: bool,
    /// The text that came before.
    pub prompt: Option<String>,
    /// The class of service.
    pub class: ServiceClass,
    /// The kinds of events that are sent; without, all. `error` and `closed` always are.
    pub events: Option<Vec<EventKind>>,
}

/// A kind of event.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum EventKind {
    /// A segment has opened.
    SpeechStart,
    /// Text that may change.
    Partial,
    /// A segment's end has been decided.
    Endpoint,
    /// The speaker has probably finished.
    EagerEnd,
    /// The speaker goes on after all.
    Resumed,
    /// A final is doubtful.
    Warning,
    /// Text that never changes.
    Final,
    /// A marker's answer.
    Marker,
}

impl EventKind {
    /// Returns the kind of an event; none of those that are always sent.
    pub fn of(event: &Event) -> Option<Self> {
        Some(match event {
            Event::SpeechStart { .. } => EventKind::SpeechStart,
            Event::Partial(_) => EventKind::Partial,
            Event::Endpoint { .. } => EventKind::Endpoint,
            Event::EagerEnd(_) => EventKind::EagerEnd,
            Event::Resumed { .. } => EventKind::Resumed,
            Event::Warning { .. } => EventKind::Warning,
            Event::Final(_) => EventKind::Final,
            Event::Marker { .. } => EventKind::Marker,
            _ => return None,
        })
    }
}

impl Start {
    /// Returns the format of the audio.
    pub fn format(&self) -> AudioFormat {
        AudioFormat { encoding: self.encoding, sample_rate: self.sample_rate, channels: self.channels }
    }

    /// Returns the options for the engine; endpoint rules that are not stated are those of `rules`.
    ///
    /// # Errors
    /// [`Problem`] naming an endpoint field that there is not, or whose value has the wrong type.
    pub fn stream_options(&self, rules: &StreamRules) -> Result<StreamOptions, Problem> {
        let wanted = &self.options;
        let mut options = StreamOptions::new(self.sample_rate).class(wanted.class);
        if !wanted.endpoint.is_empty() {
            options = options.endpoint(endpoint(&rules.endpoint, &wanted.endpoint)?);
        }
        if wanted.translate {
            options = options.task(Task::Translate);
        }
        options.partial = wanted.partial;
        options.hotwords = wanted.hotwords.clone();
        options.language = wanted.language.clone();
        options.prompt = wanted.prompt.clone();
        Ok(options)
    }

    /// Returns whether an event is sent.
    pub fn wants(&self, event: &Event) -> bool {
        match (&self.options.events, EventKind::of(event)) {
            (Some(wanted), Some(kind)) => wanted.contains(&kind),
            _ => true,
        }
    }
}

/// The rules with some fields replaced.
fn endpoint(rules: &EndpointConfig, fields: &Map<String, Value>) -> Result<EndpointConfig, Problem> {
    let wrong =
        |error: serde_json::Error| Problem::new(400, "open.rules", format!("options.endpoint: {error}"));
    let mut merged = serde_json::to_value(rules).map_err(wrong)?;
    if let Value::Object(merged) = &mut merged {
        merged.extend(fields.clone());
    }
    serde_json::from_value(merged).map_err(wrong)
}

#[cfg(test)]
mod tests {
    use super::*;
    use voxlane::Config;

    fn options(text: &str) -> Result<StreamOptions, Problem> {
        let start: Start = serde_json::from_str(text).unwrap();
        start.stream_options(&Config::live().stream_rules())
    }

    #[test]
    fn endpoint_rules_lie_over_the_servers() {
        let changed = options(r#"{"options":{"endpoint":{"silence_ms":450}}}"#).unwrap().endpoint.unwrap();
        assert_eq!(changed, EndpointConfig { silence_ms: 450, ..Config::live().endpoint });
        assert_eq!(options("{}").unwrap(), StreamOptions::new(16_000));
        let error = options(r#"{"options":{"endpoint":{"silence":450}}}"#).unwrap_err();
        assert!(error.message.contains("options.endpoint: unknown field `silence`"), "{}", error.message);
        assert!(options(r#"{"options":{"endpoint":{"silence_ms":-1}}}"#).is_err());
    }

    #[test]
    fn only_wanted_events_are_sent_and_the_end_always() {
        let start: Start = serde_json::from_str(r#"{"options":{"events":["final"]}}"#).unwrap();
        assert!(start.wants(&Event::Closed { stream: 0 }));
        assert!(!start.wants(&Event::Marker { stream: 0, marker: 1 }));
        assert!(Start::default().wants(&Event::Marker { stream: 0, marker: 1 }));
    }
}
