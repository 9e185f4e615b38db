//! What a stream has been told of its open segment, so that a chunk that says nothing new is not told.

use voxlane_models::hypothesis::{Hypothesis, Token};

/// What the latest partial said.
#[derive(Debug)]
pub(super) struct Told {
    tokens: Vec<Token>,
    stable: usize,
}

impl Told {
    /// Nothing so far, with room for the longest hypothesis.
    pub(super) fn with_capacity(tokens: usize) -> Self {
        Told { tokens: Vec::with_capacity(tokens), stable: 0 }
    }

    /// Takes `hypothesis` for told; whether it says anything else than what was told before: other tokens, in
    /// other places, or more of them stable.
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
        let mut told = Told::with_capacity(2);
        let mut hypothesis = Hypothesis::with_capacity(2);
        assert!(!told.is_news(&hypothesis), "nothing was said");
        hypothesis.push(Token { id: 3, log_prob: -0.1, start: 0, end: 640 });
        assert!(told.is_news(&hypothesis) && !told.is_news(&hypothesis));
        hypothesis.set_stable(1);
        assert!(told.is_news(&hypothesis) && !told.is_news(&hypothesis));
        hypothesis.set_times(0, 640, 1280);
        assert!(told.is_news(&hypothesis));
        told.clear();
        assert!(told.is_news(&hypothesis));
    }
}
