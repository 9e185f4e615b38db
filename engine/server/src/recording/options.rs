//! What is wanted of a recording.

use voxlane::audio::file::Channels;
use voxlane::config::{DetectorKind, EndpointConfig, PartialConfig, SegmentConfig, ServiceClass};
use voxlane::{Config, Engine, Hotword, StreamOptions, Task};

/// What is wanted of a recording. What is not stated is as the engine's configuration has it.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct RecordingOptions {
    /// The channels that are listened to. Default: their mean.
    pub channels: Channels,
    /// The language that is spoken.
    pub language: Option<String>,
    /// Whether speech is written down or translated.
    pub task: Task,
    /// The text that came before.
    pub prompt: Option<String>,
    /// The phrases that are listened for.
    pub hotwords: Option<Vec<Hotword>>,
    /// Where segments begin and end. Default: [`recording_rules`].
    pub endpoint: Option<EndpointConfig>,
}

impl RecordingOptions {
    /// Returns the options of the stream that the recording is for `engine`: the rules are those of `voxlane transcribe`. A
    /// recording that the engine's own detector does not suit is divided by it all the same.
    pub fn stream_options(&self, engine: &Engine, sample_rate: u32) -> StreamOptions {
        let mut options = StreamOptions::new(sample_rate)
            .class(ServiceClass::Batch)
            .endpoint(self.endpoint.unwrap_or_else(|| recording_rules(engine)))
            .partial(PartialConfig::default())
            .segment(window(engine))
            .task(self.task);
        options.language = self.language.clone();
        options.prompt = self.prompt.clone();
        options.hotwords = self.hotwords.clone();
        options
    }
}

/// Returns where segments of recordings begin and end, as far as the engine's detector allows.
pub fn recording_rules(engine: &Engine) -> EndpointConfig {
    if engine.model_info().is_streaming() {
        // Silence costs such a network nothing, and it needs no detector.
        return EndpointConfig::default();
    }
    let rules = Config::recordings().endpoint;
    match engine.stream_rules().endpoint.detector {
        DetectorKind::Silero => rules,
        detector => EndpointConfig { detector, ..rules },
    }
}

fn window(engine: &Engine) -> SegmentConfig {
    let window =
        if engine.model_info().is_streaming() { SegmentConfig::default() } else { SegmentConfig::RECORDINGS };
    window.within(engine.segment())
}
