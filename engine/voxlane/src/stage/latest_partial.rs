//! The latest partial of a stream, so that a chunk that says nothing new gives none.

use voxlane_models::hypothesis::{Hypothesis, Token};

/// What it said.
#[derive(Debug)]
pub(super) struct LatestPartial {
    tokens: Vec<Token>,
    stable: usize,
}

impl LatestPartial {
    /// Nothing so far, with room for the longest hypothesis.
    pub(super) fn with_capacity(tokens: usize) -> Self {
        LatestPartial { tokens: Vec::with_capacity(tokens), stable: 0 }
    }

    /// Keeps `hypothesis` as the latest; whether it says anything else than the one before: other tokens, in other places,
    /// or more of them stable.
    pub(super) fn is_news(&mut self, hypothesis: &Hypothesis) -> bool {
        let place = |token: &Token| (token.id, token.start, token.end);
        let (new, stable) = (hypothesis.tokens(), hypothesis.stable());
        if stable == self.stable && new.iter().map(place).eq(self.tokens.iter().map(place)) {
            return false;
        }
        self.tokens.clear();
        self.tokens.extend_from_slice(new);
        self.stable = stable;
        true
    }

    /// The segment is over.
    pub(super) fn clear(&mut self) {
        self.tokens.clear();
        self.stable = 0;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_same_again_is_no_news() {
        let mut latest = LatestPartial::with_capacity(2);
        let mut hypothesis = Hypothesis::with_capacity(2);
        assert!(!latest.is_news(&hypothesis), "nothing was said");
        hypothesis.push(Token { id: 3, log_prob: -0.1, start: 0, end: 640 });
        assert!(latest.is_news(&hypothesis) && !latest.is_news(&hypothesis));
        hypothesis.set_stable(1);
        assert!(latest.is_news(&hypothesis) && !latest.is_news(&hypothesis));
        hypothesis.set_times(0, 640, 1280);
        assert!(latest.is_news(&hypothesis));
        latest.clear();
        assert!(latest.is_news(&hypothesis));
    }
}
