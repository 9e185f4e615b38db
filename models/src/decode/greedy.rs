//! Greedy decoding: always the most likely token, one at a time.

use super::resume::{Resumption, Stop};
use super::{DecodeStrategy, Next, Prediction, Vocabulary, guard};
use crate::fault::Faults;
use crate::hypothesis::{Hypothesis, Token};
use crate::request::{Request, Slot};

/// Takes the most likely token after each token, until the end token or the limit.
#[derive(Clone, Debug)]
pub struct AttentionGreedy {
    vocabulary: Vocabulary,
    hypotheses: Vec<Hypothesis>,
    /// What each slot goes on from.
    earlier: Vec<Vec<u32>>,
    slot: Slot,
    max_tokens: usize,
    /// How many of the earlier tokens have been run or are in the block.
    entered: usize,
    last: u32,
    resumption: Resumption,
}

impl AttentionGreedy {
    /// The token that the next one comes after, and how many have been run before it.
    fn place(&self) -> (u32, usize) {
        let (earlier, tokens) = (&self.earlier[self.slot], self.hypotheses[self.slot].tokens());
        let last = tokens.last().map(|token| token.id).or(earlier.last().copied());
        (last.unwrap_or(self.vocabulary.start_token), earlier.len() + tokens.len())
    }

    /// The attempt has come to its end: another one, or the result.
    fn stop(&mut self, stop: Stop, faults: &mut Faults) -> Next {
        let hypothesis = &mut self.hypotheses[self.slot];
        if self.resumption.resumes(hypothesis, stop, faults) {
            let (last, keep) = self.place();
            self.last = last;
            return Next::Block { keep };
        }
        guard::doubt(hypothesis, 0);
        Next::Done
    }
}

impl DecodeStrategy for AttentionGreedy {
    const MAX_BLOCK: usize = 1;
    const FOLLOWS: bool = true;

    fn new(vocabulary: Vocabulary, slots: usize) -> Self {
        AttentionGreedy {
            vocabulary,
            hypotheses: vec![vocabulary.max_tokens; slots]
                .into_iter()
                .map(Hypothesis::with_capacity)
                .collect(),
            earlier: vec![vocabulary.max_tokens; slots].into_iter().map(Vec::with_capacity).collect(),
            slot: 0,
            max_tokens: 0,
            entered: 0,
            last: vocabulary.start_token,
            resumption: Resumption::default(),
        }
    }

    fn follow(&mut self, slot: Slot, tokens: &[u32]) -> bool {
        let has_room = tokens.len() <= self.vocabulary.max_tokens;
        if has_room {
            self.earlier[slot].clear();
            self.earlier[slot].extend_from_slice(tokens);
        }
        has_room
    }

    fn followed(&self) -> usize {
        self.earlier[self.slot].len()
    }

    fn begin(&mut self, slot: Slot, request: Request, max_tokens: usize) {
        self.slot = slot;
        self.max_tokens = max_tokens.min(self.vocabulary.max_tokens);
        self.entered = 0;
        self.last = self.vocabulary.start_token;
        self.hypotheses[slot].clear();
        self.resumption = Resumption::new(request, self.vocabulary.end_token, 0);
    }

    fn block(&self) -> &[u32] {
        std::slice::from_ref(&self.last)
    }

    fn excluded(&self) -> Option<u32> {
        self.resumption.excluded()
    }

    fn accept(&mut self, predictions: &[Prediction], faults: &mut Faults) -> Next {
        let hypothesis = &mut self.hypotheses[self.slot];
        for prediction in predictions {
            if !prediction.log_prob.is_finite() {
                *faults |= Faults::NOT_FINITE;
                return Next::Done;
            }
            if let Some(&token) = self.earlier[self.slot].get(self.entered) {
                self.last = token;
                self.entered += 1;
                return Next::Block { keep: self.entered };
            }
            if prediction.token == self.vocabulary.end_token {
                return self.stop(Stop::End, faults);
            }
            if !self.resumption.accepts(prediction.log_prob) {
                return self.stop(Stop::Doubt, faults);
            }
            self.last = prediction.token;
            hypothesis.push(Token { id: prediction.token, log_prob: prediction.log_prob, start: 0, end: 0 });
            if let Some(repetition) = guard::repetition(hypothesis.tokens()) {
                return self.stop(Stop::Repetition(repetition), faults);
            }
            if hypothesis.tokens().len() == self.max_tokens {
                return self.stop(Stop::Limit, faults);
            }
        }
        // The start token and all tokens but the newest have been run.
        Next::Block { keep: self.place().1 }
    }

    fn hypothesis(&self, slot: Slot) -> &Hypothesis {
        &self.hypotheses[slot]
    }

    fn hypothesis_mut(&mut self, slot: Slot) -> &mut Hypothesis {
        &mut self.hypotheses[slot]
    }

    fn reset(&mut self, slot: Slot) {
        self.hypotheses[slot].clear();
        self.earlier[slot].clear();
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::request::Goal;

    const VOCABULARY: Vocabulary = Vocabulary { start_token: 1, end_token: 2, max_tokens: 3 };

    fn predict(strategy: &mut AttentionGreedy, token: u32, log_prob: f32) -> (Next, Faults) {
        let mut faults = Faults::NONE;
        let next = strategy.accept(&[Prediction { token, log_prob }], &mut faults);
        (next, faults)
    }

    #[test]
    fn it_feeds_back_each_token_until_the_end_token() {
        let mut greedy = AttentionGreedy::new(VOCABULARY, 2);
        greedy.begin(1, Goal::Final.into(), 3);
        assert_eq!(greedy.block(), [1]);
        assert_eq!(predict(&mut greedy, 7, -0.5), (Next::Block { keep: 1 }, Faults::NONE));
        assert_eq!(greedy.block(), [7]);
        assert_eq!(predict(&mut greedy, 2, -0.1), (Next::Done, Faults::NONE));
        let ids: Vec<u32> = greedy.hypothesis(1).tokens().iter().map(|token| token.id).collect();
        assert_eq!(ids, [7]);
        assert!(greedy.hypothesis(0).tokens().is_empty());
    }

    #[test]
    fn the_limit_counts_the_end_token_and_is_flagged_only_when_it_cuts() {
        let mut greedy = AttentionGreedy::new(VOCABULARY, 1);
        greedy.begin(0, Goal::Final.into(), 2);
        assert_eq!(predict(&mut greedy, 7, 0.0).0, Next::Block { keep: 1 });
        assert_eq!(predict(&mut greedy, 8, 0.0), (Next::Done, Faults::TOKEN_LIMIT));
        assert_eq!(greedy.hypothesis(0).tokens().len(), 2);
    }

    #[test]
    fn output_that_is_not_finite_ends_the_pass_and_is_flagged() {
        let mut greedy = AttentionGreedy::new(VOCABULARY, 1);
        greedy.begin(0, Goal::Final.into(), 3);
        assert_eq!(predict(&mut greedy, 7, f32::NAN), (Next::Done, Faults::NOT_FINITE));
    }
}
