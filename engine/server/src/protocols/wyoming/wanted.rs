//! What a client wants of an utterance, and what becomes of it.

use super::server_event::{About, ErrorEvent, ServerEvent};
use super::transcribe::Transcribe;
use crate::services::Services;
use voxlane::{Engine, Hotword, StreamOptions};

/// The language of models that need not be told theirs: all that there are hear English.
const ONLY_LANGUAGE: &str = "en";

/// The most phrases of a request that are listened for.
const MOST_PHRASES: usize = 1_000;

/// What a request comes to.
pub(super) struct Wanted {
    pub(super) options: StreamOptions,
    pub(super) about: About,
    /// What of it cannot be had.
    pub(super) warnings: Vec<ServerEvent>,
}

/// The languages of the model, as IETF tags; never none.
pub(super) fn languages(engine: &Engine) -> Vec<&'static str> {
    match engine.model_info().languages {
        [] => vec![ONLY_LANGUAGE],
        languages => languages.to_vec(),
    }
}

impl Transcribe {
    /// Works out what is asked of the engine for audio of `rate` samples a second.
    ///
    /// # Errors
    /// For a language that the model does not have.
    pub(super) fn wanted(self, services: &Services, rate: u32) -> Result<Wanted, ErrorEvent> {
        let engine = &services.engine;
        let mut warnings = Vec::new();
        let mut warn = |code, text| warnings.push(ServerEvent::Warning { code, text });
        if let Some(name) = self.name.filter(|name| name != engine.model()) {
            let model = engine.model();
            warn("transcribe.name", format!("name {name:?}: not served here; {model:?} listens"));
        }
        if self.vad_sensitivity.is_some_and(|wanted| wanted != "default") {
            let text = "vad_sensitivity: not honored; `audio-stop` ends the command, and the server's rules its segments";
            warn("transcribe.vad_sensitivity", text.to_owned());
        }
        let mut options = StreamOptions::new(rate);
        if let Some(language) = &self.language {
            options.language = language_of(engine, language)?;
        }
        let names = self.transcript_names.into_iter().flatten();
        let phrases: Vec<String> = names.chain(self.transcript_terms.into_iter().flatten()).collect();
        if !phrases.is_empty() {
            let heard = hotwords(services, &options, phrases, &mut warn);
            options.hotwords = (!heard.is_empty()).then_some(heard);
        }
        let about = About { language: self.language, context: self.context };
        Ok(Wanted { options, about, warnings })
    }
}

/// The model's tag for a language; none where it need not be said. A region counts for nothing where the model makes no
/// difference.
fn language_of(engine: &Engine, wanted: &str) -> Result<Option<String>, ErrorEvent> {
    let known = languages(engine);
    let primary = wanted.split(['-', '_']).next().unwrap_or(wanted);
    let find = |tag: &str| known.iter().find(|known| known.eq_ignore_ascii_case(tag));
    match find(wanted).or_else(|| find(primary)) {
        Some(_) if engine.model_info().languages.is_empty() => Ok(None),
        Some(&tag) => Ok(Some(tag.to_owned())),
        None => {
            let known = known.join(", ");
            let text = format!("language {wanted:?}: not one of the model's (expected {known})");
            Err(ErrorEvent::new("open.language", text))
        }
    }
}

/// The phrases that the model can listen for: a home's names are not left out because of one that it cannot spell.
fn hotwords(
    services: &Services,
    options: &StreamOptions,
    phrases: Vec<String>,
    warn: &mut impl FnMut(&'static str, String),
) -> Vec<Hotword> {
    let all = phrases.len();
    if !services.engine.model_info().takes_hotwords {
        warn(
            "hotwords.unsupported",
            format!(
                "transcript_names, transcript_terms: the model listens for no phrases; {all} were left out"
            ),
        );
        return Vec::new();
    }
    let can =
        |phrase: &Hotword| services.engine.check_options(options.clone().hotwords([phrase.clone()])).is_ok();
    let phrases = phrases.into_iter().take(MOST_PHRASES).map(Hotword::new);
    let heard: Vec<Hotword> = phrases.filter(can).collect();
    let lost = all - heard.len();
    if lost > 0 {
        let text = format!(
            "transcript_names, transcript_terms: {lost} of {all} were left out (expected at most {MOST_PHRASES} that the model's vocabulary can spell)"
        );
        warn("hotwords.spelling", text);
    }
    heard
}
