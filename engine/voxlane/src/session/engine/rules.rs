//! Which rules for endpoints the models and the engine can keep: those of a configuration, and those of one stream.

use super::super::{OpenError, StreamOptions};
use super::Engine;
use crate::config::{
    ConfigError, EndpointConfig, InvalidField, SegmentConfig, Source, StreamRules, TurnRule,
};
use crate::punctuation::Punctuation;
use std::sync::Arc;
use voxlane_models::model::Model;
use voxlane_models::tokenizers::vocabulary::Vocabulary;

/// A rule that only networks that take audio in chunks can keep.
const BLANK_FIELD: &str = "endpoint.blank_ms";
const BLANK_ALLOWED: &str = "must be 0, because the model does not take audio in chunks";

/// A rule that networks that take audio in chunks cannot keep: their text of a pause lacks what they look ahead for.
const EAGER_FIELD: &str = "endpoint.eager_threshold";
const EAGER_ALLOWED: &str = "must be 0, because the model takes audio in chunks";

/// A rule for which lanes keep memory.
const CONTEXT_FIELD: &str = "endpoint.context_s";

/// A rule that only networks with punctuation can keep, and one that takes a network of its own.
const TURN_FIELD: &str = "endpoint.turn";
const TURN_TEXT: &str = "must be \"off\" or \"audio\", because the model writes no punctuation";
const TURN_AUDIO: &str =
    "must be \"off\" or \"text\", because the engine was not started with \"audio\" or \"both\"";

/// A rule that cannot be kept.
struct Refusal {
    field: &'static str,
    value: String,
    allowed: String,
}

impl Refusal {
    fn new(field: &'static str, value: impl ToString, allowed: impl Into<String>) -> Self {
        Refusal { field, value: value.to_string(), allowed: allowed.into() }
    }

    /// What asks for chunks, or for none, of networks that all take audio `in_chunks`, or all take it `whole`.
    fn by_chunks(rules: &EndpointConfig, in_chunks: bool, whole: bool) -> Option<Self> {
        if rules.blank_ms > 0 && !in_chunks {
            return Some(Refusal::new(BLANK_FIELD, rules.blank_ms, BLANK_ALLOWED));
        }
        let is_refused = rules.eager_threshold > 0.0 && !whole;
        is_refused.then(|| Refusal::new(EAGER_FIELD, rules.eager_threshold, EAGER_ALLOWED))
    }
}

impl From<Refusal> for OpenError {
    fn from(Refusal { field, value, allowed }: Refusal) -> Self {
        OpenError::Rules { field, value, allowed }
    }
}

/// Whether the models can keep the rules of a configuration.
pub(super) fn check<M: Model>(
    source: &Source,
    models: &[Arc<M>],
    vocabulary: &dyn Vocabulary,
) -> Result<(), ConfigError> {
    let rules = &source.config.endpoint;
    let in_chunks = models.iter().all(|model| model.info().is_streaming());
    let whole = models.iter().all(|model| !model.info().is_streaming());
    let is_refused = || rules.turn == TurnRule::Text && !(whole && Punctuation::new(vocabulary).has_ends());
    let refusal = Refusal::by_chunks(rules, in_chunks, whole)
        .or_else(|| is_refused().then(|| Refusal::new(TURN_FIELD, rules.turn.name(), TURN_TEXT)));
    match refusal {
        None => Ok(()),
        Some(Refusal { field, value, allowed: message }) => {
            Err(ConfigError::Value { at: source.locate(None), field, value, message })
        }
    }
}

impl Engine {
    /// The rules of a stream that asks for these options, if they can be kept.
    pub(super) fn rules_of(&self, options: &StreamOptions) -> Result<StreamRules, OpenError> {
        let mut rules = StreamRules {
            endpoint: options.endpoint.unwrap_or(self.rules.endpoint),
            partial: options.partial.unwrap_or(self.rules.partial),
            class: options.class,
            segment: options.segment,
        };
        let fault = rules.endpoint.fault().or_else(|| self.window_fault(rules.segment?));
        if let Some(InvalidField { field, value, rule, .. }) = fault {
            return Err(OpenError::Rules { field, value, allowed: rule });
        }
        let is_streaming = self.info.is_streaming();
        if let Some(refusal) = Refusal::by_chunks(&rules.endpoint, is_streaming, !is_streaming) {
            return Err(refusal.into());
        }
        if rules.endpoint.turn == TurnRule::Both && !self.reads_ends {
            rules.endpoint.turn = TurnRule::Audio;
        }
        let (context, most) = (rules.endpoint.context_s, self.rules.endpoint.context_s);
        if context > most {
            let allowed = format!("must be at most {most}, with which the engine was started");
            return Err(Refusal::new(CONTEXT_FIELD, context, allowed).into());
        }
        let turn = rules.endpoint.turn;
        let refused = [
            (turn.reads_text() && !self.reads_ends, TURN_TEXT),
            (turn.hears_audio() && !self.hears_turns, TURN_AUDIO),
        ];
        if let Some((_, allowed)) = refused.into_iter().find(|(is_refused, _)| *is_refused) {
            return Err(Refusal::new(TURN_FIELD, turn.name(), allowed).into());
        }
        if !self.voice.serves(&rules.endpoint) {
            let (wanted, has) = (rules.endpoint.detector, self.voice.kind());
            return Err(OpenError::Detector { wanted, has });
        }
        Ok(rules)
    }

    /// What is wrong with a stream's own window in which segments are cut.
    fn window_fault(&self, window: SegmentConfig) -> Option<InvalidField> {
        let engine = self.segment;
        let longest = engine.length_s().max(SegmentConfig::RECORDINGS.within(engine).length_s());
        let refuse = |field, value: f64, rule| InvalidField {
            field,
            value: value.to_string(),
            rule,
            other: None,
            lane: None,
        };
        let most = engine.cut_by_s;
        let late = || {
            let rule = format!("must be at most {most}, with which the engine was started");
            (window.cut_by_s > most).then(|| refuse("segment.cut_by_s", window.cut_by_s, rule))
        };
        let long = || {
            let least = window.cut_by_s - longest;
            let rule = format!("must be at least segment.cut_by_s - {longest} ({least})");
            (window.cut_from_s < least).then(|| refuse("segment.cut_from_s", window.cut_from_s, rule))
        };
        window.fault().or_else(late).or_else(long)
    }
}
