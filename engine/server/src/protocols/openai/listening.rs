//! What recordings and live sessions can ask of the model: language, prompt, phrases.

use super::error::ApiError;
use super::warnings::Warnings;
use voxlane::{Engine, Hotword};

/// The language of a model that names none: all of those are English.
const ONLY_LANGUAGE: &str = "en";

/// The most phrases.
const MOST_KEYWORDS: usize = 1000;

/// What is asked of the model, as the client says it.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Listening {
    /// The language that is spoken.
    pub language: Option<String>,
    /// The languages one of which is spoken.
    pub languages: Vec<String>,
    /// The text that came before.
    pub prompt: Option<String>,
    /// The phrases that are listened for.
    pub keywords: Vec<String>,
}

/// What is asked of the engine.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Asked {
    /// The language, if the model wants to be told.
    pub language: Option<String>,
    /// The language for the client: the one that it asked for, or the model's only one; `und` where the model finds out.
    pub told_language: String,
    /// The text that came before.
    pub prompt: Option<String>,
    /// The phrases; none: as the server's configuration has it.
    pub hotwords: Option<Vec<Hotword>>,
}

impl Listening {
    /// Returns what the engine can be asked of it; what it cannot honour becomes a warning.
    ///
    /// # Errors
    /// [`ApiError`] for a language that the model lacks, and for too many phrases.
    pub fn ask(self, engine: &Engine, warnings: &mut Warnings) -> Result<Asked, ApiError> {
        let info = engine.model_info();
        let mut asked = Asked::default();
        let known: &[&str] = if info.languages.is_empty() { &[ONLY_LANGUAGE] } else { info.languages };
        let language = language(self.language.as_deref(), &self.languages, known)?;
        if !info.languages.is_empty() {
            asked.language = language.map(str::to_owned);
        }
        let only = (known.len() == 1).then(|| known[0]);
        asked.told_language = language.or(only).unwrap_or("und").to_owned();
        if let Some(prompt) = self.prompt.filter(|prompt| !prompt.is_empty()) {
            if info.takes_prompt {
                asked.prompt = Some(prompt);
            } else {
                warnings.add("prompt: no effect, the model takes none");
            }
        }
        if self.keywords.len() > MOST_KEYWORDS {
            let message = format!(
                "keywords: too many (expected at most {MOST_KEYWORDS}, found {})",
                self.keywords.len()
            );
            return Err(ApiError::value("keywords", message));
        }
        if !self.keywords.is_empty() {
            if info.takes_hotwords {
                asked.hotwords = Some(self.keywords.into_iter().map(Hotword::new).collect());
            } else {
                warnings.add("keywords: no effect, the model listens for none");
            }
        }
        Ok(asked)
    }
}

/// The language of the model's that is asked for; none: the model finds out.
fn language<'a>(
    one: Option<&str>,
    several: &[String],
    known: &[&'a str],
) -> Result<Option<&'a str>, ApiError> {
    let find = |wanted: &str| known.iter().copied().find(|known| is_same(known, wanted));
    let refuse = |wanted: &str, param| {
        let message = format!("{param} {wanted:?}: not one of the model's (expected {})", known.join(", "));
        ApiError::unsupported(param, message)
    };
    if let Some(wanted) = one.filter(|wanted| !wanted.is_empty()) {
        return find(wanted).map(Some).ok_or_else(|| refuse(wanted, "language"));
    }
    let found: Vec<_> = several.iter().filter_map(|wanted| find(wanted)).collect();
    match (several, &found[..]) {
        ([], _) => Ok(None),
        (_, []) => Err(refuse(&several.join(", "), "languages")),
        ([_], [language]) => Ok(Some(language)),
        _ => Ok(None),
    }
}

/// Whether a tag such as `en` names what a client calls `EN`, `en-US` or, of English, `english`.
fn is_same(known: &str, wanted: &str) -> bool {
    let wanted = wanted.trim().to_ascii_lowercase();
    let primary = |tag: &str| tag.split(['-', '_']).next().unwrap_or_default().to_ascii_lowercase();
    known.eq_ignore_ascii_case(&wanted)
        || primary(known) == primary(&wanted)
        || known == "en" && wanted == "english"
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn languages_are_the_models_however_they_are_written() {
        let known = ["en", "de"];
        let one = |wanted: &str| language(Some(wanted), &[], &known).map_err(|error| error.code);
        assert_eq!(one("EN-us"), Ok(Some("en")));
        assert_eq!(one("english"), Ok(Some("en")));
        assert_eq!(one(""), Ok(None));
        assert_eq!(one("fr"), Err("unsupported_value"));
        let several = |tags: &[&str]| {
            let tags: Vec<_> = tags.iter().map(|tag| (*tag).to_owned()).collect();
            language(None, &tags, &known).map_err(|error| error.param)
        };
        assert_eq!(several(&["de"]), Ok(Some("de")));
        assert_eq!(several(&["de", "fr"]), Ok(None));
        assert_eq!(several(&["fr", "it"]), Err(Some("languages".to_owned())));
    }
}
