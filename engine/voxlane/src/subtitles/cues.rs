//! Cues: the words of a segment in pieces that can be read.

use super::{breaks, lines};
use crate::words::TimedWord;

/// What a cue may hold at most.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct CueLimits {
    /// Lines.
    pub lines: usize,
    /// Characters in a line. A longer word has a line of its own.
    pub columns: usize,
    /// Seconds that it is shown.
    pub seconds: f64,
}

/// Two lines of 42 characters for 7 seconds, as broadcasters have them.
impl Default for CueLimits {
    fn default() -> Self {
        CueLimits { lines: 2, columns: 42, seconds: 7.0 }
    }
}

/// A piece of text and when it is shown.
#[derive(Clone, Debug, PartialEq)]
pub struct Cue {
    /// In seconds: where its first word begins.
    pub start: f64,
    /// In seconds: where its last word ends, later if the cue is too short to be read.
    pub end: f64,
    /// The text, line by line.
    pub lines: Vec<String>,
}

/// A cue stays for so long, where the next one leaves time for it, in seconds.
const SHORTEST_S: f64 = 1.0;
/// Players drop cues of no duration, in seconds.
const INSTANT_S: f64 = 0.001;
/// A pause as good as a comma, in seconds.
const PAUSE_S: f64 = 0.4;
/// A pause that had better not be inside a cue, in seconds.
const LONG_PAUSE_S: f64 = 1.0;

/// Makes cues of the segments of one recording as they come. Cues are in order and do not overlap.
#[derive(Debug)]
pub struct Cues {
    limits: CueLimits,
    /// A cue that is too short: how long it can stay is known when the next one begins.
    held: Option<Cue>,
    /// Where the last cue ends.
    end: f64,
}

impl Cues {
    /// For one recording.
    pub fn new(limits: CueLimits) -> Self {
        Cues { limits, held: None, end: 0.0 }
    }

    /// The cues that the words of the next segment complete.
    pub fn push(&mut self, words: &[TimedWord]) -> Vec<Cue> {
        let mut cues: Vec<Cue> = self.held.take().into_iter().chain(split(words, self.limits)).collect();
        let mut earliest = self.end;
        for index in 0..cues.len() {
            let next = cues.get(index + 1).map(|cue| cue.start);
            let cue = &mut cues[index];
            cue.start = cue.start.max(earliest);
            let next = next.unwrap_or(f64::INFINITY);
            let shortest = SHORTEST_S.min(self.limits.seconds);
            let wanted = cue.end.clamp(cue.start + shortest, cue.start + self.limits.seconds);
            // A last cue is only as long as it must be until the next one is known.
            let limit = if next.is_finite() { next } else { cue.end.min(cue.start + self.limits.seconds) };
            cue.end = wanted.min(limit).max(cue.start + INSTANT_S);
            earliest = cue.end;
        }
        self.held = cues.pop_if(|cue| cue.end - cue.start < SHORTEST_S.min(self.limits.seconds));
        self.end = cues.last().map_or(self.end, |cue| cue.end);
        cues
    }

    /// The cue that was kept back, if there is one: nothing follows.
    pub fn finish(&mut self) -> Option<Cue> {
        let mut cue = self.held.take()?;
        cue.end = cue.start + SHORTEST_S.min(self.limits.seconds);
        Some(cue)
    }
}

/// The division into cues that costs least.
fn split(words: &[TimedWord], limits: CueLimits) -> Vec<Cue> {
    // `best[end]`: the cost of the first `end` words, and where their last cue begins.
    let mut best = vec![(0.0, 0)];
    for end in 1..=words.len() {
        let mut least = (f64::INFINITY, end - 1);
        for start in (0..end).rev() {
            if end - start > 1 && !fits(&words[start..end], limits) {
                break;
            }
            let cost = best[start].0 + cost(words, start, end, limits);
            if cost < least.0 {
                least = (cost, start);
            }
        }
        best.push(least);
    }
    let (mut cues, mut end) = (Vec::new(), words.len());
    while end > 0 {
        let start = best[end].1;
        let part = &words[start..end];
        let texts: Vec<_> = part.iter().map(|word| word.text.as_str()).collect();
        cues.push(Cue {
            start: part[0].start,
            end: part[part.len() - 1].end,
            lines: lines::balanced(&texts, limits.columns),
        });
        end = start;
    }
    cues.reverse();
    cues
}

fn fits(words: &[TimedWord], limits: CueLimits) -> bool {
    let [first, .., last] = words else { return true };
    last.end - first.start <= limits.seconds
        && lines::count(words.iter().map(|word| word.text.as_str()), limits.columns) <= limits.lines
}

/// What speaks against the cue `words[start..end]`.
fn cost(words: &[TimedWord], start: usize, end: usize, limits: CueLimits) -> f64 {
    let part = &words[start..end];
    let (first, last, next) = (&words[start], &words[end - 1], words.get(end));
    let after = next.map_or(0.0, |next| {
        let cost = breaks::cost(&last.text, &next.text);
        let is_pause = next.start - last.end >= PAUSE_S && cost < breaks::INSIDE;
        if is_pause { cost.min(1.0) } else { cost }
    });
    let shown = next.map_or(SHORTEST_S, |next| next.start - first.start);
    let hurry = (1.0 - shown / SHORTEST_S).max(0.0) * 10.0;
    let inside =
        part.windows(2).map(|pair| (pair[1].start - pair[0].end - LONG_PAUSE_S).max(0.0)).sum::<f64>();
    let characters: usize = part.iter().map(|word| word.text.chars().count() + 1).sum();
    let empty = (1.0 - characters as f64 / (limits.lines * limits.columns) as f64).max(0.0);
    // Every cue costs something, so that there are few, and they are well filled.
    1.5 + after + hurry + 4.0 * inside + 2.0 * empty * empty
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const LIMITS: CueLimits = CueLimits { lines: 2, columns: 42, seconds: 7.0 };

    /// Words of 0.3 s, one after the other.
    fn words(text: &str, start: f64) -> Vec<TimedWord> {
        let word = |(index, text): (usize, &str)| {
            let start = start + index as f64 * 0.3;
            TimedWord { text: text.into(), start, end: start + 0.3, confidence: None }
        };
        text.split(' ').enumerate().map(word).collect()
    }

    fn texts(cues: &[Cue]) -> Vec<String> {
        cues.iter().map(|cue| cue.lines.join("|")).collect()
    }

    #[test]
    fn a_sentence_that_fits_is_one_cue() {
        let mut cues = Cues::new(LIMITS);
        let said = cues.push(&words("Where have you been all the time?", 2.0));
        assert_eq!(texts(&said), ["Where have you been all the time?"]);
        assert!((said[0].start - 2.0).abs() < 1e-9 && (said[0].end - 4.1).abs() < 1e-9, "{said:?}");
        assert_eq!(cues.finish(), None);
    }

    #[test]
    fn long_text_is_broken_at_punctuation() {
        let text = "It was the best of times, it was the worst of times, it was the age of wisdom, it was the age of \
                    foolishness. It cost 3.5 million dollars.";
        let said = Cues::new(LIMITS).push(&words(text, 0.0));
        assert_eq!(
            texts(&said),
            [
                "It was the best of times, it was the|worst of times, it was the age of wisdom,",
                "it was the age of foolishness.|It cost 3.5 million dollars.",
            ]
        );
    }

    #[test]
    fn a_short_word_stays_until_the_next_cue_at_most() {
        let mut cues = Cues::new(LIMITS);
        assert_eq!(cues.push(&words("Four.", 1.0)), []);
        let said = cues.push(&words("And that was the end of it all.", 1.6));
        assert_eq!((said[0].start, said[0].end), (1.0, 1.6));
        assert_eq!(cues.push(&words("Five.", 9.0)), []);
        let last = cues.finish().unwrap();
        assert_eq!((last.start, last.end), (9.0, 10.0));
    }

    #[test]
    fn a_long_pause_divides_cues() {
        let mut all = words("one two", 0.0);
        all.extend(words("three four", 4.0));
        assert_eq!(texts(&Cues::new(LIMITS).push(&all))[0], "one two");
    }

    fn any_words() -> impl Strategy<Value = Vec<TimedWord>> {
        let text =
            prop_oneof![8 => "[a-z]{1,12}[,.?]?", 1 => "[a-z]{43,60}", 1 => "[0-9]{1,3}[.,:][0-9]{1,3}"];
        proptest::collection::vec((text, 0.0..1.5f64, 0.0..2.0f64), 0..60).prop_map(|parts| {
            let mut at = 0.0;
            let word = |(text, gap, length): (String, f64, f64)| {
                let start = at + (gap - 1.0).max(0.0);
                at = start + length;
                TimedWord { text, start, end: at, confidence: None }
            };
            parts.into_iter().map(word).collect()
        })
    }

    proptest! {
        #[test]
        fn cues_keep_the_text_and_the_limits(
            words in any_words(),
            (lines, columns, seconds) in (1usize..4, 1usize..60, 0.2..9.0f64),
            segment in 1usize..20,
        ) {
            let limits = CueLimits { lines, columns, seconds };
            let mut stream = Cues::new(limits);
            let mut cues: Vec<Cue> = words.chunks(segment).flat_map(|part| stream.push(part)).collect();
            cues.extend(stream.finish());
            let said: Vec<_> = cues.iter().flat_map(|cue| cue.lines.iter().flat_map(|line| line.split(' '))).collect();
            let given: Vec<_> = words.iter().map(|word| word.text.as_str()).collect();
            prop_assert_eq!(said, given);
            for cue in &cues {
                prop_assert!(cue.lines.len() <= lines, "{:?}", cue);
                prop_assert!(cue.lines.iter().all(|line| line.chars().count() <= columns || !line.contains(' ')));
                prop_assert!(cue.end > cue.start && cue.end - cue.start <= seconds.max(INSTANT_S) + 1e-9, "{:?}", cue);
            }
            prop_assert!(cues.windows(2).all(|pair| pair[0].end <= pair[1].start), "{:?}", cues);
            let starts: Vec<f64> = words.iter().map(|word| word.start).collect();
            for cue in &cues {
                // It begins with a word, but for what words that share one instant take.
                prop_assert!(starts.iter().any(|start| (cue.start - start).abs() < 0.1), "{:?}", cue);
            }
        }
    }
}
