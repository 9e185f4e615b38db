//! What a client wants of a conversation.

use crate::audio::{AudioFormat, ChannelMode};
use crate::protocols::deepgram::options::{Query, phrases, raw_format};
use crate::protocols::deepgram::{model, refusal::Refusal};
use serde::Serialize;
use voxlane::audio::ENGINE_RATE_HZ;
use voxlane::config::{EndpointConfig, PartialConfig, TurnRule};
use voxlane::{Engine, StreamOptions};

/// The thresholds of a client that names none.
const EOT_THRESHOLD: f32 = 0.7;
const EOT_TIMEOUT_MS: u16 = 5000;

/// The rhythm of updates.
const UPDATE_MS: u16 = 250;

/// When a turn ends.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub(super) struct Thresholds {
    /// The probability from which it does, behind a short silence.
    pub(super) eot_threshold: f32,
    /// The probability from which it probably does; none: nobody wants to know.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) eager_eot_threshold: Option<f32>,
    /// The silence that ends it in any case, in milliseconds.
    pub(super) eot_timeout_ms: u16,
}

/// What a client wants.
#[derive(Clone, Debug)]
pub(super) struct Wanted {
    pub(super) format: Option<(AudioFormat, ChannelMode)>,
    pub(super) options: StreamOptions,
    pub(super) thresholds: Thresholds,
    pub(super) keyterms: Vec<String>,
    pub(super) tags: Vec<String>,
    /// Whether anything beside silence says that a turn has ended.
    pub(super) knows_turns: bool,
}

impl Wanted {
    /// Reads a query.
    ///
    /// # Errors
    /// [`Refusal`] naming the option.
    pub(super) fn of(query: &mut Query, engine: &Engine) -> Result<Self, Refusal> {
        match query.one("model") {
            None | Some("") => {
                return Err(Refusal::bad_request("model: missing (expected such as flux-general-en)"));
            }
            Some(name) => model::check(engine, name)?,
        }
        let format = raw_format(query)?.map(|format| (format, ChannelMode::Mixed));
        let thresholds = Thresholds {
            eot_threshold: query.number("eot_threshold", 0.5..=0.9_f32)?.unwrap_or(EOT_THRESHOLD),
            eager_eot_threshold: query.number("eager_eot_threshold", 0.3..=0.9_f32)?,
            eot_timeout_ms: query.number("eot_timeout_ms", 500..=10_000_u16)?.unwrap_or(EOT_TIMEOUT_MS),
        };
        let rules = engine.stream_rules().endpoint;
        let knows_turns = rules.turn != TurnRule::Off;
        let is_eager = thresholds.eager_eot_threshold.is_some();
        if !knows_turns && (query.one("eot_threshold").is_some() || is_eager) {
            query.warn("eot_threshold: has no effect: silence alone ends turns of this engine");
        }
        if is_eager && engine.model_info().is_streaming() {
            query.warn("eager_eot_threshold: has no effect: the model takes audio in chunks");
        }
        if !knows_turns && query.one("eot_timeout_ms").is_some() {
            query.warn("eot_timeout_ms: has no effect: silence alone ends turns of this engine");
        }
        let can_hurry = knows_turns && !engine.model_info().is_streaming();
        let eager = thresholds.eager_eot_threshold.filter(|_| can_hurry).unwrap_or(0.0);
        let endpoint = EndpointConfig {
            turn_threshold: thresholds.eot_threshold,
            eager_threshold: eager,
            silence_max_ms: thresholds.eot_timeout_ms,
            ..rules
        };
        let rate = format.map_or(ENGINE_RATE_HZ, |(format, _)| format.sample_rate);
        let mut options = StreamOptions::new(rate).partial(PartialConfig { every_ms: UPDATE_MS });
        if knows_turns {
            options = options.endpoint(endpoint);
        }
        options.hotwords = phrases(query, engine);
        let keyterms = options.hotwords.iter().flatten().map(|phrase| phrase.phrase.clone()).collect();
        let tags = query.all("tag").map(str::to_owned).collect();
        Ok(Wanted { format, options, thresholds, keyterms, tags, knows_turns })
    }
}
