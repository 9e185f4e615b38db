//! How much text so much speech has at least, by any network.
//!
//! The slowest of 145 segments of read speech has 2.5 tokens a second of what Silero hears as speech, 2.8 with the
//! end token; the fastest with more than three tokens has 8.8.

use crate::fault::Faults;

/// Samples per second of the audio that detectors judge.
const SAMPLE_RATE_HZ: usize = 16_000;
/// With less of it heard, a sound may be a click: 0.1 s. Letters that people spell have little more.
const MIN_VOICED_SAMPLES: usize = SAMPLE_RATE_HZ / 10;
/// The fewest and the most tokens a second of speech, the end token among them.
const TOKENS_PER_S: (usize, usize) = (2, 8);
/// So many more are not too many: detectors hear the loudest part of a single word.
const TOKENS_OF_A_WORD: usize = 4;

/// What is at fault with a text of `tokens` tokens, where a detector heard `voiced_samples` samples (16 kHz) of speech;
/// nothing where that is too little to judge, or 0 because nobody knows.
pub fn faults(tokens: usize, voiced_samples: usize) -> Faults {
    if voiced_samples < MIN_VOICED_SAMPLES {
        Faults::NONE
    } else if tokens == 0 {
        Faults::NO_TEXT
    } else if (tokens + 1) * SAMPLE_RATE_HZ < TOKENS_PER_S.0 * voiced_samples {
        Faults::LITTLE_TEXT
    } else {
        Faults::NONE
    }
}

/// Whether nobody says so many tokens in so much speech.
pub(super) fn is_too_fast(tokens: usize, voiced_samples: usize) -> bool {
    tokens.saturating_sub(TOKENS_OF_A_WORD) * SAMPLE_RATE_HZ > TOKENS_PER_S.1 * voiced_samples
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_word_is_enough_for_a_second_and_not_for_five() {
        assert_eq!(faults(1, SAMPLE_RATE_HZ), Faults::NONE);
        assert_eq!(faults(1, 5 * SAMPLE_RATE_HZ), Faults::LITTLE_TEXT);
        assert_eq!(faults(0, SAMPLE_RATE_HZ), Faults::NO_TEXT);
        assert_eq!(faults(0, SAMPLE_RATE_HZ / 5), Faults::NO_TEXT, "a letter");
        assert_eq!(faults(0, SAMPLE_RATE_HZ / 20), Faults::NONE, "a click");
        assert_eq!(faults(0, 0), Faults::NONE, "nobody knows");
        assert!(is_too_fast(13, SAMPLE_RATE_HZ) && !is_too_fast(12, SAMPLE_RATE_HZ));
    }
}
