//! The words of a segment as they are written, with their times.

use crate::session::Transcript;
use crate::text::spoken;
use serde::Serialize;

/// A word as it is written, with the punctuation around it.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct TimedWord {
    /// The word.
    pub text: String,
    /// The place where it begins, in seconds of the recording.
    pub start: f64,
    /// The place where it ends.
    pub end: f64,
    /// The model's probability of it, 0 to 1; none where the times are estimated.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub confidence: Option<f32>,
}

/// Returns the words of a segment. Their times are the model's; where it gives none, each word has a share of the segment
/// that is proportional to its length.
pub fn timed(segment: &Transcript) -> Vec<TimedWord> {
    let text = spoken(&segment.text);
    let words: Vec<&str> = text.split_whitespace().collect();
    aligned(segment, &words).unwrap_or_else(|| estimated(segment, &words))
}

/// Takes times from the model's words, which may be divided in other places; `None` if they are not the text.
fn aligned(segment: &Transcript, words: &[&str]) -> Option<Vec<TimedWord>> {
    let letters = |text: &str| spoken(text).chars().filter(|letter| !letter.is_whitespace()).count();
    let mut ends = Vec::with_capacity(segment.words.len());
    let mut reached = 0;
    for word in &segment.words {
        reached += letters(&word.text);
        ends.push(reached);
    }
    if reached == 0 || reached != words.iter().map(|word| word.chars().count()).sum::<usize>() {
        return None;
    }
    let (mut at, mut first) = (0, 0);
    let timed = words.iter().map(|text| {
        at += text.chars().count();
        let last = ends.partition_point(|end| *end < at);
        let part = &segment.words[first..=last];
        // The model's word that ends here is used up; one that goes on is shared with the next word.
        first = if ends[last] == at { last + 1 } else { last };
        TimedWord {
            text: (*text).to_owned(),
            start: part[0].start,
            end: part[part.len() - 1].end,
            confidence: Some(part.iter().map(|word| word.confidence).product()),
        }
    });
    Some(timed.collect())
}

fn estimated(segment: &Transcript, words: &[&str]) -> Vec<TimedWord> {
    let weights = words.iter().map(|word| word.chars().count() as f64 + 1.0);
    let rate = (segment.end - segment.start) / weights.clone().sum::<f64>();
    let mut at = segment.start;
    let word = |(text, weight): (&&str, f64)| {
        let start = at;
        at += weight * rate;
        TimedWord { text: (*text).to_owned(), start, end: at, confidence: None }
    };
    words.iter().zip(weights).map(word).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::session::Word;

    fn segment(start: f64, end: f64, text: &str) -> Transcript {
        Transcript { start, end, text: text.into(), ..Transcript::default() }
    }

    fn word(text: &str, start: f64, end: f64) -> Word {
        let mut word = Word::default();
        (word.text, word.start, word.end, word.confidence) = (text.into(), start, end, 0.5);
        word
    }

    #[test]
    fn times_are_the_models() {
        let mut said = segment(1.0, 3.0, " ten to five.");
        said.words = vec![word("ten", 1.1, 1.4), word("to", 1.4, 1.6), word("five.", 2.0, 2.5)];
        let found: Vec<_> = timed(&said).into_iter().map(|word| (word.text, word.start, word.end)).collect();
        let wanted = [("ten", 1.1, 1.4), ("to", 1.4, 1.6), ("five.", 2.0, 2.5)];
        assert_eq!(found, wanted.map(|(text, start, end)| (text.to_owned(), start, end)));
    }

    #[test]
    fn a_word_of_the_text_may_be_several_of_the_models_and_the_reverse() {
        let mut said = segment(0.0, 2.0, "a well-known man");
        said.words = vec![word("a well", 0.1, 0.4), word("-known", 0.5, 0.8), word("man", 1.0, 1.3)];
        let found: Vec<_> = timed(&said).iter().map(|word| (word.start, word.end, word.confidence)).collect();
        assert_eq!(found, [(0.1, 0.4, Some(0.5)), (0.1, 0.8, Some(0.25)), (1.0, 1.3, Some(0.5))]);
    }

    #[test]
    fn without_the_models_times_words_share_the_segment() {
        let mut said = segment(1.0, 3.0, "one three");
        let wanted = [("one", 1.0, 1.8), ("three", 1.8, 3.0)];
        let found = || timed(&said).into_iter().map(|word| (word.text, word.start, word.end));
        assert!(found().zip(wanted).all(|(found, wanted)| found.0 == wanted.0
            && (found.1 - wanted.1).abs() < 1e-9
            && (found.2 - wanted.2).abs() < 1e-9));
        assert_eq!(found().count(), 2);
        // Times of other words are of no use.
        said.words = vec![word("one", 1.0, 1.2)];
        assert_eq!(timed(&said)[0].confidence, None);
        assert_eq!(timed(&segment(0.0, 1.0, "")), []);
    }
}
