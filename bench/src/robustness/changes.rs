//! Two versions on the same recordings: words won, words lost, words invented.

use super::record::Record;
use super::sets::is_of_words;
use super::spoken_word::{Verdict, judge};
use crate::alignment::{Alignment, Step};
use crate::bootstrap::Interval;
use crate::wer::{Score, difference_interval, words};
use std::collections::HashMap;

/// The intervals are the same in every run.
const SEED: u64 = 1;

/// What changed in a set.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Change {
    /// The set.
    pub set: String,
    /// Recordings that both versions have.
    pub recordings: usize,
    /// Recordings whose words differ.
    pub changed: usize,
    /// Words of the reference that are right now and were not before.
    pub won: usize,
    /// Words that were right before and are not now.
    pub lost: usize,
    /// Words without a place in the reference that are new, less those that are gone, recording by recording; 0 where
    /// more are gone than new.
    pub invented: usize,
    /// The difference of the word error rates, later less earlier; of sets with a reference.
    pub difference: Option<Interval>,
    /// Single words that were right before and are not now.
    pub words_lost: Vec<String>,
}

/// The changes from `before` to `after`, in the order of the sets of `after`; sets and recordings that only one has are
/// left out.
pub fn changes(before: &[Record], after: &[Record]) -> Vec<Change> {
    let earlier: HashMap<(&str, &str), &Record> =
        before.iter().map(|record| ((record.set.as_str(), record.id.as_str()), record)).collect();
    let mut sets: Vec<(&str, Vec<(&Record, &Record)>)> = Vec::new();
    for record in after {
        let Some(before) = earlier.get(&(record.set.as_str(), record.id.as_str())) else { continue };
        if before.reference != record.reference {
            continue;
        }
        match sets.last_mut().filter(|(set, _)| *set == record.set) {
            Some((_, pairs)) => pairs.push((before, record)),
            None => sets.push((&record.set, vec![(before, record)])),
        }
    }
    sets.iter().map(|(set, pairs)| change(set, pairs)).collect()
}

fn change(set: &str, pairs: &[(&Record, &Record)]) -> Change {
    let mut change = Change { set: set.to_owned(), recordings: pairs.len(), ..Change::default() };
    let mut scores: [Vec<Score>; 2] = Default::default();
    for (before, after) in pairs {
        change.changed += usize::from(words(&before.text) != words(&after.text));
        let alignments = [before.alignment(), after.alignment()];
        let [old, new] = [0, 1].map(|version| alignments[version].matches());
        change.won += old.iter().zip(&new).filter(|(old, new)| old.is_none() && new.is_some()).count();
        change.lost += old.iter().zip(&new).filter(|(old, new)| old.is_some() && new.is_none()).count();
        let [old, new] = [0, 1].map(|version| inserted(&alignments[version]));
        change.invented += new.saturating_sub(old);
        scores[0].push(before.score());
        scores[1].push(after.score());
        if is_of_words(set)
            && judge(&before.reference, &before.text) == Verdict::Right
            && judge(&after.reference, &after.text) != Verdict::Right
        {
            change.words_lost.push(after.id.clone());
        }
    }
    let has_reference = scores[0].iter().any(|score| score.words > 0);
    change.difference = has_reference.then(|| difference_interval(&scores[0], &scores[1], SEED));
    change
}

fn inserted(alignment: &Alignment) -> usize {
    alignment.steps().iter().filter(|step| **step == Step::Insertion).count()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn record(set: &str, id: &str, reference: &str, text: &str) -> Record {
        let [set, id, reference, text] = [set, id, reference, text].map(str::to_owned);
        Record { set, id, speaker: String::new(), reference, text, audio_s: 1.0, segments: Vec::new() }
    }

    #[test]
    fn words_are_won_lost_and_invented() {
        let before = [
            record("bare", "a", "one two three", ""),
            record("bare", "b", "four five", "four five"),
            record("bare", "gone", "x", "x"),
            record("words", "c", "four", "4"),
            record("nonspeech", "d", "", ""),
        ];
        let after = [
            record("bare", "a", "one two three", "one two three four"),
            record("bare", "b", "four five", "four"),
            record("words", "c", "four", "fire"),
            record("nonspeech", "d", "", "you"),
        ];
        let all = changes(&before, &after);
        let counts =
            |change: &Change| (change.recordings, change.changed, change.won, change.lost, change.invented);
        assert_eq!(counts(&all[0]), (2, 2, 3, 1, 1));
        assert!((all[0].difference.unwrap().estimate + 0.2).abs() < 1e-9);
        assert_eq!(all[1].words_lost, ["c"]);
        assert_eq!(counts(&all[2]), (1, 1, 0, 0, 1));
        assert_eq!(all[2].difference, None);
    }
}
