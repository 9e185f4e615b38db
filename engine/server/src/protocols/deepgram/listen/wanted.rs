//! What a client wants of `/v1/listen`.

use crate::audio::{AudioFormat, ChannelMode};
use crate::protocols::deepgram::options::{Query, language, phrases, raw_format};
use crate::protocols::deepgram::{model, refusal::Refusal};
use voxlane::audio::ENGINE_RATE_HZ;
use voxlane::config::PartialConfig;
use voxlane::{Engine, Hotword, StreamOptions};

/// The pause that ends speech where a client names none, as Deepgram documents it.
const ENDPOINTING_MS: u32 = 10;

/// The rhythm of partials where the engine has none.
const PARTIAL_MS: u16 = 250;

/// What a client wants.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Wanted {
    /// Of audio without a header.
    pub(super) format: Option<(AudioFormat, ChannelMode)>,
    /// Whether text that may change is told.
    pub(super) interim_results: bool,
    /// The pause after which a final is `speech_final`, in milliseconds; none: no final is.
    pub(super) endpointing_ms: Option<u32>,
    /// The time without words after which an utterance has ended, in milliseconds.
    pub(super) utterance_end_ms: Option<u32>,
    /// Whether beginnings of speech are told.
    pub(super) vad_events: bool,
    pub(super) language: Option<String>,
    pub(super) hotwords: Option<Vec<Hotword>>,
    pub(super) tags: Vec<String>,
    pub(super) extra: Vec<String>,
    /// The time from the start of a segment to the moment when it is known, in seconds, at most.
    pub(super) onset_s: f64,
    /// The rhythm of partials, where it is not the engine's.
    partial: Option<PartialConfig>,
}

impl Wanted {
    /// Reads a query.
    ///
    /// # Errors
    /// [`Refusal`] naming the option.
    pub(super) fn of(query: &mut Query, engine: &Engine) -> Result<Self, Refusal> {
        if let Some(name) = query.one("model").filter(|name| !name.is_empty()) {
            model::check(engine, name)?;
        }
        let format = raw_format(query)?;
        let mode = if query.flag("multichannel")? { ChannelMode::Separate } else { ChannelMode::Mixed };
        if mode == ChannelMode::Separate && format.is_none() {
            let message = "multichannel: needs an encoding without a header (expected linear16, linear32, mulaw or alaw)";
            return Err(Refusal::bad_request(message));
        }
        let interim_results = query.flag("interim_results")?;
        let utterance_end_ms = query.number("utterance_end_ms", 1000..=5000_u32)?;
        if utterance_end_ms.is_some() && !interim_results {
            return Err(Refusal::bad_request("utterance_end_ms: needs interim_results=true"));
        }
        for name in ["punctuate", "smart_format"] {
            query.flag(name)?;
        }
        let rules = engine.stream_rules().endpoint;
        let rhythm = engine.stream_rules().partial.every_ms;
        let partial = match (interim_results, rhythm) {
            (false, _) => Some(PartialConfig { every_ms: 0 }),
            (true, 0) => Some(PartialConfig { every_ms: PARTIAL_MS }),
            (true, _) => None,
        };
        Ok(Wanted {
            format: format.map(|format| (format, mode)),
            interim_results,
            endpointing_ms: endpointing(query)?,
            utterance_end_ms,
            vad_events: query.flag("vad_events")?,
            language: language(query, engine)?,
            hotwords: phrases(query, engine),
            tags: query.all("tag").map(str::to_owned).collect(),
            extra: query.all("extra").map(str::to_owned).collect(),
            onset_s: (f64::from(rules.lead_ms) + f64::from(rules.onset_ms)) / 1000.0,
            partial,
        })
    }

    /// The options of each stream: of a file's the rate is not yet known.
    pub(super) fn stream_options(&self) -> StreamOptions {
        let rate = self.format.map_or(ENGINE_RATE_HZ, |(format, _)| format.sample_rate);
        let mut options = StreamOptions::new(rate);
        options.language = self.language.clone();
        options.hotwords = self.hotwords.clone();
        options.partial = self.partial;
        options
    }
}

/// `endpointing`: a pause, or `false`.
fn endpointing(query: &Query) -> Result<Option<u32>, Refusal> {
    match query.one("endpointing") {
        None | Some("") => Ok(Some(ENDPOINTING_MS)),
        Some(value) if value.eq_ignore_ascii_case("false") => Ok(None),
        Some(value) if value.eq_ignore_ascii_case("true") => Ok(Some(ENDPOINTING_MS)),
        Some(_) => query.number("endpointing", 0..=60_000),
    }
}
