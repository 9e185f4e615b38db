//! The format of the audio, and the language in it.

use super::query::Query;
use crate::audio::{AudioFormat, Encoding};
use crate::protocols::deepgram::refusal::Refusal;
use voxlane::Engine;
use voxlane::audio::{MAX_RATE_HZ, MIN_RATE_HZ};

/// The format of audio without a header; nothing where a header says it.
///
/// # Errors
/// [`Refusal`] naming the option.
pub(in super::super) fn raw_format(query: &Query) -> Result<Option<AudioFormat>, Refusal> {
    let encoding = match query.one("encoding") {
        None | Some("" | "flac" | "opus" | "ogg-opus") => None,
        Some("linear16") => Some(Encoding::Linear16),
        Some("linear32") => Some(Encoding::Linear32),
        Some("mulaw") => Some(Encoding::Mulaw),
        Some("alaw") => Some(Encoding::Alaw),
        Some(other) => {
            let expected = "expected linear16, linear32, mulaw, alaw, flac, opus, ogg-opus";
            return Err(Refusal::bad_request(format!(
                "encoding: not supported ({expected}, found {other:?})"
            )));
        }
    };
    let sample_rate = query.number("sample_rate", MIN_RATE_HZ..=MAX_RATE_HZ)?;
    let channels = query.number("channels", 1..=64_usize)?.unwrap_or(1);
    match (encoding, sample_rate) {
        (Some(encoding), Some(sample_rate)) => Ok(Some(AudioFormat { encoding, sample_rate, channels })),
        (Some(_), None) => {
            Err(Refusal::bad_request("sample_rate: missing (expected with an encoding that has no header)"))
        }
        (None, _) => Ok(None),
    }
}

/// The language to ask the model for, by `language`; nothing where it has one or is to find out.
///
/// # Errors
/// [`Refusal`] for a language that the model lacks.
pub(in super::super) fn language(query: &mut Query, engine: &Engine) -> Result<Option<String>, Refusal> {
    let Some(wanted) = query.one("language").filter(|tag| !tag.is_empty()).map(str::to_owned) else {
        return Ok(None);
    };
    let known = engine.model_info().languages;
    if wanted.eq_ignore_ascii_case("multi") {
        if known.len() < 2 {
            query.warn("language: `multi` has no effect: the model knows one language");
        }
        return Ok(None);
    }
    let base = wanted.split(['-', '_']).next().unwrap_or_default();
    // A model that names none writes English.
    if known.is_empty() && base.eq_ignore_ascii_case("en") {
        return Ok(None);
    }
    let find = |tag: &str| known.iter().find(|known| known.eq_ignore_ascii_case(tag));
    match find(&wanted).or_else(|| find(base)) {
        Some(tag) => Ok(Some((*tag).to_owned())),
        None => {
            let known = if known.is_empty() { "en".to_owned() } else { known.join(", ") };
            Err(Refusal::bad_request(format!(
                "language: the model lacks it (expected {known}, found {wanted:?})"
            )))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::query::{Route, tests::parse};
    use super::*;

    #[test]
    fn formats_without_a_header_need_their_rate() {
        let format = |query: &str| raw_format(&parse(query, Route::Live).unwrap());
        let telephone = AudioFormat { encoding: Encoding::Mulaw, sample_rate: 8_000, channels: 2 };
        assert_eq!(format("encoding=mulaw&sample_rate=8000&channels=2"), Ok(Some(telephone)));
        assert_eq!((format(""), format("encoding=ogg-opus")), (Ok(None), Ok(None)));
        for query in [
            "encoding=linear16",
            "encoding=speex&sample_rate=8000",
            "encoding=alaw&sample_rate=7",
            "channels=0",
        ] {
            assert_eq!(format(query).unwrap_err().status, 400, "{query}");
        }
    }
}
