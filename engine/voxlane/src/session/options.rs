//! What a client asks of a stream when it opens it.

use crate::audio::ENGINE_RATE_HZ;
use crate::config::{EndpointConfig, Hotword, PartialConfig, ServiceClass};
pub use voxlane_models::decode::Task;

/// How a stream is to be treated. What is not said is as the engine's configuration has it.
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
    /// Samples per second of what will be pushed, 4,000 to 192,000. Default 16,000; others are resampled on
    /// the caller's thread.
    pub sample_rate: u32,
    /// When segments begin and end. Default: as the engine's configuration says. The detector is the
    /// engine's, or off: then the client says where segments end.
    pub endpoint: Option<EndpointConfig>,
    /// How often open segments are looked at. Default: as the engine's configuration says.
    pub partial: Option<PartialConfig>,
    /// What the stream listens for, until [`Stream::set_hotwords`](super::Stream::set_hotwords) changes it. Default: as the
    /// engine's configuration says. None at all: an empty list.
    pub hotwords: Option<Vec<Hotword>>,
    /// What is spoken, as an IETF tag such as `en`, for models that know several languages. Default: the model finds out.
    pub language: Option<String>,
    /// Whether what is said is written down, or translated into English by a model that can. Default: written down.
    pub task: Task,
    /// What was said before, for models that go on from it, at most 4,096 bytes. Default: nothing.
    pub prompt: Option<String>,
    /// Whether somebody waits for the text. Default: yes.
    pub class: ServiceClass,
}

impl Default for StreamOptions {
    fn default() -> Self {
        StreamOptions::new(ENGINE_RATE_HZ)
    }
}

impl StreamOptions {
    /// For audio of so many samples per second.
    pub fn new(sample_rate: u32) -> Self {
        StreamOptions {
            sample_rate,
            endpoint: None,
            partial: None,
            hotwords: None,
            language: None,
            task: Task::default(),
            prompt: None,
            class: ServiceClass::default(),
        }
    }

    /// With rules of its own for where segments begin and end.
    #[must_use]
    pub fn endpoint(mut self, rules: EndpointConfig) -> Self {
        self.endpoint = Some(rules);
        self
    }

    /// With partials of its own rhythm.
    #[must_use]
    pub fn partial(mut self, partial: PartialConfig) -> Self {
        self.partial = Some(partial);
        self
    }

    /// Listening for these phrases, or for none at all.
    #[must_use]
    pub fn hotwords(mut self, phrases: impl IntoIterator<Item = Hotword>) -> Self {
        self.hotwords = Some(phrases.into_iter().collect());
        self
    }

    /// In this language.
    #[must_use]
    pub fn language(mut self, tag: impl Into<String>) -> Self {
        self.language = Some(tag.into());
        self
    }

    /// With this to be done.
    #[must_use]
    pub fn task(mut self, task: Task) -> Self {
        self.task = task;
        self
    }

    /// Going on from what was said before.
    #[must_use]
    pub fn prompt(mut self, text: impl Into<String>) -> Self {
        self.prompt = Some(text.into());
        self
    }

    /// Of this class.
    #[must_use]
    pub fn class(mut self, class: ServiceClass) -> Self {
        self.class = class;
        self
    }
}
