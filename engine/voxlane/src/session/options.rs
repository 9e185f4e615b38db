//! The options with which a client opens a stream.

use crate::audio::ENGINE_RATE_HZ;
use crate::config::{EndpointConfig, Hotword, PartialConfig, SegmentConfig, ServiceClass};
pub use voxlane_models::decode::Task;

/// The options of a stream. What is not stated is as the engine's configuration has it.
///
/// ```
/// use voxlane::config::ServiceClass;
/// use voxlane::{Hotword, StreamOptions};
///
/// let telephone = StreamOptions::new(8_000).hotwords([Hotword::new("soy milk")]);
/// let recording = StreamOptions::new(44_100).class(ServiceClass::Batch);
/// assert_eq!((telephone.sample_rate, recording.hotwords), (8_000, None));
/// ```
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct StreamOptions {
    /// The sample rate of what will be pushed, 4,000 to 192,000 Hz. Default 16,000; others are resampled on
    /// the caller's thread.
    pub sample_rate: u32,
    /// The rules for where segments begin and end. Default: the engine's. The detector is the
    /// engine's, or off: then the client says where segments end.
    pub endpoint: Option<EndpointConfig>,
    /// The rhythm of partials. Default: the engine's.
    pub partial: Option<PartialConfig>,
    /// The window in which long segments are cut: it ends no later than the engine's, and is no longer than the engine's or
    /// that of recordings. Default: the engine's.
    pub segment: Option<SegmentConfig>,
    /// The phrases that the stream listens for, until [`Stream::set_hotwords`](super::Stream::set_hotwords) changes them.
    /// Default: the engine's. An empty list: no phrases.
    pub hotwords: Option<Vec<Hotword>>,
    /// The language that is spoken, as an IETF tag such as `en`, for models that know several. Default: the model finds out.
    pub language: Option<String>,
    /// The task: speech is written down, or translated into English by a model that can. Default: written down.
    pub task: Task,
    /// The text that came before the stream, for models that go on from it, at most 4,096 bytes. Default: none.
    pub prompt: Option<String>,
    /// The class of service: whether somebody waits for the text. Default: [`Live`](ServiceClass::Live).
    pub class: ServiceClass,
}

impl Default for StreamOptions {
    fn default() -> Self {
        StreamOptions::new(ENGINE_RATE_HZ)
    }
}

impl StreamOptions {
    /// Creates the options of a stream of audio of `sample_rate` Hz.
    pub fn new(sample_rate: u32) -> Self {
        StreamOptions {
            sample_rate,
            endpoint: None,
            partial: None,
            segment: None,
            hotwords: None,
            language: None,
            task: Task::default(),
            prompt: None,
            class: ServiceClass::default(),
        }
    }

    /// Sets the rules for where segments begin and end.
    #[must_use]
    pub fn endpoint(mut self, rules: EndpointConfig) -> Self {
        self.endpoint = Some(rules);
        self
    }

    /// Sets the rhythm of partials.
    #[must_use]
    pub fn partial(mut self, partial: PartialConfig) -> Self {
        self.partial = Some(partial);
        self
    }

    /// Sets the window in which long segments are cut.
    #[must_use]
    pub fn segment(mut self, window: SegmentConfig) -> Self {
        self.segment = Some(window);
        self
    }

    /// Sets the phrases that the stream listens for, which may be none.
    #[must_use]
    pub fn hotwords(mut self, phrases: impl IntoIterator<Item = Hotword>) -> Self {
        self.hotwords = Some(phrases.into_iter().collect());
        self
    }

    /// Sets the language that is spoken.
    #[must_use]
    pub fn language(mut self, tag: impl Into<String>) -> Self {
        self.language = Some(tag.into());
        self
    }

    /// Sets the task.
    #[must_use]
    pub fn task(mut self, task: Task) -> Self {
        self.task = task;
        self
    }

    /// Sets the text that the model goes on from.
    #[must_use]
    pub fn prompt(mut self, text: impl Into<String>) -> Self {
        self.prompt = Some(text.into());
        self
    }

    /// Sets the class of service.
    #[must_use]
    pub fn class(mut self, class: ServiceClass) -> Self {
        self.class = class;
        self
    }
}
