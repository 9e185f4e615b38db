//! A transcript as Deepgram has it.

use serde_json::{Value, json};
use voxlane::Transcript;
use voxlane::text::spoken;
use voxlane::words::{TimedWord, timed};

/// What was said in a segment.
#[derive(Clone, Debug, Default, PartialEq)]
pub(super) struct Said {
    pub(super) text: String,
    pub(super) words: Vec<Heard>,
    pub(super) confidence: f32,
    pub(super) start: f64,
    pub(super) end: f64,
}

/// A word that was heard.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Heard {
    /// As it is written.
    pub(super) written: String,
    pub(super) start: f64,
    pub(super) end: f64,
    pub(super) confidence: f32,
}

impl From<&Transcript> for Said {
    fn from(transcript: &Transcript) -> Self {
        let words = timed(transcript);
        let confidence = confidence(transcript, &words);
        let heard = |word: TimedWord| Heard {
            written: word.text,
            start: word.start,
            end: word.end,
            confidence: word.confidence.unwrap_or(confidence),
        };
        Said {
            text: spoken(&transcript.text).trim().to_owned(),
            words: words.into_iter().map(heard).collect(),
            confidence,
            start: transcript.start,
            end: transcript.end,
        }
    }
}

impl Said {
    /// As an alternative of a channel.
    pub(super) fn alternative(&self) -> Value {
        json!({
            "transcript": self.text,
            "confidence": self.confidence,
            "words": self.words.iter().map(Heard::value).collect::<Vec<_>>(),
        })
    }
}

impl Heard {
    /// As `/v1/listen` has it.
    pub(super) fn value(&self) -> Value {
        json!({
            "word": bare(&self.written),
            "start": self.start,
            "end": self.end,
            "confidence": self.confidence,
            "punctuated_word": self.written,
        })
    }
}

/// The mean probability of the words; of the tokens where words have none; 0 where nothing is known.
fn confidence(transcript: &Transcript, words: &[TimedWord]) -> f32 {
    let of_words: Vec<f32> = words.iter().filter_map(|word| word.confidence).collect();
    if !of_words.is_empty() {
        return of_words.iter().sum::<f32>() / of_words.len() as f32;
    }
    let of_tokens: Vec<f32> =
        transcript.tokens.iter().map(|token| token.log_prob).filter(|log| log.is_finite()).collect();
    if of_tokens.is_empty() {
        return 0.0;
    }
    (of_tokens.iter().sum::<f32>() / of_tokens.len() as f32).exp().clamp(0.0, 1.0)
}

/// A word without the punctuation around it, in small letters.
fn bare(written: &str) -> String {
    let bare = written.trim_matches(|letter: char| !letter.is_alphanumeric());
    if bare.is_empty() { written.to_owned() } else { bare.to_lowercase() }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_are_bare_and_as_they_are_written() {
        let transcript = Transcript::default();
        assert_eq!(Said::from(&transcript).alternative()["words"], json!([]));
        for (written, expected) in [("Don't,", "don't"), ("“Tea?”", "tea"), ("—", "—"), ("3.5", "3.5")]
        {
            assert_eq!(bare(written), expected);
        }
    }

    #[test]
    fn a_segment_without_words_shares_its_time_and_its_tokens_confidence() {
        let mut transcript = Transcript::default();
        transcript.text = " One three.\u{1b}".into();
        (transcript.start, transcript.end) = (1.0, 3.0);
        let said = Said::from(&transcript);
        assert_eq!((said.text.as_str(), said.words.len(), said.confidence), ("One three.", 2, 0.0));
        assert_eq!(said.words[1].value()["word"], "three");
    }
}
