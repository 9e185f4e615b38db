//! Word error rate, with bootstrap intervals over clips.
//!
//! The rate of a set of clips is the sum of the word edit distances (insertions, deletions, substitutions) over
//! the sum of the reference's words. Clips, not words, are drawn again for an interval, because the errors of one
//! clip hang together (Bisani and Ney, Bootstrap estimates for confidence intervals in ASR performance
//! evaluation, ICASSP 2004).

use crate::bootstrap::{Interval, bootstrap};

/// The errors of one clip.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Score {
    /// Edit distance from the reference to the hypothesis, in words.
    pub errors: usize,
    /// Words of the reference.
    pub words: usize,
}

impl Score {
    /// Compares two texts after [`words`].
    pub fn of(reference: &str, hypothesis: &str) -> Self {
        let reference = words(reference);
        Score { errors: edit_distance(&reference, &words(hypothesis)), words: reference.len() }
    }

    /// Errors over words, 0 to 1 and above; not a number without words.
    pub fn rate(self) -> f64 {
        self.errors as f64 / self.words as f64
    }
}

impl std::iter::Sum for Score {
    fn sum<I: Iterator<Item = Score>>(scores: I) -> Score {
        scores.fold(Score::default(), |total, score| Score {
            errors: total.errors + score.errors,
            words: total.words + score.words,
        })
    }
}

/// The words of `text` in lower case; whatever is no letter a–z, digit or apostrophe separates words. The same
/// rule as in `peers/moonshine_reference.py`.
pub fn words(text: &str) -> Vec<String> {
    text.to_lowercase()
        .replace('\u{2019}', "'")
        .split(|c: char| !(c.is_ascii_lowercase() || c.is_ascii_digit() || c == '\''))
        .filter(|word| !word.is_empty())
        .map(str::to_owned)
        .collect()
}

/// The fewest insertions, deletions and substitutions that turn one sequence into the other (Levenshtein).
pub fn edit_distance<T: PartialEq>(from: &[T], to: &[T]) -> usize {
    let mut row: Vec<usize> = (0..=to.len()).collect();
    for (i, item) in from.iter().enumerate() {
        let mut diagonal = std::mem::replace(&mut row[0], i + 1);
        for (j, other) in to.iter().enumerate() {
            let substituted = diagonal + usize::from(item != other);
            diagonal = row[j + 1];
            row[j + 1] = substituted.min(row[j] + 1).min(diagonal + 1);
        }
    }
    row[to.len()]
}

/// The word error rate over `scores`, 0 to 1, with its interval. The same scores and seed give the same interval.
///
/// # Panics
/// If `scores` is empty.
pub fn rate_interval(scores: &[Score], seed: u64) -> Interval {
    bootstrap(scores.len(), seed, |draw| draw.map(|clip| scores[clip]).sum::<Score>().rate())
}

/// How much higher the word error rate of `ours` is than that of `reference` on the same clips in the same order,
/// as a difference of rates, with its interval. Paired: each round draws the same clips for both, so that a clip
/// that is hard for both does not widen the interval.
///
/// # Panics
/// If the two differ in length or are empty.
pub fn difference_interval(reference: &[Score], ours: &[Score], seed: u64) -> Interval {
    assert_eq!(reference.len(), ours.len(), "scores of the same clips");
    bootstrap(ours.len(), seed, |draw| {
        let (theirs, ours) = draw.fold((Score::default(), Score::default()), |(theirs, own), clip| {
            ([theirs, reference[clip]].into_iter().sum(), [own, ours[clip]].into_iter().sum())
        });
        ours.rate() - theirs.rate()
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn distances_count_each_kind_of_error() {
        let distance = |a: &str, b: &str| edit_distance(&words(a), &words(b));
        assert_eq!(distance("a b c", "a b c"), 0);
        assert_eq!(distance("a b c", "a x c"), 1);
        assert_eq!(distance("a b c", "a c"), 1);
        assert_eq!(distance("a b c", "a b b c"), 1);
        assert_eq!(distance("", "a b"), 2);
        assert_eq!(distance("a b", ""), 2);
        assert_eq!(edit_distance(b"kitten", b"sitting"), 3);
        assert_eq!(edit_distance(b"saturday", b"sunday"), 3);
    }

    #[test]
    fn words_are_lower_case_without_punctuation() {
        assert_eq!(words("Don\u{2019}t — stop, 2 times!"), ["don't", "stop", "2", "times"]);
        assert_eq!(words("caf\u{e9}\tau lait"), ["caf", "au", "lait"]);
        assert!(words(" … ").is_empty());
    }

    #[test]
    fn rates_are_over_all_words() {
        let scores = [Score::of("a b c d", "a b c d"), Score::of("a", "b c")];
        let total: Score = scores.into_iter().sum();
        assert_eq!(total, Score { errors: 2, words: 5 });
        assert_eq!(total.rate(), 0.4);
    }

    /// Ten-word clips of which every second one has two errors: the rate's standard error is known.
    fn alternating() -> Vec<Score> {
        (0..400).map(|i| Score { errors: 2 * (i % 2), words: 10 }).collect()
    }

    #[test]
    fn an_interval_is_as_wide_as_the_standard_error_says() {
        let interval = rate_interval(&alternating(), 1);
        let half = 1.96 * 0.1 / 400f64.sqrt();
        assert_eq!(interval.estimate, 0.1);
        assert!((interval.estimate - interval.low - half).abs() < 0.15 * half, "{interval:?}");
        assert!((interval.high - interval.estimate - half).abs() < 0.15 * half, "{interval:?}");
        assert_eq!(interval, rate_interval(&alternating(), 1));
    }

    #[test]
    fn pairing_removes_what_the_clips_have_in_common() {
        let reference = alternating();
        let same = difference_interval(&reference, &reference, 1);
        assert_eq!((same.low, same.estimate, same.high), (0.0, 0.0, 0.0));
        let worse: Vec<Score> = reference.iter().map(|s| Score { errors: s.errors + 1, ..*s }).collect();
        let difference = difference_interval(&reference, &worse, 1);
        assert!(
            (difference.low - 0.1).abs() < 1e-9 && (difference.high - 0.1).abs() < 1e-9,
            "{difference:?}"
        );
        assert!(!difference.contains(0.0));
    }
}
