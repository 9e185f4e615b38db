//! What a network may not say next, whatever it finds likely.
//!
//! Rules are asked before the most likely token is looked for: a token that is excluded has a logit of negative infinity in the
//! choice and in the probability, so that the short list of the output projection stays a proof.

use std::ops::Range;

/// A rule about what may follow. Asked once for each token, in the decode loop: it neither allocates nor locks.
pub trait LogitRule: Send + Sync {
    /// The most ranges that it excludes at a time.
    fn most_ranges(&self) -> usize;

    /// Excludes what may not follow `said`, the tokens of the segment so far, without the start token.
    fn exclude(&self, said: &[u32], excluded: &mut Excluded);
}

/// Tokens that may not come next.
#[derive(Clone, Debug, Default)]
pub struct Excluded(Vec<Range<u32>>);

impl Excluded {
    /// None so far, with room for so many ranges.
    pub fn with_capacity(ranges: usize) -> Self {
        Excluded(Vec::with_capacity(ranges))
    }

    /// Excludes the tokens of a range. Ranges may overlap.
    pub fn exclude(&mut self, tokens: Range<u32>) {
        self.0.push(tokens);
    }

    /// None again; the room stays.
    pub fn clear(&mut self) {
        self.0.clear();
    }

    /// The ranges.
    pub fn ranges(&self) -> &[Range<u32>] {
        &self.0
    }
}

/// Tokens that are never said, and such that are not said first.
#[derive(Clone, Debug, Default)]
pub struct Suppressed {
    /// Never.
    pub always: Vec<Range<u32>>,
    /// Not as the first token of a segment.
    pub at_start: Vec<Range<u32>>,
}

impl LogitRule for Suppressed {
    fn most_ranges(&self) -> usize {
        self.always.len() + self.at_start.len()
    }

    fn exclude(&self, said: &[u32], excluded: &mut Excluded) {
        let at_start = if said.is_empty() { &self.at_start[..] } else { &[] };
        self.always.iter().chain(at_start).for_each(|range| excluded.exclude(range.clone()));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn some_tokens_are_only_excluded_at_the_start() {
        let rule = Suppressed { always: vec![3..5, 9..10], at_start: vec![7..8, 8..9] };
        let mut excluded = Excluded::with_capacity(rule.most_ranges());
        rule.exclude(&[], &mut excluded);
        assert_eq!(excluded.ranges(), [3..5, 9..10, 7..8, 8..9]);
        excluded.clear();
        rule.exclude(&[1], &mut excluded);
        assert_eq!(excluded.ranges(), [3..5, 9..10]);
    }
}
