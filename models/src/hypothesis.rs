//! What a decoder believes was said in a segment.

/// One decoded token. Sixteen bytes without padding, so that it can ride in frames.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
#[repr(C)]
pub struct Token {
    /// The id in the model's vocabulary.
    pub id: u32,
    /// Natural logarithm of the probability that the model gave it, without any boost. NaN where the
    /// strategy does not compute it.
    pub log_prob: f32,
    /// Where it begins, in samples of the model's rate from the start of the segment. Equal to `end` where
    /// the model gives no times.
    pub start: u32,
    /// Where it ends, likewise.
    pub end: u32,
}

/// The tokens of one segment, start and end tokens left out. Its storage is made once.
#[derive(Debug)]
pub struct Hypothesis {
    tokens: Vec<Token>,
    stable: usize,
    revised: bool,
    resumed: bool,
}

impl Clone for Hypothesis {
    /// A copy with as much room: a plain copy of the vector would have none to spare.
    fn clone(&self) -> Self {
        let mut copy = Hypothesis::with_capacity(self.tokens.capacity());
        copy.tokens.extend_from_slice(&self.tokens);
        (copy.stable, copy.revised, copy.resumed) = (self.stable, self.revised, self.resumed);
        copy
    }
}

impl Hypothesis {
    /// An empty one with room for `capacity` tokens.
    pub fn with_capacity(capacity: usize) -> Self {
        Hypothesis { tokens: Vec::with_capacity(capacity), stable: 0, revised: false, resumed: false }
    }

    /// The tokens so far.
    pub fn tokens(&self) -> &[Token] {
        &self.tokens
    }

    /// The mean natural logarithm of its tokens' probabilities, to tell the likelier of two. Negative infinity where there
    /// are none, so that saying nothing is never likelier than a text; NaN where a token's is.
    pub fn mean_log_prob(&self) -> f32 {
        if self.tokens.is_empty() {
            return f32::NEG_INFINITY;
        }
        self.tokens.iter().map(|token| token.log_prob).sum::<f32>() / self.tokens.len() as f32
    }

    /// How many of the first tokens will not change unless the final revises them.
    pub fn stable(&self) -> usize {
        self.stable
    }

    /// Whether it contradicts tokens that an earlier hypothesis of the segment declared stable.
    pub fn is_revised(&self) -> bool {
        self.revised
    }

    /// Says whether it contradicts tokens that were declared stable.
    pub fn set_revised(&mut self, revised: bool) {
        self.revised = revised;
    }

    /// Whether part of it was found only because decoding was made to go on after the network had ended it.
    pub fn is_resumed(&self) -> bool {
        self.resumed
    }

    /// Says whether decoding was made to go on.
    pub fn set_resumed(&mut self, resumed: bool) {
        self.resumed = resumed;
    }

    /// Declares the first `count` tokens stable; never fewer than before.
    pub fn set_stable(&mut self, count: usize) {
        self.stable = self.stable.max(count.min(self.tokens.len()));
    }

    /// Appends a token if there is room and says whether there was. Never allocates.
    pub fn push(&mut self, token: Token) -> bool {
        let has_room = self.tokens.len() < self.tokens.capacity();
        if has_room {
            self.tokens.push(token);
        }
        has_room
    }

    /// Says where a token begins and ends, in samples from the start of the segment.
    ///
    /// # Panics
    /// If there is no such token.
    pub fn set_times(&mut self, token: usize, start: u32, end: u32) {
        (self.tokens[token].start, self.tokens[token].end) = (start, end);
    }

    /// Drops all tokens from `count` on.
    pub fn truncate(&mut self, count: usize) {
        self.tokens.truncate(count);
        self.stable = self.stable.min(count);
    }

    /// Drops the first `count` tokens, or all if there are fewer. Never allocates.
    pub fn drop_first(&mut self, count: usize) {
        self.tokens.drain(..count.min(self.tokens.len()));
        self.stable = self.stable.saturating_sub(count);
    }

    /// Empties it for the next segment.
    pub fn clear(&mut self) {
        self.truncate(0);
        (self.revised, self.resumed) = (false, false);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn hypothesis(log_probs: &[f32]) -> Hypothesis {
        let mut hypothesis = Hypothesis::with_capacity(8);
        for (place, &log_prob) in (0..).zip(log_probs) {
            let (start, end) = (100 * place, 100 * place + 50);
            assert!(hypothesis.push(Token { id: 7 + place, log_prob, start, end }));
        }
        hypothesis
    }

    #[test]
    fn a_text_is_likelier_than_no_text_however_unlikely_it_is() {
        assert_eq!(hypothesis(&[-0.5, -1.0, -3.0]).mean_log_prob(), -1.5);
        assert!(hypothesis(&[f32::MIN]).mean_log_prob() > hypothesis(&[]).mean_log_prob());
        assert!(hypothesis(&[-0.5, f32::NAN]).mean_log_prob().is_nan());
    }

    #[test]
    fn what_remains_without_the_first_tokens_keeps_its_times_and_its_stability() {
        let mut tokens = hypothesis(&[-0.1, -0.2, -0.3, -0.4]);
        tokens.set_stable(3);
        let all = tokens.tokens().to_vec();
        tokens.drop_first(2);
        assert_eq!((tokens.tokens(), tokens.stable()), (&all[2..], 1));
        tokens.drop_first(1);
        assert_eq!((tokens.tokens(), tokens.stable()), (&all[3..], 0));
        tokens.drop_first(5);
        assert_eq!((tokens.tokens(), tokens.stable()), (&[][..], 0));
    }
}
