//! Whether a single spoken word was recognized.
//!
//! The rule: the text in lower case, without anything but letters, digits and apostrophes between words, must be one of
//! the word's spellings. A digit may be written as a word, as a figure or as a homophone ("4", "four", "for"), a letter
//! as itself, by its name or as a homophone ("b", "bee", "be"). Anything more than the word is wrong.

use crate::wer::words;

/// What became of a single word.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// It was recognized.
    Right,
    /// Something else was.
    Wrong,
    /// Nothing was.
    Empty,
}

/// Spellings besides the word itself.
const SPELLINGS: [(&str, &[&str]); 36] = [
    ("zero", &["0"]),
    ("one", &["1", "won"]),
    ("two", &["2", "to", "too"]),
    ("three", &["3"]),
    ("four", &["4", "for", "fore"]),
    ("five", &["5"]),
    ("six", &["6"]),
    ("seven", &["7"]),
    ("eight", &["8", "ate"]),
    ("nine", &["9"]),
    ("a", &["ay", "eh"]),
    ("b", &["be", "bee"]),
    ("c", &["see", "sea", "cee"]),
    ("d", &["dee"]),
    ("e", &["ee"]),
    ("f", &["eff", "ef"]),
    ("g", &["gee"]),
    ("h", &["aitch"]),
    ("i", &["eye", "aye"]),
    ("j", &["jay"]),
    ("k", &["kay"]),
    ("l", &["el", "ell"]),
    ("m", &["em"]),
    ("n", &["en"]),
    ("o", &["oh", "owe"]),
    ("p", &["pea", "pee"]),
    ("q", &["cue", "queue"]),
    ("r", &["are"]),
    ("s", &["ess", "es"]),
    ("t", &["tea", "tee"]),
    ("u", &["you"]),
    ("v", &["vee"]),
    ("w", &["double u", "double you"]),
    ("x", &["ex"]),
    ("y", &["why"]),
    ("z", &["zee", "zed"]),
];

/// Judges what was recognized of `word`.
pub fn judge(word: &str, text: &str) -> Verdict {
    let heard = words(text).join(" ");
    let spellings = SPELLINGS.iter().find(|(name, _)| *name == word).map_or(&[][..], |(_, all)| all);
    if heard.is_empty() {
        Verdict::Empty
    } else if heard == word || spellings.contains(&heard.as_str()) {
        Verdict::Right
    } else {
        Verdict::Wrong
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn figures_names_and_homophones_are_right() {
        for (word, text) in [
            ("four", " Four."),
            ("four", "4"),
            ("four", "For!"),
            ("b", "Be."),
            ("b", "B"),
            ("w", "Double-U."),
        ] {
            assert_eq!(judge(word, text), Verdict::Right, "{word} {text}");
        }
    }

    #[test]
    fn other_words_more_words_and_nothing_are_not() {
        assert_eq!(judge("four", "Five."), Verdict::Wrong);
        assert_eq!(judge("four", "Four. Four."), Verdict::Wrong);
        assert_eq!(judge("four", "44"), Verdict::Wrong);
        assert_eq!(judge("four", " … "), Verdict::Empty);
        assert_eq!(judge("word", "word"), Verdict::Right);
    }
}
