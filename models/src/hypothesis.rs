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

    /// Empties it for the next segment.
    pub fn clear(&mut self) {
        self.truncate(0);
        (self.revised, self.resumed) = (false, false);
    }
}
