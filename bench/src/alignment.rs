//! Alignment of two word sequences: which words are right, substituted, deleted and inserted.

/// One step of an alignment.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Step {
    /// The same word in both.
    Match,
    /// Another word in its place.
    Substitution,
    /// A word of the reference that is missing.
    Deletion,
    /// A word that the reference does not have.
    Insertion,
}

/// An alignment with the fewest errors (Levenshtein). Among several with as few, the one that pairs words as late as it can.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Alignment {
    steps: Vec<Step>,
}

/// Errors by kind.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Errors {
    /// Words of the reference.
    pub words: usize,
    /// Words in place of others.
    pub substituted: usize,
    /// Words that are missing.
    pub deleted: usize,
    /// Words too many.
    pub inserted: usize,
}

impl Errors {
    /// The sum of all kinds.
    pub fn total(self) -> usize {
        self.substituted + self.deleted + self.inserted
    }
}

impl std::ops::Add for Errors {
    type Output = Errors;

    fn add(self, other: Errors) -> Errors {
        Errors {
            words: self.words + other.words,
            substituted: self.substituted + other.substituted,
            deleted: self.deleted + other.deleted,
            inserted: self.inserted + other.inserted,
        }
    }
}

impl std::iter::Sum for Errors {
    fn sum<I: Iterator<Item = Errors>>(errors: I) -> Errors {
        errors.fold(Errors::default(), std::ops::Add::add)
    }
}

impl Alignment {
    /// Aligns two sequences; takes a byte of memory for each pair of their items.
    pub fn of<T: PartialEq>(reference: &[T], hypothesis: &[T]) -> Self {
        let width = hypothesis.len() + 1;
        let mut choices = vec![Step::Insertion; (reference.len() + 1) * width];
        let mut row: Vec<u32> = (0..width as u32).collect();
        for (i, item) in reference.iter().enumerate() {
            let mut diagonal = std::mem::replace(&mut row[0], i as u32 + 1);
            choices[(i + 1) * width] = Step::Deletion;
            for (j, other) in hypothesis.iter().enumerate() {
                let pair = if item == other { Step::Match } else { Step::Substitution };
                let paired = diagonal + u32::from(pair == Step::Substitution);
                let deleted = row[j + 1] + 1;
                let inserted = row[j] + 1;
                diagonal = row[j + 1];
                let best = paired.min(deleted).min(inserted);
                row[j + 1] = best;
                choices[(i + 1) * width + j + 1] = match best {
                    _ if best == paired => pair,
                    _ if best == deleted => Step::Deletion,
                    _ => Step::Insertion,
                };
            }
        }
        let (mut i, mut j) = (reference.len(), hypothesis.len());
        let mut steps = Vec::with_capacity(i.max(j));
        while i > 0 || j > 0 {
            let step = choices[i * width + j];
            steps.push(step);
            i -= usize::from(step != Step::Insertion);
            j -= usize::from(step != Step::Deletion);
        }
        steps.reverse();
        Alignment { steps }
    }

    /// The steps in order.
    pub fn steps(&self) -> &[Step] {
        &self.steps
    }

    /// The errors by kind.
    pub fn errors(&self) -> Errors {
        let count = |kind| self.steps.iter().filter(|step| **step == kind).count();
        let [right, substituted, deleted, inserted] =
            [Step::Match, Step::Substitution, Step::Deletion, Step::Insertion].map(count);
        Errors { words: right + substituted + deleted, substituted, deleted, inserted }
    }

    /// For each item of the reference, the place in the hypothesis of the item that matches it.
    pub fn matches(&self) -> Vec<Option<usize>> {
        let mut place = 0;
        let mut matches = Vec::new();
        for step in &self.steps {
            if *step != Step::Insertion {
                matches.push((*step == Step::Match).then_some(place));
            }
            place += usize::from(*step != Step::Deletion);
        }
        matches
    }

    /// Where the most items in a row are missing: the place in the reference of the first, and how many.
    pub fn longest_loss(&self) -> (usize, usize) {
        let (mut longest, mut run, mut place) = ((0, 0), 0, 0);
        for step in &self.steps {
            place += usize::from(*step != Step::Insertion);
            run = if *step == Step::Deletion { run + 1 } else { 0 };
            if run > longest.1 {
                longest = (place - run, run);
            }
        }
        longest
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::wer::edit_distance;

    fn aligned(reference: &str, hypothesis: &str) -> Alignment {
        Alignment::of(reference.as_bytes(), hypothesis.as_bytes())
    }

    #[test]
    fn each_kind_of_error_is_counted() {
        let errors = |a, b| aligned(a, b).errors();
        assert_eq!(errors("abc", "abc"), Errors { words: 3, ..Errors::default() });
        assert_eq!(errors("abc", "axc"), Errors { words: 3, substituted: 1, ..Errors::default() });
        assert_eq!(errors("abc", "ac"), Errors { words: 3, deleted: 1, ..Errors::default() });
        assert_eq!(errors("ac", "abc"), Errors { words: 2, inserted: 1, ..Errors::default() });
        assert_eq!(errors("", "ab"), Errors { inserted: 2, ..Errors::default() });
        assert_eq!(errors("ab", ""), Errors { words: 2, deleted: 2, ..Errors::default() });
    }

    #[test]
    fn errors_are_as_few_as_the_edit_distance() {
        for (a, b) in [("kitten", "sitting"), ("saturday", "sunday"), ("abcdef", "fedcba"), ("aab", "baa")] {
            let errors = aligned(a, b).errors();
            assert_eq!(errors.total(), edit_distance(a.as_bytes(), b.as_bytes()), "{a} {b}");
            assert_eq!(errors.words, a.len());
        }
    }

    #[test]
    fn matches_name_their_places() {
        assert_eq!(aligned("abcd", "xabd").matches(), [Some(1), Some(2), None, Some(3)]);
    }

    #[test]
    fn the_longest_loss_is_a_run_of_deletions() {
        assert_eq!(aligned("abcdefgh", "adgh").longest_loss(), (1, 2));
        assert_eq!(aligned("abcdefgh", "gh").longest_loss(), (0, 6));
        assert_eq!(aligned("abc", "abc").longest_loss(), (0, 0));
        assert_eq!(aligned("abc", "").longest_loss(), (0, 3));
    }
}
