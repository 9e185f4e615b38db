//! Phrases to listen for.

use super::query::Query;
use voxlane::{Engine, Hotword};

/// The phrases that a query names; nothing where it names none, or the model listens for none.
pub(in super::super) fn phrases(query: &mut Query, engine: &Engine) -> Option<Vec<Hotword>> {
    let mut phrases: Vec<_> =
        query.all("keyterm").filter(|term| !term.trim().is_empty()).map(Hotword::new).collect();
    let mut warnings = Vec::new();
    for keyword in query.all("keywords").filter(|keyword| !keyword.trim().is_empty()) {
        match keyword_of(keyword) {
            Some(phrase) => phrases.push(phrase),
            None => warnings
                .push(format!("keywords: {keyword:?} has no effect: a boost must be above 0 and at most 66")),
        }
    }
    if !phrases.is_empty() && !engine.model_info().takes_hotwords {
        phrases.clear();
        warnings.push("keyterm: has no effect: the model cannot listen for phrases".to_owned());
    }
    warnings.into_iter().for_each(|warning| query.warn(warning));
    (!phrases.is_empty()).then_some(phrases)
}

/// Phrases of the usual boost.
pub(in super::super) fn hotwords(terms: &[String]) -> Vec<Hotword> {
    terms.iter().map(|term| Hotword::new(term.as_str())).collect()
}

/// `PHRASE` or `PHRASE:N`; none for a boost that there is not.
fn keyword_of(keyword: &str) -> Option<Hotword> {
    let mut phrase = Hotword::new(keyword);
    if let Some((text, times)) = keyword.rsplit_once(':')
        && let Ok(times) = times.trim().parse::<f32>()
    {
        phrase.phrase = text.to_owned();
        phrase.boost *= times;
    }
    (phrase.boost > 0.0 && phrase.boost <= 100.0).then_some(phrase)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_keyword_may_say_its_boost() {
        let boost = |keyword| keyword_of(keyword).map(|phrase| (phrase.phrase, phrase.boost));
        assert_eq!(boost("tea"), Some(("tea".to_owned(), 1.5)));
        assert_eq!(boost("green tea:2"), Some(("green tea".to_owned(), 3.0)));
        assert_eq!(boost("a:b"), Some(("a:b".to_owned(), 1.5)));
        assert_eq!((boost("tea:-3"), boost("tea:NaN"), boost("tea:1000")), (None, None, None));
    }
}
