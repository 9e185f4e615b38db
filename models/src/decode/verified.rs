//! Greedy decoding that starts from a draft: what the slot's segment was last believed to say.
//!
//! A block holds the newest token and the draft's continuation. The network runs all of it in one call, and
//! the tokens are taken as far as each is what the network itself would have said: since a row's result
//! does not depend on how many rows are in a call, the outcome is the greedy one, to the bit, whatever the
//! draft was. Only the time differs: a draft of twenty tokens that still holds costs two calls and not
//! twenty-one. (Speculative decoding with the previous hypothesis as the draft: Leviathan et al. 2023, greedy
//! case.)
//!
//! A partial keeps to what earlier partials have declared stable: these tokens are run but not asked about. So are
//! those that the slot goes on from, which come before all others and are no part of its hypothesis.

use super::resume::{Resumption, Stop};
use super::{DecodeStrategy, Next, Prediction, Vocabulary, guard};
use crate::fault::Faults;
use crate::hypothesis::{Hypothesis, Token};
use crate::request::{Goal, Request, Slot};

/// Drafted tokens in the first block of a pass, the newest token included, and in any block.
const MAX_BLOCK: usize = 16;
/// The size of the block after a draft has failed; it doubles as long as drafts hold.
const BLOCK_AFTER_FAILURE: usize = 4;
/// How far ahead the draft is searched for the token that it did not expect.
const REALIGN_TOKENS: usize = 4;
/// Tokens at the end of a partial that are never stable: the audio that they rest on may go on.
const UNSTABLE_TOKENS: usize = 2;

/// A token less likely than this keeps itself and those after it from being stable: ln 0.8.
const STABLE_LOG_PROB: f32 = -0.223_143_55;

/// See the module.
#[derive(Debug)]
pub struct AttentionVerified {
    vocabulary: Vocabulary,
    slots: Vec<SlotState>,
    slot: Slot,
    goal: Goal,
    max_tokens: usize,
    draft: Vec<u32>,
    /// The draft's token that is expected next.
    expected: usize,
    /// How many of the draft's first tokens are those that the slot goes on from.
    followed: usize,
    /// How many of the draft's next tokens are not to be asked about.
    forced: usize,
    block: Vec<u32>,
    block_limit: usize,
    is_unfinished: bool,
    resumption: Resumption,
}

#[derive(Debug)]
struct SlotState {
    /// What the slot goes on from.
    earlier: Vec<u32>,
    hypothesis: Hypothesis,
    /// What partials have declared stable.
    stable: Vec<Token>,
    /// How many tokens the two latest hypotheses agreed on.
    agreed: usize,
}

impl SlotState {
    fn new(max_tokens: usize) -> Self {
        SlotState {
            earlier: Vec::with_capacity(max_tokens),
            hypothesis: Hypothesis::with_capacity(max_tokens),
            stable: Vec::with_capacity(max_tokens),
            agreed: 0,
        }
    }

    /// Declares stable what the three latest hypotheses agree on and the network finds likely, but for the newest
    /// tokens; and sees whether the result contradicts what was stable.
    fn compare(&mut self, goal: Goal, earlier: &[u32]) {
        let tokens = self.hypothesis.tokens();
        let common = |with: &mut dyn Iterator<Item = u32>| {
            tokens.iter().zip(with).take_while(|(token, other)| token.id == *other).count()
        };
        let agreed = common(&mut earlier.iter().copied());
        let kept = common(&mut self.stable.iter().map(|token| token.id));
        let revised = kept < self.stable.len();
        if goal == Goal::Partial {
            let settled = agreed.min(self.agreed).min(tokens.len().saturating_sub(UNSTABLE_TOKENS));
            let new = tokens.iter().take(settled).skip(self.stable.len());
            self.stable.extend(new.take_while(|token| token.log_prob >= STABLE_LOG_PROB));
        }
        self.agreed = agreed;
        self.hypothesis.set_stable(if revised { kept } else { self.stable.len() });
        self.hypothesis.set_revised(revised);
    }
}

impl AttentionVerified {
    /// What has been taken so far ends with `last`: the block that follows.
    fn next_block(&mut self, last: u32) {
        self.block.clear();
        self.block.push(last);
        let drafted = self.draft.iter().skip(self.expected).take(self.block_limit - 1);
        self.block.extend(drafted);
    }

    /// The draft expected another token: goes on where the draft has this one, or past the one it had.
    fn realign(&mut self, token: u32) {
        let ahead = self.draft.iter().skip(self.expected).take(REALIGN_TOKENS);
        let found = ahead.enumerate().find(|(_, drafted)| **drafted == token);
        self.expected += found.map_or(1, |(distance, _)| distance + 1);
        self.block_limit = BLOCK_AFTER_FAILURE;
    }

    /// What a pass that gave way had not come to stays a draft for the next pass over its slot.
    fn keep_draft(&mut self) {
        if std::mem::take(&mut self.is_unfinished) {
            let hypothesis = &mut self.slots[self.slot].hypothesis;
            for &id in self.draft.iter().skip(self.expected.max(self.followed)) {
                hypothesis.push(Token { id, ..Token::default() });
            }
        }
    }

    /// The attempt has come to its end: another one, or the result.
    fn stop(&mut self, stop: Stop, faults: &mut Faults) -> Next {
        let hypothesis = &mut self.slots[self.slot].hypothesis;
        if !self.resumption.resumes(hypothesis, stop, faults) {
            return self.finish();
        }
        let tokens = hypothesis.tokens();
        let before = tokens.last().map(|token| token.id).or(self.draft[..self.followed].last().copied());
        let (last, keep) = (before.unwrap_or(self.vocabulary.start_token), self.followed + tokens.len());
        self.block_limit = BLOCK_AFTER_FAILURE;
        self.next_block(last);
        Next::Block { keep }
    }

    fn finish(&mut self) -> Next {
        self.is_unfinished = false;
        guard::doubt(&mut self.slots[self.slot].hypothesis, self.forced);
        self.slots[self.slot].compare(self.goal, &self.draft[self.followed..]);
        Next::Done
    }
}

impl DecodeStrategy for AttentionVerified {
    const MAX_BLOCK: usize = MAX_BLOCK;
    const FOLLOWS: bool = true;

    fn new(vocabulary: Vocabulary, slots: usize) -> Self {
        AttentionVerified {
            vocabulary,
            slots: (0..slots).map(|_| SlotState::new(vocabulary.max_tokens)).collect(),
            slot: 0,
            goal: Goal::Final,
            max_tokens: 0,
            // What is followed and what may come after it, each as long as a segment's text can be.
            draft: Vec::with_capacity(2 * vocabulary.max_tokens),
            expected: 0,
            followed: 0,
            forced: 0,
            block: Vec::with_capacity(MAX_BLOCK),
            block_limit: MAX_BLOCK,
            is_unfinished: false,
            resumption: Resumption::default(),
        }
    }

    fn follow(&mut self, slot: Slot, tokens: &[u32]) -> bool {
        let has_room = tokens.len() <= self.vocabulary.max_tokens;
        if has_room {
            self.slots[slot].earlier.clear();
            self.slots[slot].earlier.extend_from_slice(tokens);
        }
        has_room
    }

    fn followed(&self) -> usize {
        self.followed
    }

    fn begin(&mut self, slot: Slot, request: Request, max_tokens: usize) {
        self.keep_draft();
        self.slot = slot;
        self.goal = request.goal;
        self.max_tokens = max_tokens.min(self.vocabulary.max_tokens);
        let state = &mut self.slots[slot];
        // A partial begins with what is stable, which a final pass in between may have contradicted.
        self.forced = if self.goal == Goal::Partial { state.stable.len() } else { 0 };
        self.resumption = Resumption::new(request, self.vocabulary.end_token, self.forced);
        self.followed = state.earlier.len();
        self.draft.clear();
        self.draft.extend_from_slice(&state.earlier);
        self.draft.extend(state.stable[..self.forced].iter().map(|token| token.id));
        self.draft.extend(state.hypothesis.tokens().iter().skip(self.forced).map(|token| token.id));
        state.hypothesis.clear();
        self.expected = 0;
        self.is_unfinished = true;
        self.block_limit = MAX_BLOCK;
        self.next_block(self.vocabulary.start_token);
    }

    fn block(&self) -> &[u32] {
        &self.block
    }

    fn excluded(&self) -> Option<u32> {
        self.resumption.excluded()
    }

    fn accept(&mut self, predictions: &[Prediction], faults: &mut Faults) -> Next {
        let mut newest = self.vocabulary.start_token;
        for (row, prediction) in predictions.iter().enumerate() {
            if !prediction.log_prob.is_finite() {
                *faults |= Faults::NOT_FINITE;
                return self.finish();
            }
            if self.expected < self.followed {
                newest = self.draft[self.expected];
                self.expected += 1;
                continue;
            }
            let state = &mut self.slots[self.slot];
            let count = state.hypothesis.tokens().len();
            let is_forced = count < self.forced;
            let token = if is_forced {
                state.stable[count]
            } else if prediction.token == self.vocabulary.end_token {
                return self.stop(Stop::End, faults);
            } else {
                Token { id: prediction.token, log_prob: prediction.log_prob, ..Token::default() }
            };
            if !self.resumption.accepts(token.log_prob) {
                return self.stop(Stop::Doubt, faults);
            }
            state.hypothesis.push(token);
            if let Some(repetition) = guard::repetition(state.hypothesis.tokens()) {
                return self.stop(Stop::Repetition(repetition), faults);
            }
            newest = token.id;
            if count + 1 == self.max_tokens {
                return self.stop(Stop::Limit, faults);
            }
            if self.draft.get(self.expected) == Some(&token.id) {
                self.expected += 1;
            } else {
                self.realign(token.id);
                break;
            }
            if row + 1 == predictions.len() {
                self.block_limit = (2 * self.block_limit).min(MAX_BLOCK);
            }
        }
        self.next_block(newest);
        // The start token and all tokens but the newest have been run.
        let followed = self.followed.min(self.expected);
        Next::Block { keep: followed + self.slots[self.slot].hypothesis.tokens().len() }
    }

    fn hypothesis(&self, slot: Slot) -> &Hypothesis {
        &self.slots[slot].hypothesis
    }

    fn hypothesis_mut(&mut self, slot: Slot) -> &mut Hypothesis {
        &mut self.slots[slot].hypothesis
    }

    fn reset(&mut self, slot: Slot) {
        self.is_unfinished &= slot != self.slot;
        self.slots[slot].earlier.clear();
        self.slots[slot].hypothesis.clear();
        self.slots[slot].stable.clear();
        self.slots[slot].agreed = 0;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const VOCABULARY: Vocabulary = Vocabulary { start_token: 1, end_token: 2, max_tokens: 40 };

    /// Runs a pass over a network that says `truth`; gives the sizes of the blocks.
    fn pass(strategy: &mut AttentionVerified, goal: Goal, truth: &[u32]) -> Vec<usize> {
        let mut faults = Faults::NONE;
        let mut run: Vec<u32> = Vec::new();
        let mut sizes = Vec::new();
        strategy.begin(0, goal.into(), 40);
        loop {
            let block = strategy.block().to_vec();
            sizes.push(block.len());
            let predictions: Vec<Prediction> = block
                .iter()
                .map(|&token| {
                    run.push(token);
                    // A network sees all before: off the track it says something else.
                    let is_on_track = run[1..].iter().zip(truth).all(|(a, b)| a == b);
                    let next = truth.get(run.len() - 1).copied().unwrap_or(VOCABULARY.end_token);
                    Prediction { token: if is_on_track { next } else { 39 }, log_prob: -0.1 }
                })
                .collect();
            match strategy.accept(&predictions, &mut faults) {
                Next::Block { keep } => run.truncate(keep),
                Next::Done => return sizes,
            }
        }
    }

    fn ids(strategy: &AttentionVerified) -> Vec<u32> {
        strategy.hypothesis(0).tokens().iter().map(|token| token.id).collect()
    }

    #[test]
    fn a_draft_that_holds_costs_few_calls_and_one_that_fails_changes_nothing() {
        let mut strategy = AttentionVerified::new(VOCABULARY, 1);
        let truth: Vec<u32> = (3..30).collect();
        assert_eq!(pass(&mut strategy, Goal::Final, &truth).len(), 28);
        assert_eq!(ids(&strategy), truth);
        assert_eq!(pass(&mut strategy, Goal::Final, &truth), [16, 12]);
        assert_eq!(ids(&strategy), truth);
        let mut changed = truth.clone();
        changed[8] = 31; // one token for another
        changed.insert(12, 32); // one more
        changed.remove(17); // one less
        let calls = pass(&mut strategy, Goal::Final, &changed).len();
        assert_eq!(ids(&strategy), changed);
        assert!(calls <= 10, "{calls}");
    }

    #[test]
    fn partials_that_agree_become_stable_and_stay_so() {
        let mut strategy = AttentionVerified::new(VOCABULARY, 1);
        pass(&mut strategy, Goal::Partial, &[5, 6, 7, 8]);
        assert_eq!(strategy.hypothesis(0).stable(), 0);
        pass(&mut strategy, Goal::Partial, &[5, 6, 7, 9, 10]);
        assert_eq!(strategy.hypothesis(0).stable(), 0);
        pass(&mut strategy, Goal::Partial, &[5, 6, 7, 9, 10, 12]);
        assert_eq!(strategy.hypothesis(0).stable(), 3);
        // The network has changed its mind; the partial has not, and the final says so.
        pass(&mut strategy, Goal::Partial, &[5, 11, 12]);
        assert_eq!(ids(&strategy)[..3], [5, 6, 7]);
        pass(&mut strategy, Goal::Final, &[5, 11, 12]);
        assert_eq!(ids(&strategy), [5, 11, 12]);
        assert!(strategy.hypothesis(0).is_revised());
        assert_eq!(strategy.hypothesis(0).stable(), 1);
    }
}
